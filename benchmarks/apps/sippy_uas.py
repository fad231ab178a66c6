"""Answers every call with sippy: 180, then 200. Runs where sippy is installed.

python sippy_uas.py PORT
"""

from __future__ import annotations

import sys
from typing import Any

from sippy.CCEvents import CCEventConnect, CCEventRing, CCEventTry
from sippy.Core.EventDispatcher import ED2
from sippy.MsgBody import MsgBody
from sippy.SipTransactionManager import SipTransactionManager
from sippy.UA import UA
from sippy.Udp_server import Udp_server_opts

# More sending threads than one let its 200 overtake its 180.
Udp_server_opts.nworkers = 1

ANSWER = (
    "v=0\r\no=bob 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 49172 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
)


class NoLog:
    """Where SIP messages would be logged."""

    def write(self, *arguments: object, **options: object) -> None:
        """Drops it."""


SETTINGS: dict[str, Any] = {
    "_sip_address": "127.0.0.1",
    "_sip_port": int(sys.argv[1]),
    "_sip_logger": NoLog(),
}


class Call:
    """One call."""

    def __init__(self) -> None:
        self.ua = UA(SETTINGS, self.take)

    def take(self, event: object, ua: Any) -> None:
        """Answers the INVITE."""
        if isinstance(event, CCEventTry):
            ua.recvEvent(CCEventRing((180, "Ringing", None)))
            ua.recvEvent(CCEventConnect((200, "OK", MsgBody(ANSWER))))


def receive(request: Any, transaction: Any) -> Any:
    """What begins outside a call."""
    if request.getHFBody("to").getTag() is not None:
        return request.genResponse(481, "Call/Transaction Does Not Exist"), None, None
    if request.getMethod() == "INVITE":
        return Call().ua.recvRequest(request, transaction)
    return request.genResponse(501, "Not Implemented"), None, None


SETTINGS["_sip_tm"] = SipTransactionManager(SETTINGS, receive)
ED2.loop()
