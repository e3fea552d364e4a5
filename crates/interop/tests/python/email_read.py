"""Says what Python's email makes of each message of a folder: one JSON object a line."""

import email, email.policy, email.utils, json, os, sys

LEAVES = ("message/delivery-status",)


def part(message, reading):
    kind = message.get_content_type()
    reading["tree"] += kind
    try:
        name = message.get_filename()
    except Exception as error:
        name = type(error).__name__
    if name is not None:
        reading["names"].append(name)
    children = message.get_payload()
    if kind in LEAVES:
        # Python makes a message of each group of fields.
        reading["sizes"].append(None)
    elif isinstance(children, list):
        reading["tree"] += "("
        for index, child in enumerate(children):
            reading["tree"] += " " if index else ""
            part(child, reading)
        reading["tree"] += ")"
    else:
        try:
            reading["sizes"].append(len(message.get_payload(decode=True) or b""))
        except Exception as error:
            reading["sizes"].append(type(error).__name__)


def addresses(message, name):
    all = []
    for field in message.get_all(name, []):
        for one in field.addresses:
            address = one.username + ("@" + one.domain if one.domain else "")
            all.append(f"{one.display_name} <{address}>" if one.display_name else address)
    return all


def date(message):
    moment = message["date"] and message["date"].datetime
    return int(email.utils.localtime(moment).timestamp()) if moment and moment.tzinfo else (
        int(moment.timestamp()) if moment else None)


def attempt(read):
    try:
        return read()
    except Exception as error:
        return type(error).__name__


def text(message, name):
    value = message[name]
    return None if value is None else str(value)


os.environ["TZ"] = "UTC"
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        message = email.message_from_bytes(file.read(), policy=email.policy.default)
    reading = {"tree": "", "sizes": [], "names": []}
    part(message, reading)
    reading["subject"] = attempt(lambda: text(message, "subject"))
    reading["from"] = attempt(lambda: addresses(message, "from"))
    reading["to"] = attempt(lambda: addresses(message, "to"))
    reading["date"] = attempt(lambda: date(message))
    reading["id"] = attempt(lambda: (text(message, "message-id") or "").strip("<> ") or None)
    # Octets it could not decode are lone surrogates.
    said = json.dumps(reading, ensure_ascii=False).encode("utf-8", "surrogatepass")
    print(said.decode("utf-8", "replace").replace("\ufffd\ufffd\ufffd", "\ufffd"))
