"""Settings of who is kept out, and of what is refused when there is too much."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from picosip_server.engine.gate import NEVER
from picosip_server.engine.guard.config import SCANNERS, GuardConfig, Network
from picosip_server.settings_types import REPEATED, SECONDS, NotNegative, Seconds

_TOKEN = re.compile(r"[-!%*_+`'~.0-9A-Za-z]+")
_COUNT = "a whole number, 0 or more"
_NETWORK = "an address or network, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
_RATE = "a number for each second, 0 for no limit"

EXPECTED = {
    "challenge": "a method, such as INVITE, or * for all",
    "auth_failures": _COUNT,
    "auth_failure_window": SECONDS,
    "auth_failure_action": "slow or block",
    "rate_limit": _RATE,
    "rate_burst": _COUNT,
    "call_rate_limit": _RATE,
    "call_rate_burst": _COUNT,
    "rate_action": "refuse or drop",
    "allow_source": _NETWORK,
    "deny_source": _NETWORK,
    "trust_source": _NETWORK,
    "block_agent": "the beginning of a word in User-Agent, such as friendly-scanner",
    "allow_agent": "the beginning of a word in User-Agent, such as Linphone",
    "block_garbage": _COUNT,
    "block_time": "a number of seconds, 0 for never",
    "guard_loopback": "true or false",
    "overload_delay": "a number of seconds, 0 for never",
    "max_transactions": "a whole number above 0",
}


def _method(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError("this is no method")
    if text in NEVER:
        raise ValueError("ACK and CANCEL cannot be challenged (RFC 3261 section 22.1)")
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(str(error)) from None


def _agent(text: str) -> str:
    if not text:
        raise ValueError("it must not be empty")
    return text


Count = Annotated[int, Field(ge=0)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], *REPEATED]
Agents = Annotated[tuple[Annotated[str, AfterValidator(_agent)], ...], *REPEATED]
Methods = Annotated[tuple[Annotated[str, AfterValidator(_method)], ...], *REPEATED]


class GuardSettings(BaseSettings):
    """The part of the settings that guards. Times are seconds, rates are for each second."""

    challenge: Methods = ("INVITE", "REGISTER")
    """Methods that are challenged by digest where there are users."""
    auth_failures: Count = 10
    """Wrong passwords of a source within the window that are free; 0: all are."""
    auth_failure_window: Seconds = 60.0
    auth_failure_action: Literal["slow", "block"] = "slow"
    rate_limit: NotNegative = 0.0
    """Requests outside dialogs of each source; 0: no limit."""
    rate_burst: Count = 0
    """At once; 0: those of two seconds."""
    call_rate_limit: NotNegative = 0.0
    call_rate_burst: Count = 0
    rate_action: Literal["refuse", "drop"] = "refuse"
    allow_source: Networks = ()
    """Only these may send; empty: everybody."""
    deny_source: Networks = ()
    trust_source: Networks = ()
    """Never limited, never blocked."""
    block_agent: Agents = SCANNERS
    allow_agent: Agents = ()
    """Requests of others are dropped; empty: none are."""
    block_garbage: Count = 50
    """Faulty messages within ten seconds; 0: never."""
    block_time: NotNegative = 600.0
    guard_loopback: bool = False
    overload_delay: NotNegative = 0.2
    max_transactions: Annotated[int, Field(ge=1)] = 500_000


def guard_config(settings: GuardSettings) -> GuardConfig:
    """What the engine's guard must know of them."""
    return GuardConfig(
        loopback=settings.guard_loopback,
        allow=_networks(settings.allow_source),
        deny=_networks(settings.deny_source),
        trust=_networks(settings.trust_source),
        rate=settings.rate_limit,
        burst=settings.rate_burst,
        call_rate=settings.call_rate_limit,
        call_burst=settings.call_rate_burst,
        drop=settings.rate_action == "drop",
        block_agents=settings.block_agent,
        allow_agents=settings.allow_agent,
        garbage=settings.block_garbage,
        block_time=settings.block_time,
        auth_failures=settings.auth_failures,
        auth_window=settings.auth_failure_window,
        auth_block=settings.auth_failure_action == "block",
        overload_delay=settings.overload_delay,
    )


def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
