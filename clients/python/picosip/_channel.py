"""How both clients set their channel up."""

from __future__ import annotations

from typing import Any, Final

TARGET: Final = "127.0.0.1:50051"
"""Where ``picosip serve`` listens unless told otherwise."""

TIMEOUT: Final = 60.0
"""Deadline of an RPC in seconds. A SIP transaction takes up to 32 s."""

RETRY_FOR: Final = 5.0
"""How long, in seconds, an RPC is tried again while the server cannot be reached."""

CONTROL: Final = "/picosip.v1.EventService/Control"
EVENTS: Final = "/picosip.v1.EventService/Events"
RUN_LOAD: Final = "/picosip.v1.LoadService/Run"
TRACE: Final = "/picosip.v1.AdminService/Trace"

OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    # gRPC waits up to two minutes before it tries to connect again; a server that restarts is
    # back in a second or two.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A connection that vanished without a word is noticed within 30 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Two clients of one process are two connections: closing one does not touch the other.
    ("grpc.use_local_subchannel_pool", 1),
)
