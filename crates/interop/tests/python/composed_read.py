"""Says what Python's email finds in one message: fields as text, and each leaf with its content."""

import email, email.policy, json, sys


def leaves(message):
    if message.get_content_maintype() == "multipart":
        for part in message.iter_parts():
            yield from leaves(part)
        return
    # Python makes a message of each group of a report's fields.
    if message.get_content_maintype() == "message":
        content = "".join(str(part) for part in message.get_payload())
    else:
        content = message.get_content()
    content = content.hex() if isinstance(content, bytes) else content.replace("\r\n", "\n")
    cid = message["content-id"]
    yield {
        "type": message.get_content_type(),
        "name": message.get_filename(),
        "cid": cid and str(cid),
        "content": content,
    }


def tree(message):
    kind = message.get_content_type()
    if message.get_content_maintype() == "multipart":
        return kind + "(" + " ".join(tree(part) for part in message.iter_parts()) + ")"
    return kind


message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
defects = [repr(one) for part in message.walk() for one in part.defects]
defects += [repr(one) for value in message.values() for one in value.defects]
print(json.dumps({
    "tree": tree(message),
    "fields": {name.lower(): str(value) for name, value in message.items()},
    "addresses": {name: [[one.display_name, one.addr_spec] for one in message[name].addresses]
                  for name in ("from", "to", "cc") if message[name]},
    "groups": [group.display_name for group in message["to"].groups] if message["to"] else [],
    "leaves": list(leaves(message)),
    "defects": defects,
}))
