"""What is in a letter with a report about TLS, as Python's email, gzip and json read it."""

import email
import email.policy
import gzip
import json
import sys

letter = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
parts = list(letter.walk())
packed = [part for part in parts if part.get_content_type() == "application/tlsrpt+gzip"]
assert len(packed) == 1, [part.get_content_type() for part in parts]
print(
    json.dumps(
        {
            "type": letter.get_content_type(),
            "report-type": letter.get_param("report-type"),
            "domain": letter["TLS-Report-Domain"],
            "submitter": letter["TLS-Report-Submitter"],
            "subject": letter["Subject"],
            "filename": packed[0].get_filename(),
            "defects": [str(defect) for part in parts for defect in part.defects],
            "report": json.loads(gzip.decompress(packed[0].get_payload(decode=True))),
        }
    )
)
