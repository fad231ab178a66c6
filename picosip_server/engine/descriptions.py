"""What calls do with session descriptions by themselves, over ``sdp``, which they do not know."""

from __future__ import annotations

from collections.abc import Callable

from picosip_server.sdp import revise
from picosip_server.sdp.direction import wants_nothing
from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.parse import parse
from picosip_server.sip.errors import LocalProtocolError

_HOLDING = (b"a=sendonly", b"a=inactive", b"0.0.0.0", b"::")
"""A description that holds has one of these somewhere; most have none, and need no reading."""


class SdpDescriptions:
    """Implements ``sip.ua.context.Descriptions``."""

    def resume(self, given: bytes, sent: bytes) -> bytes:
        """See ``Descriptions.resume``."""
        return _made(lambda: revise.continued(given, sent))

    def hold(self, given: bytes, sent: bytes) -> bytes:
        """See ``Descriptions.hold``."""
        return _made(lambda: revise.on_hold(given, sent))

    def answer(self, given: bytes, sent: bytes, offer: bytes, *, hold: bool) -> bytes:
        """See ``Descriptions.answer``."""
        return _made(lambda: revise.answer_to(offer, given, sent, hold=hold))

    def holds(self, description: bytes) -> bool:
        """See ``Descriptions.holds``."""
        if not any(each in description for each in _HOLDING):
            return False
        try:
            return wants_nothing(parse(description))
        except SdpError:
            return False


def _made(make: Callable[[], bytes]) -> bytes:
    try:
        return make()
    except SdpError as error:
        raise LocalProtocolError(f"the session description cannot be read: {error}") from error
