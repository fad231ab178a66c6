"""Where a redirected call goes next: RFC 3261 section 8.1.3.4."""

from __future__ import annotations

from picosip_server.sip.address import Address
from picosip_server.sip.message import Response
from picosip_server.sip.uri import Uri


class Redirection:
    """The target set of one call. ``most`` is how many 3xx it follows."""

    __slots__ = ("_left", "_seen", "_targets")

    def __init__(self, first: Uri, most: int) -> None:
        self._left = most
        self._seen = [first]
        self._targets: list[Uri] = []

    def follow(self, contacts: tuple[Address, ...]) -> None:
        """Puts the contacts of a 3xx before what is left of earlier ones, if it may."""
        if self._left <= 0:
            return
        self._left -= 1
        fresh: list[Uri] = []
        for contact in contacts:
            # 19.1.1: no headers in a Request-URI.
            uri = contact.uri.with_(headers="")
            # 8.1.3.4: no URI more than once.
            if uri.is_sip and not any(uri.equivalent(seen) for seen in self._seen):
                self._seen.append(uri)
                fresh.append(uri)
        self._targets = fresh + self._targets

    def next(self) -> Uri | None:
        """Takes the next target; None where none is left."""
        return self._targets.pop(0) if self._targets else None


def redirect_contacts(response: Response) -> tuple[Address, ...]:
    """The contacts of a 3xx, highest q first (20.10; one without q counts as 1)."""

    def q(contact: Address) -> float:
        try:
            return float(contact.params.get("q") or "1")
        except ValueError:
            return 0.0

    return tuple(sorted(response.contacts, key=q, reverse=True))
