"""The head of a request as octets: enough to refuse it by, and to know the ACK to that again.

Who is refused for overload is one of many, so that this is the dearest place to be slow in: no
message is parsed or built. Only heads of the usual form are read; all others are for the parser.
"""

from __future__ import annotations

import re
from collections.abc import Hashable

from picosip_server.engine.intake import mark_of, seconds_by, tag_of
from picosip_server.engine.network import Source
from picosip_server.frozen import dataclass
from picosip_server.sip.ua.keys import server_key_of

MOST = 8192
"""Octets of a head; a longer one is not the usual form."""

_NEVER = frozenset({b"ACK", b"CANCEL"})
"""They begin nothing, and what is refused here does."""

# Possessive throughout: these are tried on whatever the network brings.
_start = re.compile(rb"([A-Z]++) (sips?+):[^ \r\n]++ SIP/2\.0\r\n").match
_via = re.compile(
    rb"SIP/2\.0/UDP (([A-Za-z0-9.\-]++|\[[0-9A-Fa-f:.]++\])(?::([1-9][0-9]{0,4}+))?+)"
    rb"((?:;[A-Za-z0-9\-]++(?:=[A-Za-z0-9.!%*_+`'~\-]++)?+)++)"
).fullmatch
_branch = re.compile(rb";branch=(z9hG4bK[^;]++)").search
_address = re.compile(rb"[^<>\"\\;:]*+<sips?+:[^<>\"\s]++>(?:;tag=([0-9a-f]{16}))?+").fullmatch
_call_id = re.compile(rb"[!-~]++").fullmatch
_cseq = re.compile(rb"[0-9]{1,9}+ ([A-Z]++)").fullmatch

_names = {
    each.encode(): name.lower()
    for name, spellings in {
        "Via": ("Via", "via", "v"),
        "From": ("From", "from", "f"),
        "To": ("To", "to", "t"),
        "Call-ID": ("Call-ID", "call-id", "i"),
        "CSeq": ("CSeq", "cseq"),
        # Frequent, and none of these.
        "": ("Contact", "Max-Forwards", "Content-Length", "Content-Type", "User-Agent"),
    }.items()
    for each in spellings
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a response copies from a request (RFC 3261 section 8.2.6.2), and where it goes.

    The top Via is as ``intake.stamp`` makes it.
    """

    method: bytes
    secure: bool
    """Whether the Request-URI is a SIPS one."""
    vias: list[bytes]
    branch: str
    sent_by: str
    port: int
    """Of the way back, at the address that the request came from."""
    sender: bytes
    to: bytes
    to_tag: bytes
    """Empty if there is none, or none of ours."""
    call_id: bytes
    cseq: bytes

    @staticmethod
    def of_new(data: bytes, source: Source) -> Head | None:
        """That of a datagram that begins something; None where it does not, or is unusual."""
        head = _read(data, source)
        return None if head is None or head.method in _NEVER or head.to_tag else head

    def tag(self, secret: bytes) -> str:
        """See ``intake.stateless_tag``."""
        return tag_of(self.vias[0], self.call_id, secret)

    @property
    def key(self) -> Hashable:
        """See ``keys.server_key``."""
        return server_key_of(self.branch, self.sent_by, self.method.decode())

    def refuse(self, tag: str) -> bytes:
        """A 503 like that of ``intake.stateless_response``, with ``intake.retry_later``."""
        via = b"\r\nVia: ".join(self.vias)
        return (
            b"SIP/2.0 503 Service Unavailable\r\nVia: %b\r\nFrom: %b\r\nTo: %b;tag=%b\r\n"
            b"Call-ID: %b\r\nCSeq: %b\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n"
        ) % (via, self.sender, self.to, tag.encode(), self.call_id, self.cseq, seconds_by(tag))


def acknowledges_refusal(data: bytes, source: Source, secret: bytes) -> bool:
    """Whether this is the ACK to a response that no transaction was kept for.

    It has the top Via of the INVITE (17.1.1.3), from which the tag was made that it brings.
    """
    if data[:4] != b"ACK " or mark_of(secret).encode() not in data:
        return False
    head = _read(data, source)
    return head is not None and head.to_tag.decode() == head.tag(secret)


def _read(data: bytes, source: Source) -> Head | None:
    end = data.find(b"\r\n\r\n")
    start = _start(data)
    if start is None or not 0 < end <= MOST or source.transport != "UDP":
        return None
    lines = data[:end].split(b"\r\n")
    if data.count(b"\r", 0, end) >= len(lines) or data.count(b"\n", 0, end) >= len(lines):
        # A lone CR or LF ends no line.
        return None
    vias: list[bytes] = []
    found: dict[str, bytes] = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        key = _names.get(name)
        if key is None:
            if line[:1] in (b" ", b"\t"):
                # 7.3.1: the line before goes on here.
                return None
            key = _names.get(name.rstrip(b" \t").lower())
        if not key:
            continue
        value = value.strip(b" \t")
        if key == "via":
            vias.append(value)
        elif key in found:
            return None
        else:
            found[key] = value
    if not vias or len(found) != 4:
        return None
    method, call_id = start[1], found["call-id"]
    via, to, cseq = _via(vias[0]), _address(found["to"]), _cseq(found["cseq"])
    if via is None or to is None or cseq is None or cseq[1] != method or not _call_id(call_id):
        return None
    sent_by, host, port, params = via.groups()
    branch = _branch(params)
    lower = params.lower()
    if (
        branch is None
        or lower.count(b";branch") != 1
        or b";received" in lower
        or b";maddr" in lower
    ):
        return None
    back = 5060 if port is None else int(port)
    if back > 65535:
        return None
    # 18.2.1, RFC 3581 section 4: as in ``intake.stamp``.
    at = lower.find(b";rport")
    if at >= 0:
        rest = params[at + 6 :]
        if rest[:1] not in (b"", b";") or b";rport" in lower[at + 6 :]:
            return None
        back = source.port
        params = b"%b;rport=%d%b" % (params[:at], back, rest)
    here = host.decode().strip("[]") == source.host
    if at >= 0 or not here:
        vias[0] = b"SIP/2.0/UDP %b%b;received=%b" % (sent_by, params, source.host.encode())
    return Head(
        method=method,
        secure=start[2] == b"sips",
        vias=vias,
        branch=branch[1].decode(),
        sent_by=sent_by.decode(),
        port=back,
        sender=found["from"],
        to=found["to"],
        to_tag=to[1] or b"",
        call_id=call_id,
        cseq=found["cseq"],
    )
