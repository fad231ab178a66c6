"""Targets and hops: RFC 3263 section 4, RFC 3261 section 18.1.1."""

from __future__ import annotations

import pytest

from picosip_server.sip.hop import Hop, Target, bracketed
from picosip_server.sip.uri import Uri


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:a@example.com", Target(host="example.com")),
        ("sip:a@example.com:5070", Target(host="example.com", port=5070)),
        ("sip:a@h;transport=tcp", Target(host="h", transport="TCP")),
        ("sip:a@h;transport=udp", Target(host="h", transport="UDP")),
        ("sip:a@h;maddr=192.0.2.3", Target(host="192.0.2.3", domain="h")),
        ("sip:a@[2001:db8::1]:5071", Target(host="2001:db8::1", port=5071)),
        ("sips:a@h;transport=ws", Target(host="h", transport="WSS", secure=True)),
        ("sips:a@h;transport=tcp", Target(host="h", transport="TLS", secure=True)),
        ("sips:a@h", Target(host="h", secure=True)),
    ],
)
def test_a_target_is_what_the_uri_says(uri: str, target: Target) -> None:
    """RFC 3263 section 4: maddr wins; what is not said stays open; SIPS wants TLS."""
    assert Target.of(Uri.parse(uri)) == target


def hop(transport: str = "UDP", host: str = "10.0.0.1") -> Hop:
    return Hop(transport=transport, host="10.0.0.2", port=5060, local_host=host, local_port=5080)


@pytest.mark.parametrize(("transport", "reliable"), [("UDP", False), ("TCP", True), ("TLS", True)])
def test_only_udp_is_unreliable(transport: str, reliable: bool) -> None:
    assert hop(transport).reliable is reliable


def test_sent_by_and_contact_show_the_local_side() -> None:
    """18.1.1; 19.1.1: the transport stands in the Contact where it is not UDP."""
    assert hop().sent_by == "10.0.0.1:5080"
    assert hop().contact() == "<sip:10.0.0.1:5080>"
    assert hop().contact("al") == "<sip:al@10.0.0.1:5080>"
    assert hop("TCP").contact("al") == "<sip:al@10.0.0.1:5080;transport=tcp>"


def test_ipv6_stands_in_brackets() -> None:
    """19.1.1, RFC 5118."""
    assert hop(host="2001:db8::9").sent_by == "[2001:db8::9]:5080"
    assert hop(host="2001:db8::9").contact("al") == "<sip:al@[2001:db8::9]:5080>"
    assert bracketed("h.example") == "h.example"
