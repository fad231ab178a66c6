"""SIP messages as a ladder: who sent what to whom, when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from picosip.v1 import admin_service_pb2 as admin_pb, sip_pb2

_GAP = 36
"""Characters between two lines of the ladder."""


def ladder(
    records: Iterable[admin_pb.TraceRecord],
    *,
    local: str = "picosip",
    names: Mapping[str, str] | None = None,
) -> list[str]:
    """The lines of a ladder, one for each message, with milliseconds since the first.

    The server that made the trace, called ``local``, has the leftmost column; each far end has
    one of its own under its ``host:port`` (an IPv6 host in brackets), or under what ``names``
    calls that; two addresses of the same name are one. A retransmission is marked with ``*``.
    """
    messages = sorted(records, key=lambda record: record.time.ToNanoseconds())
    if not messages:
        return []
    start = messages[0].time.ToNanoseconds()
    columns = [local]
    steps: list[str] = []
    peers = [_peer(record, names or {}) for record in messages]
    for peer in peers:
        if peer not in columns:
            columns.append(peer)
    for record, peer in zip(messages, peers, strict=True):
        sent = record.direction == admin_pb.TraceRecord.DIRECTION_SENT
        elapsed = (record.time.ToNanoseconds() - start) / 1_000_000
        arrow = _arrow(_label(record), sent, columns.index(peer) * (_GAP + 1) - 1)
        rest = "".join(" " * _GAP + "|" for _ in columns[columns.index(peer) + 1 :])
        steps.append(f"{elapsed:9.1f}  |{arrow}|{rest}")
    return [_heading(columns), *steps]


def _peer(record: admin_pb.TraceRecord, names: Mapping[str, str]) -> str:
    remote = record.message.remote
    host = f"[{remote.host}]" if ":" in remote.host else remote.host
    place = f"{host}:{remote.port}"
    return names.get(place, place)


def _label(record: admin_pb.TraceRecord) -> str:
    message = record.message
    if message.WhichOneof("start_line") == "request":
        text = message.request.method
    else:
        text = f"{message.status.code} {message.status.reason} ({_method(message)})"
    if message.body.content_type:
        text += f" [{message.body.content_type.removeprefix('application/')}]"
    return f"{text} *" if record.retransmission else text


def _method(message: sip_pb2.SipMessage) -> str:
    for header in message.headers:
        if header.name.lower() == "cseq":
            return header.value.split()[-1]
    return "?"


def _arrow(label: str, sent: bool, width: int) -> str:
    # Two characters of the shaft at least on either side, and the head.
    room = width - 7
    text = f" {label if len(label) <= room else label[: room - 3] + '...'} "
    shaft = text.center(width - 1, "-")
    return f"{shaft}>" if sent else f"<{shaft}"


def _heading(columns: list[str]) -> str:
    line = "       ms  "
    for number, column in enumerate(columns):
        line = line.ljust(11 + number * (_GAP + 1)) + column[:_GAP]
    return line
