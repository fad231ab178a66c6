"""Calls between two real servers over TLS and WebSocket, both sides driven over gRPC."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from picosip.v1 import admin_service_pb2 as admin_pb, call_service_pb2 as call_pb, sip_pb2 as pb
from picosip_server.service.server import Server
from tests.engine.certificates import Authority
from tests.service.serving import Client, settings
from tests.service.sides import audio, invite
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until


async def started(authority: Authority, transport: str) -> tuple[Server, Client, str]:
    files = authority.files()
    server = Server(
        settings(
            sip=(f"{transport}:127.0.0.1:0",),
            sip_tls_cert=files.cert,
            sip_tls_key=files.key,
            sip_tls_ca=files.ca,
        )
    )
    addresses = await server.start()
    return server, Client(addresses.grpc[0]), addresses.sip[0].partition(":")[2]


@pytest.mark.parametrize(
    ("transport", "scheme", "parameter"),
    [
        ("tls", "sip", "tls"),
        ("tls", "sips", "tcp"),
        ("ws", "sip", "ws"),
        ("wss", "sips", "ws"),
    ],
)
async def test_a_call(tmp_path: Path, transport: str, scheme: str, parameter: str) -> None:
    authority = Authority(tmp_path)
    near, near_client, _ = await started(authority, transport)
    far, far_client, where = await started(authority, transport)
    async with near_client.listening() as caller, far_client.listening() as callee:
        info = await far_client.admin.GetServerInfo(admin_pb.GetServerInfoRequest())
        assert [pb.Transport.Name(each.transport) for each in info.listeners] == [
            f"TRANSPORT_{transport.upper()}"
        ]
        to = pb.Address(uri=f"{scheme}:bob@{where};transport={parameter}")
        placed = (await near_client.calls.Invite(invite(to, offer=audio(4000)))).call
        name = (await callee.next()).resource
        await far_client.calls.Answer(call_pb.AnswerRequest(name=name, description=audio(5000)))
        assert await caller.kinds(3) == ["call_created", "call_answered", "call_confirmed"]
        assert await callee.kinds(2) == ["call_answered", "call_confirmed"]
        # The callee's BYE goes to the Contact of the caller.
        await far_client.calls.Hangup(call_pb.HangupRequest(name=name))
        ended = await caller.next()
        assert (ended.resource, ended.WhichOneof("kind")) == (placed.name, "call_ended")
    for server, client in ((near, near_client), (far, far_client)):
        await client.channel.close()
        await server.stop()


def test_the_hangup_signal_reads_certificates_again(tmp_path: Path) -> None:
    files = Authority(tmp_path).files()
    flags = ("--sip", "tls:127.0.0.1:0", "--sip-tls-cert", files.cert, "--sip-tls-key", files.key)
    with PicosipServer(tmp_path, *flags) as server:
        os.kill(server.process.pid, signal.SIGHUP)
        wait_until(
            lambda: any("read again" in str(line.get("event")) for line in server.log_lines()),
            what="certificates read again",
        )
