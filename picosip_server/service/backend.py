"""What all services share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from picosip_server.engine.config import ListenerSpec
from picosip_server.service.bridge import Bridge
from picosip_server.service.clock import Clock
from picosip_server.service.event_log import EventLog
from picosip_server.service.idempotency import Idempotency
from picosip_server.service.sessions import Sessions
from picosip_server.service.streams import Pace, Streams
from picosip_server.service.waiting import WaitingCalls

RpcDone = Callable[[str, str], None]
"""Is told the method and the name of the status code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The engine behind its bridge, the event log, and what requests leave behind."""

    bridge: Bridge
    log: EventLog
    streams: Streams
    waiting: WaitingCalls
    idempotency: Idempotency
    clock: Clock
    listeners: tuple[ListenerSpec, ...]
    host: str
    """For the origin of a structured session description that names no address."""
    start_time: float
    """Monotonic seconds."""
    sessions: Sessions
    pace: Pace
    most_commands: int
    """Commands of one Control stream at a time."""
    rpc_done: RpcDone
    """Counts what was done by a command, as the RPC that it stands for."""
