"""What calls do by themselves where there is no application to ask."""

from __future__ import annotations

from dataclasses import replace

from picosip_server.sip.ua.commands import Offers, Policy


def alone(policy: Policy) -> Policy:
    """The policy where it says something, and else what needs nobody: offers are accepted, other
    requests inside the call answered at once."""
    if policy.offers is Offers.ASK:
        policy = replace(policy, offers=Offers.ACCEPT)
    if policy.respond_timeout is None:
        policy = replace(policy, respond_timeout=0.0)
    return policy
