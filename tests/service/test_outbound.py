"""Registering in real networks over the API; the far server's application is the registrar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from picosip.v1 import (
    call_service_pb2 as call_pb,
    event_service_pb2 as event_pb,
    registration_service_pb2 as registration_pb,
    request_service_pb2 as request_pb,
    sip_pb2 as pb,
)
from tests.service.serving import Ear
from tests.service.sides import ALICE, Side, start

GRUU = "sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
ACTIVE = registration_pb.Registration.STATE_ACTIVE


class Registrar:
    """Grants each REGISTER what it asks, and adds the headers and Contact parameters given."""

    def __init__(self, side: Side, ear: Ear) -> None:
        self.side = side
        self.ear = ear
        self.headers: list[tuple[str, str]] = [("Require", "outbound")]
        self.params = ""
        self.requests: list[event_pb.IncomingRequest] = []

    async def run(self) -> None:
        while True:
            event = await self.ear.next()
            if event.HasField("incoming_request"):
                await self.answer(event.incoming_request)

    async def answer(self, request: event_pb.IncomingRequest) -> None:
        self.requests.append(request)
        contact = self.asked("Contact")[0]
        headers = [("Contact", f"{contact}{self.params}"), ("Expires", "600"), *self.headers]
        await self.side.client.requests.Respond(
            request_pb.RespondRequest(
                name=request.name,
                status=pb.SipStatus(code=200),
                options=pb.MessageOptions(
                    headers=[pb.Header(name=name, value=value) for name, value in headers]
                ),
            )
        )

    def asked(self, name: str, index: int = -1) -> list[str]:
        """A header of one of the REGISTERs."""
        return [each.value for each in self.requests[index].headers if each.name == name]


@asynccontextmanager
async def registrar(side: Side) -> AsyncIterator[Registrar]:
    async with side.client.listening(filter={"handle_methods": ["REGISTER"]}) as ear:
        made = Registrar(side, ear)
        task = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class BeyondNat(asyncio.DatagramProtocol):
    """A registrar in raw octets that sees its clients at another address than they do."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        lines = data.decode().split("\r\n")
        self.requests.append(lines)
        kept = [line for line in lines if line.startswith(("Via", "From", "To", "Call-ID", "CSeq"))]
        kept[0] = kept[0].replace(";rport", ";rport=40000;received=203.0.113.7")
        answer = ["SIP/2.0 200 OK", *kept, "Expires: 600", "Content-Length: 0", "", ""]
        self.transport.sendto("\r\n".join(answer).encode(), address)


