"""The options of ``picosip serve`` that guard it."""

from __future__ import annotations

from typing import Annotated

import typer

from picosip_server.cli_option import option

_GUARD = "Who is kept out"
_LIMITS = "Size"

Challenge = Annotated[
    list[str] | None,
    option(
        "challenge",
        "METHOD",
        "Challenge this method where there are --users, inside calls that came in too; "
        "* for all but BYE and PRACK. Repeatable.",
        _GUARD,
    ),
]
ChallengeListener = Annotated[
    list[str] | None,
    option(
        "challenge_listener",
        "LISTENER",
        "Challenge only what comes in at this one of --sip. Repeatable.",
        _GUARD,
        "all",
    ),
]
AuthFailures = Annotated[
    str | None,
    option(
        "auth_failures",
        "N",
        "Wrong passwords that a source may try within the window; 0: any number.",
        _GUARD,
    ),
]
AuthFailureWindow = Annotated[
    str | None, option("auth_failure_window", "SECONDS", "That window.", _GUARD)
]
AuthFailureAction = Annotated[
    str | None,
    option(
        "auth_failure_action",
        "slow|block",
        "Then it must wait between tries, or is blocked.",
        _GUARD,
    ),
]
AllowSource = Annotated[
    list[str] | None,
    option(
        "allow_source", "NETWORK", "Take SIP from there only. Repeatable.", _GUARD, "everywhere"
    ),
]
DenySource = Annotated[
    list[str] | None,
    option(
        "deny_source", "NETWORK", "Drop all SIP from there, allowed or not. Repeatable.", _GUARD
    ),
]
TrustSource = Annotated[
    list[str] | None,
    option(
        "trust_source",
        "NETWORK",
        "Never limit, slow or block these: proxies, trunks. Repeatable.",
        _GUARD,
    ),
]
RateLimit = Annotated[
    str | None,
    option(
        "rate_limit",
        "N",
        "Requests outside dialogs a second from each source (IPv6: each /64).",
        _GUARD,
        "0, no limit",
    ),
]
RateBurst = Annotated[
    str | None,
    option("rate_burst", "N", "How many may come at once.", _GUARD, "those of two seconds"),
]
CallRateLimit = Annotated[
    str | None,
    option("call_rate_limit", "N", "New calls a second from each source.", _GUARD, "0, no limit"),
]
CallRateBurst = Annotated[
    str | None,
    option("call_rate_burst", "N", "How many may come at once.", _GUARD, "those of two seconds"),
]
RateAction = Annotated[
    str | None,
    option(
        "rate_action",
        "refuse|drop",
        "What is above a rate gets 503 with Retry-After, or nothing.",
        _GUARD,
    ),
]
BlockAgent = Annotated[
    list[str] | None,
    option(
        "block_agent",
        "TEXT",
        "Block sources whose User-Agent has a word that begins so. Repeatable; replaces the list.",
        _GUARD,
    ),
]
AllowAgent = Annotated[
    list[str] | None,
    option(
        "allow_agent",
        "TEXT",
        "Drop requests whose User-Agent has no word that begins so. Repeatable.",
        _GUARD,
        "all may come",
    ),
]
BlockGarbage = Annotated[
    str | None,
    option(
        "block_garbage",
        "N",
        "Faulty messages in ten seconds that have a source blocked; 0: never.",
        _GUARD,
    ),
]
BlockTime = Annotated[
    str | None, option("block_time", "SECONDS", "How long a source is blocked; 0: never.", _GUARD)
]
GuardLoopback = Annotated[
    bool | None,
    typer.Option(
        "--guard-loopback",
        help="Limit and block loopback addresses like others; otherwise that never happens.",
        rich_help_panel=_GUARD,
        show_default=False,
    ),
]
OverloadDelay = Annotated[
    str | None,
    option(
        "overload_delay",
        "SECONDS",
        "How long messages, commands and events may wait before some new work is refused; "
        "0: for ever.",
        _LIMITS,
    ),
]
MaxTransactions = Annotated[
    str | None,
    option(
        "max_transactions",
        "N",
        "Transactions and dialogs held at once; then nothing new begins.",
        _LIMITS,
    ),
]
