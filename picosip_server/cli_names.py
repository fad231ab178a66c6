"""The options of ``picosip serve`` that are about finding peers."""

from __future__ import annotations

from typing import Annotated

from picosip_server.cli_option import option

_SIP = "SIP"
_TIMES = "Times, in seconds"

DnsServer = Annotated[
    list[str] | None,
    option(
        "dns_server",
        "ADDR[:PORT]",
        "Ask this name server for NAPTR, SRV, A and AAAA records. Repeatable.",
        _SIP,
        "those of the system",
    ),
]
DnsTimeout = Annotated[
    str | None,
    option("dns_timeout", "SECONDS", "How long name servers have for one question.", _TIMES),
]
SipT1 = Annotated[
    str | None,
    option(
        "sip_t1",
        "SECONDS",
        "T1 of RFC 3261: a request that nobody answers is given up after 64 of these.",
        _TIMES,
    ),
]
IdleTimeout = Annotated[
    str | None,
    option(
        "idle_timeout",
        "SECONDS",
        "Close a connection that nothing went over for so long and nobody needs; 0: never.",
        _TIMES,
    ),
]
