"""Messages made of plain values."""

from __future__ import annotations

import pytest

import picosip
from picosip.v1 import call_service_pb2 as call_pb, sdp_pb2, sip_pb2


def test_sdp_from_attribute_maps() -> None:
    assert picosip.sdp(
        [
            picosip.media(
                "audio",
                4000,
                formats=[0, "8"],
                attributes={"rtpmap": ["0 PCMU/8000", "8 PCMA/8000"], "ptime": "20"},
                bandwidths={"AS": 64},
            ),
            picosip.media(
                "application",
                5000,
                protocol="UDP/DTLS/SCTP",
                formats=["webrtc-datachannel"],
                attributes={"inactive": None},
                connection="2001:db8::1",
            ),
        ],
        {"tool": "", "ice-lite": []},
        connection="192.0.2.1",
        session_name="demo",
    ) == sdp_pb2.SessionDescription(
        sdp=sdp_pb2.Sdp(
            session_name="demo",
            connection=sdp_pb2.Connection(
                network_type="IN", address_type="IP4", address="192.0.2.1"
            ),
            attribute_map={
                "tool": sdp_pb2.AttributeValues(values=[""]),
                "ice-lite": sdp_pb2.AttributeValues(),
            },
            media=[
                sdp_pb2.Media(
                    type="audio",
                    port=4000,
                    protocol="RTP/AVP",
                    formats=["0", "8"],
                    bandwidths=[sdp_pb2.Bandwidth(type="AS", value=64)],
                    attribute_map={
                        "rtpmap": sdp_pb2.AttributeValues(values=["0 PCMU/8000", "8 PCMA/8000"]),
                        "ptime": sdp_pb2.AttributeValues(values=["20"]),
                    },
                ),
                sdp_pb2.Media(
                    type="application",
                    port=5000,
                    protocol="UDP/DTLS/SCTP",
                    formats=["webrtc-datachannel"],
                    connections=[
                        sdp_pb2.Connection(
                            network_type="IN", address_type="IP6", address="2001:db8::1"
                        )
                    ],
                    attribute_map={"inactive": sdp_pb2.AttributeValues()},
                ),
            ],
        )
    )


def test_raw_sdp() -> None:
    assert picosip.raw_sdp("v=0\r\n") == picosip.raw_sdp(b"v=0\r\n")
    assert picosip.raw_sdp(b"\xff").raw == b"\xff"


def test_received_attributes_as_a_map() -> None:
    received = [
        sdp_pb2.Attribute(name="rtpmap", value="0 PCMU/8000"),
        sdp_pb2.Attribute(name="sendrecv"),
        sdp_pb2.Attribute(name="rtpmap", value="8 PCMA/8000"),
        sdp_pb2.Attribute(name="x", value=""),
    ]
    assert picosip.attribute_map(received) == {
        "rtpmap": ["0 PCMU/8000", "8 PCMA/8000"],
        "sendrecv": [],
        "x": [""],
    }


def test_address() -> None:
    assert picosip.address("sip:bob@b.example", "Bob", {"expires": "60", "lr": None}) == (
        sip_pb2.Address(
            uri="sip:bob@b.example",
            display_name="Bob",
            parameters=[
                sip_pb2.Parameter(name="expires", value="60"),
                sip_pb2.Parameter(name="lr"),
            ],
        )
    )


def test_credentials() -> None:
    assert picosip.credentials("a", "", realm="r") == (
        sip_pb2.Credentials(username="a", password="", realm="r")
    )
    assert picosip.credentials("a", ha1="0f").WhichOneof("secret") == "ha1"
    for secrets in ({}, {"password": "p", "ha1": "0f"}):
        with pytest.raises(ValueError, match="either"):
            picosip.credentials("a", **secrets)


def test_message_options() -> None:
    hop = sip_pb2.Endpoint(transport=sip_pb2.TRANSPORT_TCP, host="192.0.2.9", port=5060)
    header = sip_pb2.Header(name="X-B", value="2")
    assert picosip.message_options([("X-A", "1"), header], ["sip:p.example;lr"], hop) == (
        sip_pb2.MessageOptions(
            headers=[sip_pb2.Header(name="X-A", value="1"), header],
            routes=["sip:p.example;lr"],
            next_hop=hop,
        )
    )
    assert picosip.message_options(contact_parameters={"audio": None, "q": "0.5"}) == (
        sip_pb2.MessageOptions(
            contact_parameters=[
                sip_pb2.Parameter(name="audio"),
                sip_pb2.Parameter(name="q", value="0.5"),
            ]
        )
    )


def test_call_policy() -> None:
    expected = call_pb.CallPolicy(
        reliable_provisional=call_pb.CallPolicy.RELIABLE_PROVISIONAL_REQUIRED,
        max_redirects=2,
        forked_answers=call_pb.CallPolicy.FORKED_ANSWERS_KEEP_FIRST,
        offers=call_pb.CallPolicy.OFFERS_ACCEPT_UNCHANGED,
    )
    expected.ring_timeout.FromMilliseconds(30_500)
    expected.max_duration.FromSeconds(3600)
    expected.respond_timeout.FromMilliseconds(1)
    assert (
        picosip.call_policy(
            reliable_provisional="required",
            ring_timeout=30.5,
            max_duration=3600,
            max_redirects=2,
            respond_timeout=0.001,
            forked_answers="keep_first",
            offers="accept_unchanged",
        )
        == expected
    )
    assert picosip.call_policy() == call_pb.CallPolicy()