def register(registrar_uri: str, **outbound: object) -> registration_pb.RegisterRequest:
    return registration_pb.RegisterRequest(
        registrar_uri=registrar_uri,
        aor=ALICE,
        outbound=registration_pb.Outbound(**outbound),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_flow_with_path_and_gruu(near: Side, far: Side, transport: str) -> None:
    async with registrar(far) as home:
        home.headers.append(("Path", "<sip:edge.example;lr;ob>"))
        home.headers.append(("Service-Route", f"<sip:{far.udp};lr>"))
        home.params = f';pub-gruu="{GRUU}";temp-gruu="sip:tgruu.7hs@example.com;gr"'
        uri = f"sip:{far.udp}" if transport == "udp" else f"sip:{far.tcp};transport=tcp"
        made = (await near.client.registrations.Register(register(uri))).registration
        assert made.state == ACTIVE
        assert list(made.path) == ["<sip:edge.example;lr;ob>"]
        assert list(made.service_route) == [f"<sip:{far.udp};lr>"]
        assert (made.pub_gruu, made.temp_gruu) == (GRUU, "sip:tgruu.7hs@example.com;gr")
        (flow,) = made.flows
        assert (flow.reg_id, flow.edge, flow.outbound, flow.state) == (1, "", True, ACTIVE)
        assert flow.expire_time == made.expire_time
        # An application is told whole what a registrar must know.
        assert ";reg-id=1;+sip.instance=" in home.asked("Contact")[0]
        assert home.asked("Supported") == ["path, outbound, gruu"]

        # The GRUU is the Contact of calls and requests from the address.
        async with far.client.listening(filter={"include_messages": True}) as callee:
            bob = pb.Address(uri="sip:bob@example.com")
            invite = call_pb.InviteRequest(from_address=ALICE, to_address=bob)
            await near.client.calls.Invite(invite)
            while not (event := await callee.next()).HasField("call_received"):
                pass
            contacts = [each.value for each in event.message.headers if each.name == "Contact"]
            assert contacts == [f"<{GRUU}>"]
        gone = registration_pb.UnregisterRequest(name=made.name)
        await near.client.registrations.Unregister(gone)
        assert home.asked("Expires") == ["0"]


async def test_flows_through_two_edges(near: Side, far: Side) -> None:
    edge = await start(node="edge")
    try:
        async with registrar(far) as one, registrar(edge) as two:
            edges = [f"sip:{far.udp}", f"sip:{edge.tcp};transport=tcp"]
            instance = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
            async with near.client.listening() as ear:
                request = register("sip:example.com", edges=edges, instance_id=instance)
                made = (await near.client.registrations.Register(request)).registration
                while [each.state for each in made.flows] != [ACTIVE, ACTIVE]:
                    made = (await ear.next()).registration_changed.registration
            assert [each.edge for each in made.flows] == [f"<{uri};lr>" for uri in edges]
            assert one.asked("Route") == [f"<{edges[0]};lr>"]
            assert two.asked("Route") == [f"<{edges[1]};lr>"]
            for home, reg_id in ((one, 1), (two, 2)):
                assert f';reg-id={reg_id};+sip.instance="<{instance}>"' in home.asked("Contact")[0]
            assert one.asked("Call-ID") != two.asked("Call-ID")
    finally:
        await edge.client.channel.close()
        await edge.server.stop()


async def test_a_setting_shows_the_instance_in_every_registration(far: Side) -> None:
    instance = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    near = await start(node="near", instance_id=instance)
    try:
        async with registrar(far) as home:
            home.headers = []
            request = registration_pb.RegisterRequest(registrar_uri=f"sip:{far.udp}", aor=ALICE)
            made = (await near.client.registrations.Register(request)).registration
            assert home.asked("Contact")[0].endswith(f';+sip.instance="<{instance}>"')
            assert home.asked("Supported") == ["path, gruu"]
            assert [each.reg_id for each in made.flows] == [0]
    finally:
        await near.client.channel.close()
        await near.server.stop()


async def test_a_path_reaches_the_registrar_whole(near: Side, far: Side) -> None:
    """RFC 3327 section 5.3: the application that is the registrar must see and store it."""
    async with registrar(far) as home:
        home.headers = []
        path = ["<sip:p1.example;lr>, <sip:p2.example;lr;x=y>", "<sip:p3.example;lr>"]
        headers = [pb.Header(name="Path", value=each) for each in path]
        request = registration_pb.RegisterRequest(
            registrar_uri=f"sip:{far.udp}",
            aor=ALICE,
            options=pb.MessageOptions(headers=headers),
        )
        await near.client.registrations.Register(request)
        assert home.asked("Path") == path
        assert home.asked("Supported") == ["path"]


async def test_the_address_beyond_a_nat(near: Side) -> None:
    """RFC 3581: registered in place of the own one, and shown."""
    loop = asyncio.get_running_loop()
    transport, home = await loop.create_datagram_endpoint(BeyondNat, local_addr=("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        request = registration_pb.RegisterRequest(registrar_uri=f"sip:127.0.0.1:{port}", aor=ALICE)
        made = (await near.client.registrations.Register(request)).registration
        assert [each.uri for each in made.contacts] == ["sip:alice@203.0.113.7:40000"]
        assert made.flows[0].reflexive_address == "203.0.113.7:40000"
        first, second = home.requests
        assert f"Contact: <sip:alice@{near.udp}>" in first
        contacts = [line for line in second if line.startswith("Contact")]
        assert contacts == [
            "Contact: <sip:alice@203.0.113.7:40000>",
            f"Contact: <sip:alice@{near.udp}>;expires=0",
        ]
    finally:
        transport.close()
