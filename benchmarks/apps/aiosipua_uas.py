"""Answers every call with aiosipua: 180, then 200. Runs where aiosipua is installed.

python aiosipua_uas.py PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiosipua.sdp import parse_sdp
from aiosipua.transport import UdpSipTransport
from aiosipua.uas import SipUAS

ANSWER = parse_sdp(
    "v=0\r\no=bob 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 49172 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
)


def answer(call: Any) -> None:
    """Takes one call."""
    call.ringing()
    call.accept(ANSWER)


async def main(port: int) -> None:
    """Runs until it is ended."""
    uas = SipUAS(UdpSipTransport(("127.0.0.1", port)))
    uas.on_invite = answer
    await uas.start()
    await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1])))
