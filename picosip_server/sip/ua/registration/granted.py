"""What a registrar's answer says of one binding."""

from __future__ import annotations

from collections.abc import Iterable

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.errors import ParseError, RemoteProtocolError
from picosip_server.sip.grammar import number
from picosip_server.sip.message import Response
from picosip_server.sip.uri import Uri
from picosip_server.sip.values import LARGEST_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A 2xx to a REGISTER, as it concerns the contacts of one binding."""

    interval: float
    """Seconds; 0: the binding is not there."""
    pub_gruu: str = ""
    temp_gruu: str = ""
    """Empty where the registrar made none (RFC 5627 section 4.2)."""
    outbound: bool = False
    """The registrar and the edge apply RFC 5626 to the binding."""
    flow_timer: float | None = None
    """Seconds within which the edge wants to hear keep-alives (RFC 5626 section 4.4)."""
    path: tuple[str, ...] = ()
    service_route: tuple[str, ...] = ()


def granted(
    response: Response, mine: Iterable[Address], *, wish: float, reg_id: int = 0
) -> Granted:
    """Reads a 2xx. ``wish`` is the interval that was asked for, in seconds."""
    own = [
        contact
        for contact in _contacts(response)
        if any(contact.uri.equivalent(each.uri) for each in mine) and _of_flow(contact, reg_id)
    ]
    required = {tag.lower() for tag in response.headers.elements("Require")}
    return Granted(
        interval=_interval(response, own, wish),
        pub_gruu=_gruu(own, "pub-gruu"),
        temp_gruu=_gruu(own, "temp-gruu"),
        # RFC 5626 section 4.2.1.
        outbound=bool(reg_id) and "outbound" in required,
        flow_timer=seconds(response.headers.get("Flow-Timer")) or None,
        path=tuple(response.headers.elements("Path")),
        # RFC 3608 section 6.1: the latest answer's Service-Route, or none.
        service_route=tuple(response.headers.elements("Service-Route")),
    )


def _of_flow(contact: Address, reg_id: int) -> bool:
    """RFC 5626 section 6: several flows may have the same URI, each with a reg-id of its own."""
    theirs = contact.params.get("reg-id")
    return not reg_id or theirs is None or theirs == str(reg_id)


def _interval(response: Response, own: list[Address], wish: float) -> float:
    """10.2.4: the expires of our own binding in the answer, else Expires, else our wish."""
    intervals = [seconds(contact.params.get("expires")) for contact in own]
    known = [interval for interval in intervals if interval is not None]
    if known:
        return min(known)
    try:
        expires = response.expires
    except RemoteProtocolError:
        expires = None
    return wish if expires is None else float(expires)


def _gruu(own: list[Address], name: str) -> str:
    for contact in own:
        gruu = contact.params.text(name)
        try:
            if gruu and Uri.parse(gruu).is_sip:
                return gruu
        except ParseError:
            # What cannot be read cannot be given to others as our address.
            continue
    return ""


def _contacts(response: Response) -> tuple[Address, ...]:
    try:
        return response.contacts
    except RemoteProtocolError:
        return ()


def seconds(text: str | None) -> float | None:
    """A delta-seconds value (20.19); None where it is missing or unreadable."""
    try:
        return float(number((text or "").strip(), LARGEST_SECONDS))
    except ParseError:
        return None
