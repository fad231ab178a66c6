"""What the service wants of an engine, so that it can be run on another one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Protocol

from picosip_server.engine.audience import Audience
from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.load.script import Load
from picosip_server.engine.stats import EngineStats
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.outputs import Output

Sink = Callable[[list[Output]], None]
"""Takes an ordered batch of outputs, in any thread."""


class EnginePort(Protocol):
    """The engine as the service drives it; all methods may be called from any thread."""

    def start(self) -> tuple[ListenerSpec, ...]:
        """Binds the listeners and gives the addresses really bound. Raises OSError."""

    def submit(self, command: Command) -> None:
        """Takes a command; exactly one Completed or Failed with its token answers it."""

    def gather(self) -> AbstractContextManager[None]:
        """Commands that are submitted inside reach the engine's threads together, at the end.

        By one thread at a time, which waits for nothing inside.
        """

    def submit_snapshot(self, token: Hashable) -> None:
        """Asks for a ``Snapshot``, which comes as the value of a Completed."""

    def set_audience(self, audience: Audience) -> None:
        """Says who listens from now on."""

    def set_tracing(self, on: bool) -> None:
        """Switches Traced outputs on or off."""

    def hold_back(self, on: bool) -> None:
        """Takes nothing new while this is on: its outputs pile up."""

    def read_certificates(self) -> None:
        """Reads the certificates of SIP over TLS again; connections that stand keep theirs."""

    def refuse_new_work(self) -> None:
        """Takes no new calls, registrations and requests any more."""

    def end_all_calls(self, token: Hashable) -> None:
        """Ends all calls and registrations; Completed with None when none is left."""

    def abandon_all(self) -> None:
        """Ends what ``end_all_calls`` still waits for, without the far ends."""

    def begin_load(self, load: Load, host: str, token: Hashable, over: Hashable) -> None:
        """Begins a load; Completed with None when it runs, or Failed. When it has ended, there
        is another Completed with the token ``over`` and its ``LoadFigures``."""

    def stop_load(self, name: str, *, hang_up: bool) -> None:
        """Has a load begin nothing more, or also end what lives."""

    def measure_load(self, name: str, token: Hashable) -> None:
        """Asks for the ``LoadFigures`` of now, which come as the value of a Completed."""

    def stats(self) -> EngineStats:
        """Figures of this moment, for which all calls are gone through."""

    def size(self) -> int:
        """How many transactions and dialogs there are, which takes no time."""

    def compact(self) -> None:
        """Makes its tables as large as what is in them, soon: a crowd has gone."""

    def stop(self) -> None:
        """Closes the sockets and ends the threads."""


MakeEngine = Callable[[Sink], EnginePort]
"""Makes an engine that is not started yet."""
