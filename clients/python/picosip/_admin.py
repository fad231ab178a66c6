"""The RPCs of AdminService, each as the function that builds its request."""

from __future__ import annotations

from picosip._rpc import unary
from picosip._values import duration
from picosip.v1 import admin_service_pb2 as pb


@unary("/picosip.v1.AdminService/GetServerInfo", pb.GetServerInfoResponse, lambda whole: whole)
def server_info() -> pb.GetServerInfoRequest:
    """What the server is, where it listens, and from where to where its event log reaches."""
    return pb.GetServerInfoRequest()


@unary("/picosip.v1.AdminService/GetStats", pb.GetStatsResponse, lambda whole: whole)
def stats() -> pb.GetStatsRequest:
    """How much is up now, and totals since the start."""
    return pb.GetStatsRequest()


@unary("/picosip.v1.AdminService/Drain", pb.DrainResponse, lambda whole: whole)
def drain(grace: float | None = None) -> pb.DrainRequest:
    """Makes the server refuse new work; what still runs after ``grace`` seconds is ended.

    ``grace`` None leaves it to the server's setting. Returns at once.
    """
    return pb.DrainRequest(grace=duration(grace))
