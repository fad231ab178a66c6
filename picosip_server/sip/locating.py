"""Where a request goes: RFC 3263 section 4, over records that somebody else looks up."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from itertools import chain, groupby, islice, zip_longest
from typing import Literal

from picosip_server.frozen import dataclass
from picosip_server.sip.hop import DEFAULT_PORT, SECURE, Target

MOST_CANDIDATES = 20
"""Addresses that are tried at most, whatever a name server says."""

# RFC 3263 section 4.1; RFC 7118 section 10.2.
SERVICES = {
    "SIPS+D2T": "TLS",
    "SIP+D2U": "UDP",
    "SIP+D2T": "TCP",
    "SIP+D2W": "WS",
    "SIPS+D2W": "WSS",
}
SRV_PREFIX = {
    "UDP": "_sip._udp",
    "TCP": "_sip._tcp",
    "TLS": "_sips._tcp",
    "WS": "_sip._ws",
    "WSS": "_sips._ws",
}

Kind = Literal["NAPTR", "SRV", "A", "AAAA"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Naptr:
    """A NAPTR record (RFC 3403 section 4.1)."""

    order: int
    preference: int
    flags: str = "s"
    service: str
    regexp: str = ""
    replacement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Srv:
    """An SRV record (RFC 2782); names stand without the dot at the end, the root is ``.``."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a name server is asked."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Records:
    """An answer; empty where the name or its records do not exist."""

    naptr: tuple[Naptr, ...] = ()
    srv: tuple[Srv, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transport address to try."""

    transport: str
    host: str
    """IP address."""
    port: int
    name: str = field(default="", compare=False)
    """Whose address it is; empty: it was given as an address."""


class NoAnswer(Exception):
    """A question got no answer, neither yes nor no; the text says why."""


class NotLocated(Exception):
    """A target leads to no address; the text says why."""


Look = Callable[[Question], Records]
"""Raises NoAnswer."""
Offered = Mapping[str, frozenset[int]]
"""Transports that this server can use, each with the IP versions (4, 6) it has it for."""
Draw = Callable[[int], int]
"""A random whole number from 0 to the one given, both included."""


def candidates(target: Target, offered: Offered, look: Look, draw: Draw) -> tuple[Candidate, ...]:
    """The addresses of a target, best first.

    Raises:
        NotLocated: there is none.
    """
    search = _Search(target, offered, look, draw)
    found = tuple(islice(dict.fromkeys(search.run()), MOST_CANDIDATES))
    if not found:
        raise NotLocated(search.reason)
    return found


class _Search:
    def __init__(self, target: Target, offered: Offered, look: Look, draw: Draw) -> None:
        self._target = target
        self._host = target.host.strip("[]").removesuffix(".")
        self._offered = {
            transport: versions
            for transport, versions in offered.items()
            if transport in SECURE or not target.secure
        }
        self._look = look
        self._draw = draw
        self._missed = ""
        self._refused = False

    @property
    def reason(self) -> str:
        """Why nothing was found."""
        name = self._host
        if self._missed:
            return f"the name {name!r} does not resolve: {self._missed}"
        if self._refused:
            return f"{name!r} has no SIP server that this one could reach (SRV)"
        return f"the name {name!r} does not resolve: it has no address of a family listened on"

    def run(self) -> Iterator[Candidate]:
        """RFC 3263 sections 4.1 and 4.2."""
        target = self._target
        if target.port or _is_address(self._host):
            return self._hosts((target.transport,) if target.transport else self._usual())
        if target.transport:
            return self._of_transports((target.transport,), (target.transport,))
        found = self._by_naptr()
        if found:
            return iter(found)
        # 4.1: no NAPTR records: an SRV query for each transport that is supported.
        kinds = [kind for kind in ("UDP", "TCP", "TLS") if kind in self._offered]
        return self._of_transports(tuple(kinds), self._usual())

    def _usual(self) -> tuple[str, ...]:
        """Section 4.1: UDP where nobody says otherwise, TLS for SIPS; TCP for want of UDP."""
        return ("TLS",) if self._target.secure else ("UDP", "TCP")

    def _ask(self, name: str, kind: Kind) -> Records | None:
        try:
            return self._look(Question(name, kind))
        except NoAnswer as error:
            self._missed = str(error)
            return None

    def _by_naptr(self) -> list[Candidate]:
        # Where the query is not answered, the SRV records are asked for: 4.1 has every domain
        # keep them for clients that know no NAPTR.
        records = self._ask(self._host, "NAPTR") or Records()
        fitting = [
            each
            for each in records.naptr
            if each.flags.lower() == "s"
            and not each.regexp
            and SERVICES.get(each.service.upper()) in self._offered
        ]
        fitting.sort(key=lambda each: (each.order, each.preference))
        # RFC 3403 section 4.1: after a match no record of another order is considered.
        for _, rules in groupby(fitting, key=lambda each: each.order):
            found = [
                candidate
                for rule in rules
                for candidate in self._services(
                    rule.replacement.removesuffix("."), SERVICES[rule.service.upper()]
                )
                or ()
            ]
            if found:
                return found
        return []

    def _of_transports(
        self, transports: tuple[str, ...], usual: tuple[str, ...]
    ) -> Iterator[Candidate]:
        found: list[Candidate] = []
        known = False
        for transport in transports:
            services = self._services(f"{SRV_PREFIX[transport]}.{self._host}", transport)
            known = known or services is not None
            found += services or ()
        if known:
            return iter(found)
        # 4.2: no SRV records at all: the addresses of the name itself.
        return self._hosts(usual)

    def _services(self, name: str, transport: str) -> list[Candidate] | None:
        """Where SRV records lead; None where there are none."""
        records = self._ask(name, "SRV")
        if records is None:
            # Whether there are any is not known: the addresses of the name are no substitute.
            return []
        if not records.srv:
            return None
        self._refused = True
        found: list[Candidate] = []
        for each in ordered(records.srv, self._draw):
            # RFC 2782: a target of "." means that the service is decidedly not there.
            if each.target == "." or not each.port:
                continue
            found += self._addresses(each.target, each.port, (transport,))
            if len(found) >= MOST_CANDIDATES:
                break
        return found

    def _hosts(self, transports: tuple[str, ...]) -> Iterator[Candidate]:
        return iter(self._addresses(self._host, self._target.port, transports))

    def _addresses(self, host: str, port: int, transports: tuple[str, ...]) -> list[Candidate]:
        """The addresses of a host, IPv6 and IPv4 in turn (as RFC 7984 has it for both)."""
        wanted = {
            version: transport
            for transport in reversed(transports)
            for version in self._offered.get(transport, ())
        }
        found: list[list[str]] = []
        numeric = _is_address(host)
        if numeric:
            found = [[host]]
        else:
            for version, kind in ((6, "AAAA"), (4, "A")):
                if version in wanted:
                    records = self._ask(host, "AAAA" if kind == "AAAA" else "A")
                    found.append(list(records.addresses) if records is not None else [])
        mixed = filter(None, chain.from_iterable(zip_longest(*found)))
        return [
            Candidate(kind, address, port or DEFAULT_PORT[kind], "" if numeric else host)
            for address in mixed
            if (kind := wanted.get(ipaddress.ip_address(address).version, ""))
        ]


def ordered(records: tuple[Srv, ...], draw: Draw) -> list[Srv]:
    """RFC 2782: by priority, and by chance in proportion to the weights among equals."""
    result: list[Srv] = []
    for priority in sorted({each.priority for each in records}):
        left = [each for each in records if each.priority == priority]
        # Those of weight 0 stand first, for a very small chance.
        left.sort(key=lambda each: each.weight > 0)
        while left:
            number = draw(sum(each.weight for each in left))
            running = 0
            for index, each in enumerate(left):
                running += each.weight
                if running >= number:
                    result.append(left.pop(index))
                    break
    return result


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
