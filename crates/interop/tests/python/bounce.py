"""Reads a delivery report from standard input as Python's email package does, and prints what it says as JSON."""

import email
import email.policy
import json
import sys

message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
assert message.get_content_type() == "multipart/report", message.get_content_type()
assert message.get_param("report-type") == "delivery-status"
words, status, returned = message.iter_parts()
groups = [dict(group.items()) for group in status.get_payload()]
print(
    json.dumps(
        {
            "to": message["To"],
            "subject": message["Subject"],
            "words": words.get_content(),
            "kind": status.get_content_type(),
            "message": groups[0],
            "recipients": groups[1:],
            "returned": returned.get_content_type(),
            "defects": [str(defect) for part in message.walk() for defect in part.defects],
        }
    )
)
