"""A filter made with somebody else's library (purepythonmilter): filter.py PORT.

It refuses letters for alan, and tells in fields of other letters what it was told.
"""

import sys

from purepythonmilter import (
    AppendHeader,
    BodyChunk,
    ChangeHeader,
    Connect,
    Continue,
    EndOfMessage,
    Header,
    InsertHeader,
    PurePythonMilter,
    RcptTo,
    RejectWithCode,
    ReplaceBodyChunk,
    SkipToNextStage,
    VerdictOrContinue,
)

subjects = []


async def on_connect(cmd: Connect) -> Continue:
    ip = str(cmd.connection_info_args.addr)
    return Continue(manipulations=[AppendHeader(headername="X-Client", headertext=ip)])


async def on_rcpt_to(cmd: RcptTo) -> VerdictOrContinue:
    if "alan" in cmd.address:
        return RejectWithCode(primary_code=(5, 5, 0), enhanced_code=(5, 7, 1), text="not alan")
    return Continue()


async def on_header(cmd: Header) -> Continue:
    if cmd.name == "Subject":
        subjects.append(cmd.text.strip())
    return Continue()


async def on_body_chunk(cmd: BodyChunk) -> VerdictOrContinue | SkipToNextStage:
    return SkipToNextStage()


async def on_end_of_message(cmd: EndOfMessage) -> Continue:
    told = " ".join(f"{name}={value}" for name, value in sorted(cmd.macros.items()))
    subject = f"[{subjects.pop()}]"
    return Continue(
        manipulations=[
            ChangeHeader(headername="Subject", headertext=subject, nth_occurrence=1),
            InsertHeader(headername="X-Told", headertext=told, index=0),
            ReplaceBodyChunk(chunk=b"another body\r\n"),
        ]
    )


PurePythonMilter(
    name="filter",
    hook_on_connect=on_connect,
    hook_on_rcpt_to=on_rcpt_to,
    hook_on_header=on_header,
    hook_on_body_chunk=on_body_chunk,
    hook_on_end_of_message=on_end_of_message,
    restrict_symbols=None,
    can_add_headers=True,
    can_change_headers=True,
    can_change_body=True,
).run_server(host="127.0.0.1", port=int(sys.argv[1]))
