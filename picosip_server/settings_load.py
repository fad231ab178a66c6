"""Settings of loads: where they may go, and calls that the server answers by itself."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from picosip_server.addresses import is_ip, parse_host_port
from picosip_server.engine.load.distributions import Constant
from picosip_server.engine.load.policy import alone
from picosip_server.engine.load.script import AnswerScript, Outcome
from picosip_server.engine.load.targets import AllowedName, AllowedNetwork, Targets
from picosip_server.settings_types import REPEATED, NotNegative
from picosip_server.sip.ua.commands import Answer, Policy

EXPECTED = {
    "max_loads": "a whole number, 0 or more",
    "load_target": "a network, or HOST[:PORT], such as 10.0.0.0/8 or sbc.example.com:5060",
    "auto_answer": "true or false",
    "auto_answer_user": "a user part, or the beginning of one and *, such as 1000 or load*",
    "auto_answer_status": "200, or a status from 300 to 699",
    "auto_answer_ringing": "true or false",
    "auto_answer_delay": "a number of seconds, 0 or more",
    "auto_answer_hold": "a number of seconds, 0 or more",
}


def _read(text: str) -> AllowedNetwork | AllowedName:
    if "/" in text:
        try:
            return AllowedNetwork(ipaddress.ip_network(text))
        except ValueError as error:
            raise ValueError(str(error)) from None
    if is_ip(text):
        return AllowedNetwork(ipaddress.ip_network(text))
    host, port = parse_host_port(text, default_port=0)
    if is_ip(host):
        return AllowedNetwork(ipaddress.ip_network(host), port)
    return AllowedName(host.lower().removesuffix("."), port)


def _target(text: str) -> str:
    _read(text)
    return text.lower()


def _status(value: int) -> int:
    if not (value == 200 or 300 <= value <= 699):
        raise ValueError("this is no final response that can be given")
    return value


class LoadSettings(BaseSettings):
    """The part of the settings that is about loads. Times are seconds."""

    load_target: Annotated[tuple[Annotated[str, AfterValidator(_target)], ...], *REPEATED] = (
        "127.0.0.0/8",
        "::1",
    )
    """Where loads may go: networks, addresses and names, with a port or for all ports."""
    auto_answer: bool = False
    """Incoming calls are answered before any application hears of them."""
    auto_answer_user: Annotated[tuple[str, ...], *REPEATED] = ()
    """Those to these users only; empty: all."""
    auto_answer_status: Annotated[int, AfterValidator(_status)] = 200
    auto_answer_ringing: bool = True
    """180 at once."""
    auto_answer_delay: NotNegative = 0.0
    auto_answer_hold: NotNegative = 0.0
    """Until BYE; 0: the caller hangs up."""
    max_loads: Annotated[int, Field(ge=0)] = 16


def load_targets(settings: LoadSettings) -> Targets:
    """Where loads may go."""
    return Targets(tuple(map(_read, settings.load_target)))


def auto_answer(settings: LoadSettings) -> AnswerScript | None:
    """How incoming calls are answered; None: an application is to answer them."""
    if not settings.auto_answer:
        return None
    delay, hold = settings.auto_answer_delay, settings.auto_answer_hold
    return AnswerScript(
        users=settings.auto_answer_user,
        outcomes=(Outcome(status=settings.auto_answer_status),),
        ringing=settings.auto_answer_ringing,
        delay=Constant(delay) if delay else None,
        hold=Constant(hold) if hold else None,
        answer=Answer(token=None, name="", policy=alone(Policy())),
    )
