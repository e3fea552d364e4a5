"""A report of DMARC in a letter on standard input, as Python's email, gzip and XML read it."""
import email, email.policy, gzip, re, sys
import xml.etree.ElementTree as tree

letter = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
domain, submitter, name = re.fullmatch(
    r"Report Domain: (\S+) Submitter: (\S+) Report-ID: <(\S+)>", letter["Subject"]
).groups()
assert submitter == "mail.test.localhost", submitter
assert letter["From"].addresses[0].addr_spec == "postmaster@mail.test.localhost"
(part,) = [part for part in letter.walk() if part.get_content_type() == "application/gzip"]
begin, end = re.fullmatch(
    re.escape(f"{submitter}!{domain}!") + r"(\d+)!(\d+)\.xml\.gz", part.get_filename()
).groups()
report = tree.fromstring(gzip.decompress(part.get_content()))
space = "{urn:ietf:params:xml:ns:dmarc-2.0}"
assert report.tag == space + "feedback", report.tag


def text(node, path):
    return node.findtext("/".join(space + step for step in path.split("/")))


assert text(report, "report_metadata/report_id") == name
assert text(report, "report_metadata/date_range/begin") == begin
assert text(report, "report_metadata/date_range/end") == end
policy = "policy_published/"
assert text(report, policy + "domain") == domain
to = letter["To"].addresses[0].addr_spec
print(domain, f"p={text(report, policy + 'p')} adkim={text(report, policy + 'adkim')} to {to}")
for record in report.findall(space + "record"):
    judged = "row/policy_evaluated/"
    print(
        text(record, "row/source_ip"),
        text(record, "row/count"),
        text(record, judged + "disposition"),
        f"dkim={text(record, judged + 'dkim')}",
        f"spf={text(record, judged + 'spf')}",
        text(record, "identifiers/header_from"),
        f"{text(record, 'auth_results/spf/scope')}={text(record, 'auth_results/spf/result')}",
    )
