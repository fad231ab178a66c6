"""Real servers in this process, which talk SIP over loopback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from picosip.v1 import call_service_pb2 as call_pb, sdp_pb2, sip_pb2 as pb
from picosip_server.service.server import Server
from tests.service.serving import Client, settings

ALICE = pb.Address(display_name="Alice", uri="sip:alice@example.com")


@dataclass
class Side:
    """One server, its client, and where it takes SIP."""

    server: Server
    client: Client
    udp: str
    tcp: str

    def address(self, user: str, transport: str = "udp") -> pb.Address:
        where = self.udp if transport == "udp" else f"{self.tcp};transport=tcp"
        return pb.Address(uri=f"sip:{user}@{where}")


async def start(**changes: object) -> Side:
    server = Server(settings(**changes))
    addresses = await server.start()
    udp, tcp = (address.partition(":")[2] for address in addresses.sip)
    return Side(server, Client(addresses.grpc[0]), udp, tcp)


def audio(port: int, **values: list[str]) -> sdp_pb2.SessionDescription:
    media = sdp_pb2.Media(type="audio", port=port, protocol="RTP/AVP", formats=["0"])
    for name, some in values.items():
        media.attribute_map[name].values.extend(some)
    return sdp_pb2.SessionDescription(sdp=sdp_pb2.Sdp(media=[media]))


def invite(to: pb.Address, **fields: Any) -> call_pb.InviteRequest:
    return call_pb.InviteRequest(from_address=ALICE, to_address=to, **fields)
