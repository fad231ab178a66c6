"""Ladders, line by line."""

from __future__ import annotations

import picosip
from picosip import Endpoint, Header, SipMessage, SipStatus, TraceRecord
from picosip.v1.sip_pb2 import RequestLine

SENT, RECEIVED = TraceRecord.DIRECTION_SENT, TraceRecord.DIRECTION_RECEIVED
B = Endpoint(host="192.0.2.2", port=5060)
C = Endpoint(host="2001:db8::3", port=5070)


def record(
    direction: TraceRecord.Direction.ValueType,
    milliseconds: float,
    remote: Endpoint,
    what: str | int,
    cseq: str = "",
    *,
    body: str = "",
    retransmission: bool = False,
) -> TraceRecord:
    message = SipMessage(remote=remote, headers=[Header(name="CSEQ", value=cseq)])
    if isinstance(what, str):
        message.request.CopyFrom(RequestLine(method=what, uri="sip:x"))
    else:
        message.status.CopyFrom(SipStatus(code=what, reason={200: "OK", 180: "Ringing"}[what]))
    if body:
        message.body.content_type = body
    made = TraceRecord(direction=direction, message=message, retransmission=retransmission)
    made.time.FromMicroseconds(1_700_000_000_000_000 + round(milliseconds * 1000))
    return made


def test_a_call() -> None:
    records = [
        record(SENT, 0, B, "INVITE", "1 INVITE", body="application/sdp"),
        record(SENT, 500, B, "INVITE", "1 INVITE", body="application/sdp", retransmission=True),
        record(RECEIVED, 512.34, B, 180, "1 INVITE"),
        record(RECEIVED, 1000, B, 200, "1 INVITE", body="application/sdp"),
        record(SENT, 1000.96, B, "ACK", "1 ACK"),
        record(RECEIVED, 62000, B, "BYE", "1 BYE"),
        record(SENT, 62001, B, 200, "1 BYE"),
    ]
    assert picosip.ladder(records, local="A", names={"192.0.2.2:5060": "B"}) == [
        "       ms  A                                    B",
        "      0.0  |----------- INVITE [sdp] ---------->|",
        "    500.0  |---------- INVITE [sdp] * --------->|",
        "    512.3  |<------- 180 Ringing (INVITE) ------|",
        "   1000.0  |<------ 200 OK (INVITE) [sdp] ------|",
        "   1001.0  |--------------- ACK --------------->|",
        "  62000.0  |<--------------- BYE ---------------|",
        "  62001.0  |----------- 200 OK (BYE) ---------->|",
    ]


def test_each_far_end_has_its_column() -> None:
    records = [
        record(SENT, 0, B, "OPTIONS"),
        record(RECEIVED, 2, C, "OPTIONS"),
        record(RECEIVED, 1, B, 200, "9 OPTIONS"),
    ]
    # In the order of time, whatever order they came in.
    lines = picosip.ladder(records)
    columns = "picosip", "192.0.2.2:5060", "[2001:db8::3]:5070"
    assert lines[0] == f"       ms  {columns[0]:<37}{columns[1]:<37}{columns[2]}"
    assert lines[1] == f"      0.0  |------------- OPTIONS ------------->|{'':36}|"
    assert lines[2] == f"      1.0  |<--------- 200 OK (OPTIONS) --------|{'':36}|"
    assert lines[3] == f"      2.0  |<{' OPTIONS '.center(72, '-')}|"


def test_what_is_too_long_is_cut() -> None:
    lines = picosip.ladder([record(SENT, 0, B, "M" * 40)])
    assert lines[1] == f"      0.0  |-- {'M' * 26}... -->|"
    assert len(lines[1]) == 11 + 1 + 36 + 1


def test_nothing() -> None:
    assert picosip.ladder([]) == []
