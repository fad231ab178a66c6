"""What the scenarios have in common, written once: their files name it and say what differs.

Between two messages a block is an element such as ``<caller-acks/>``; inside a message it is a
keyword such as ``[sdp]``, in SIPp's own manner.
"""

from __future__ import annotations

import re

_TAG = "tag=[pid]sipp[call_number]"
_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]"
_CONTACT = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>"
_FROM = f"From: <sip:sipp@[local_ip]:[local_port]>;{_TAG}"
_TO = "To: <sip:[service]@[remote_ip]:[remote_port]>"
_LAST = ("[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]")
_TARGET = "sip:[service]@[remote_ip]:[remote_port]"


def _lines(*lines: str) -> str:
    return "\n".join(lines)


_DESCRIPTION = _lines(
    "v=0",
    "o=sipp 1 1 IN IP[local_ip_type] [local_ip]",
    "s=-",
    "c=IN IP[local_ip_type] [local_ip]",
    "t=0 0",
    "m=audio [media_port] RTP/AVP 0",
)

KEYWORDS = {
    "target": _TARGET,
    "contact": _CONTACT,
    "empty": "Content-Length: 0",
    # A session description with its headers; or such a one without, to put lines after it.
    "sdp": _lines("Content-Type: application/sdp", "Content-Length: [len]", "", _DESCRIPTION),
    "description": _DESCRIPTION,
    # Headers of a request by SIPp: outside a dialog, then inside, as caller and as callee.
    "request": _lines(_VIA, _FROM, _TO, "Call-ID: [call_id]", "Max-Forwards: 70"),
    "caller": _lines(
        _VIA,
        "[routes]",
        _FROM,
        f"{_TO}[peer_tag_param]",
        "Call-ID: [call_id]",
        "Max-Forwards: 70",
    ),
    "callee": _lines(
        _VIA,
        "[routes]",
        f"From:[$to];{_TAG}",
        "To:[$from]",
        "Call-ID: [call_id]",
        "Max-Forwards: 70",
    ),
    # Headers of a response: to a request in a dialog, to another one, and to the INVITE that
    # <invited/> has learned, however long ago.
    "reply": _lines(*_LAST),
    "reply-tag": _lines(*(f"{line};{_TAG}" if "To" in line else line for line in _LAST)),
    "reply-invite": _lines(
        "Via:[$via]",
        "From:[$from]",
        f"To:[$to];{_TAG}",
        "[last_Call-ID:]",
        "CSeq: [$cseq] INVITE",
    ),
}
"""What stands for ``[name]`` in a message."""


def _send(*lines: str, repeated: bool = False) -> str:
    opening = '<send retrans="500">' if repeated else "<send>"
    return f"{opening}<![CDATA[\n\n{_lines(*lines)}\n\n]]></send>\n"


_HUNG_UP = '<recv request="BYE"/>\n' + _send("SIP/2.0 200 OK", "[reply]", "[empty]")
_PROVISIONALS = "".join(
    f'<recv response="{status}" optional="true"/>\n' for status in (100, 180, 183)
)


def _learned(variable: str, header: str, pattern: str = ".*") -> str:
    # Where the INVITE has such a header once more, SIPp finds the first.
    return f'<ereg regexp="{pattern}" search_in="hdr" header="{header}:" assign_to="{variable}"/>\n'


STEPS = {
    "invited": '<recv request="INVITE" rrs="true">\n<action>\n'
    + _learned("via", "Via")
    + _learned("from", "From")
    + _learned("to", "To")
    + _learned("cseq", "CSeq", "[0-9]+")
    + "</action>\n</recv>\n",
    "rings": _send("SIP/2.0 180 Ringing", "[reply-invite]", "[contact]", "[empty]"),
    "answers": _send("SIP/2.0 200 OK", "[reply-invite]", "[contact]", "[sdp]", repeated=True),
    "acked": '<recv request="ACK"/>\n',
    "ok": _send("SIP/2.0 200 OK", "[reply]", "[empty]"),
    "ok-tag": _send("SIP/2.0 200 OK", "[reply-tag]", "[empty]"),
    "hung-up": _HUNG_UP,
    "callee-hangs-up": _send(
        "BYE [next_url] SIP/2.0", "[callee]", "CSeq: 90 BYE", "[empty]", repeated=True
    )
    + '<recv response="200"/>\n',
    "invites": _send(
        "INVITE [target] SIP/2.0",
        "[request]",
        "CSeq: 1 INVITE",
        "[contact]",
        "[sdp]",
        repeated=True,
    ),
    "provisionals": _PROVISIONALS,
    "answered": f'{_PROVISIONALS}<recv response="200" rrs="true"/>\n',
    "acks": _send("ACK [next_url] SIP/2.0", "[caller]", "CSeq: 1 ACK", "[empty]"),
    # Of a final refusal: a part of its transaction, so with its Via.
    "acks-refusal": _send(
        "ACK [target] SIP/2.0",
        "[last_Via:]",
        _FROM,
        "[last_To:]",
        "Call-ID: [call_id]",
        "CSeq: 1 ACK",
        "Max-Forwards: 70",
        "[empty]",
    ),
    "caller-hangs-up": _send(
        "BYE [next_url] SIP/2.0", "[caller]", "CSeq: 90 BYE", "[empty]", repeated=True
    )
    + '<recv response="200"/>\n',
}
"""What stands for ``<name/>`` between messages."""


def expand(text: str, keys: dict[str, str]) -> str:
    """The scenario that SIPp reads. ``keys``: more keywords."""
    text = re.sub(r"<([a-z-]+)/>", lambda found: STEPS.get(found[1], found[0]), text)
    for name, value in keys.items():
        text = text.replace(f"[{name}]", value)
    # A keyword may stand for others.
    for _ in range(2):
        text = re.sub(r"\[([a-z-]+)\]", lambda found: KEYWORDS.get(found[1], found[0]), text)
    return text
