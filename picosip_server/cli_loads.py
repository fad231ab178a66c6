"""The options of ``picosip serve`` that are about loads."""

from __future__ import annotations

from typing import Annotated

from picosip_server.cli_option import option, switch

_LOADS = "Loads"

LoadTarget = Annotated[
    list[str] | None,
    option(
        "load_target",
        "HOST[:PORT]",
        "Let loads go there: a network, an address or a name. Repeatable.",
        _LOADS,
    ),
]
MaxLoads = Annotated[
    str | None, option("max_loads", "N", "Loads at once; 0: no loads at all.", _LOADS)
]
AutoAnswer = Annotated[
    bool | None,
    switch(
        "auto_answer",
        "Answer incoming calls before any application hears of them, as a target of load.",
        _LOADS,
    ),
]
AutoAnswerUser = Annotated[
    list[str] | None,
    option(
        "auto_answer_user",
        "USER",
        "Only those to this user; with * behind, to all that begin so. Repeatable.",
        _LOADS,
        "all",
    ),
]
AutoAnswerStatus = Annotated[
    str | None, option("auto_answer_status", "CODE", "The final response.", _LOADS)
]
AutoAnswerRinging = Annotated[
    str | None, option("auto_answer_ringing", "BOOL", "Whether to send 180.", _LOADS)
]
AutoAnswerDelay = Annotated[
    str | None,
    option("auto_answer_delay", "SECONDS", "From the INVITE to the final response.", _LOADS, "0"),
]
AutoAnswerHold = Annotated[
    str | None,
    option(
        "auto_answer_hold",
        "SECONDS",
        "From the ACK to a BYE; 0: the caller hangs up.",
        _LOADS,
        "0",
    ),
]
