"""Asking name servers, and for plain host names the system. Everything here blocks."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.resolver
from dns.rdatatype import SOA
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from picosip_server.engine.transport.hosts_file import HostsFile
from picosip_server.sip.locating import Naptr, NoAnswer, Question, Records, Srv

SILENCE = "the name servers do not answer"
SYSTEM_TTL = 30.0
"""Seconds for which an answer of the system's is kept: it tells no TTL."""
PAYLOAD = 1232
"""Octets of a datagram that come through nearly everywhere; longer answers come over TCP."""


class DnsClient:
    """A stub resolver: ``servers`` with ports, none for those of the system.

    ``timeout`` bounds one question, in seconds. Names without a dot, those of the hosts file,
    and (for want of ``servers``) those that only a search list completes are found through
    the system's own resolver.
    """

    def __init__(self, servers: Sequence[tuple[str, int]], timeout: float) -> None:
        self._system = not servers
        self._hosts = HostsFile()
        self._resolver: dns.resolver.Resolver | None = None
        try:
            resolver = dns.resolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            # No name servers: the hosts file is all there is.
            return
        if servers:
            resolver.nameservers = [
                dns.nameserver.Do53Nameserver(host, port) for host, port in servers
            ]
        resolver.lifetime = timeout
        # So that there is time for another server, or for this one once more.
        resolver.timeout = min(2.0, timeout / 2)
        resolver.use_edns(0, 0, PAYLOAD)
        self._resolver = resolver

    def ask(self, question: Question) -> tuple[Records, float]:
        """The answer and the seconds for which it holds.

        Raises:
            NoAnswer: there is none, neither yes nor no.
        """
        is_address = question.kind in ("A", "AAAA")
        if self._resolver is None or "." not in question.name or question.name in self._hosts:
            # RFC 3263 is about domains; such a name has no NAPTR or SRV records.
            return self._ask_system(question) if is_address else (Records(), SYSTEM_TTL)
        records, ttl = self._ask_server(self._resolver, question)
        if self._system and is_address and records == Records():
            found, _ = self._ask_system(question)
            if found != Records():
                return found, SYSTEM_TTL
        return records, ttl

    @staticmethod
    def _ask_server(resolver: dns.resolver.Resolver, question: Question) -> tuple[Records, float]:
        try:
            name = dns.name.from_text(question.name)
            answer = resolver.resolve(name, question.kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as missing:
            (response,) = missing.kwargs["responses"].values()
            return Records(), _ttl(response)
        except dns.resolver.LifetimeTimeout:
            raise NoAnswer(SILENCE) from None
        except (dns.exception.DNSException, UnicodeError, OSError) as error:
            raise NoAnswer(str(error)) from error
        return _records(answer), _ttl(answer.response)

    @staticmethod
    def _ask_system(question: Question) -> tuple[Records, float]:
        family = socket.AF_INET6 if question.kind == "AAAA" else socket.AF_INET
        try:
            answers = socket.getaddrinfo(question.name, None, family, socket.SOCK_DGRAM)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)):
                return Records(), SYSTEM_TTL
            if error.errno == getattr(socket, "EAI_ADDRFAMILY", None):
                return Records(), SYSTEM_TTL
            raise NoAnswer(str(error)) from error
        except (OSError, UnicodeError, ValueError) as error:
            raise NoAnswer(str(error)) from error
        addresses = tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
        return Records(addresses=addresses), SYSTEM_TTL


def _records(answer: dns.resolver.Answer) -> Records:
    found = list(answer.rrset or ())
    return Records(
        naptr=tuple(
            Naptr(
                order=each.order,
                preference=each.preference,
                flags=_text(each.flags),
                service=_text(each.service),
                regexp=_text(each.regexp),
                replacement=each.replacement.to_text(omit_final_dot=True),
            )
            for each in found
            if isinstance(each, NAPTR)
        ),
        srv=tuple(
            Srv(
                priority=each.priority,
                weight=each.weight,
                port=each.port,
                target=each.target.to_text(omit_final_dot=True),
            )
            for each in found
            if isinstance(each, SRV)
        ),
        addresses=tuple(
            str(ipaddress.ip_address(each.address)) for each in found if isinstance(each, A | AAAA)
        ),
    )


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace")


def _ttl(response: dns.message.Message) -> float:
    """The smallest TTL on the way to the answer, or that of its absence (RFC 2308 section 5)."""
    assert isinstance(response, dns.message.QueryMessage)
    chain = response.resolve_chaining()
    if chain.answer is None and not any(each.rdtype == SOA for each in response.authority):
        # Nobody has said how long this "no" holds: it is not kept.
        return 0.0
    return float(chain.minimum_ttl)
