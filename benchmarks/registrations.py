"""Very many registrations on one server: how evenly they are refreshed.

``python -m benchmarks.registrations`` registers 100,000 addresses in memory with a registrar
that grants an hour, lets two hours pass on a clock of its own, and prints how many REGISTERs
came in each minute and second of the last one.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.core import Core
from picosip_server.engine.network import Sender, Source, Ticket
from picosip_server.sip.address import Address
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Brief
from picosip_server.sip.uri import Uri

HERE, HOME = "192.0.2.1", "192.0.2.2"
HOUR = 3600.0


class Registrar:
    """The network of a core, at whose other end all that is registered is granted for an hour."""

    def __init__(self, rate: float) -> None:
        listener = ListenerSpec(transport="UDP", host=HERE, port=5060)
        config = EngineConfig(listeners=(listener,), node="bench", register_rate=rate)
        self.core = Core(config, self)
        self.now = 0.0
        self.times: list[float] = []
        self._answers: list[bytes] = []
        self._hop = Hop(transport="UDP", host=HOME, port=5060, local_host=HERE, local_port=5060)
        self._source = Source("UDP", HOME, 5060, HERE, 5060)

    def send(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        """See ``Network.send``."""
        self.times.append(self.now)
        lines = data.decode().split("\r\n")
        echoed = [line for line in lines if line.startswith(("Via", "From", "To", "Call", "CSeq"))]
        contact = next(line for line in lines if line.startswith("Contact"))
        fields = (*echoed, f"{contact};expires=3600", "Content-Length: 0", "", "")
        self._answers.append("\r\n".join(("SIP/2.0 200 OK", *fields)).encode())

    def learn(self, host: str, port: int, flow: int) -> None:
        """See ``Network.learn``: there are no connections."""

    def locate(self, target: Target, ticket: Ticket) -> tuple[Hop, ...] | None:
        """See ``Network.locate``."""
        return (self._hop,)

    def register(self, line: int) -> None:
        """Registers one address."""
        command = commands.Register(
            token=Brief(line),
            registrar=Uri.parse(f"sip:{HOME}"),
            aor=Address.parse(f"<sip:{line}@{HOME}>"),
        )
        self.core.submit(command, self.now, f"registration-{line}")
        self._answer()

    def run(self, until: float) -> None:
        """Lets time pass."""
        while (due := self.core.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.core.timeout(self.now)
            self._answer()
        self.now = until

    def _answer(self) -> None:
        while self._answers:
            answers, self._answers = self._answers, []
            for answer in answers:
                self.core.receive(answer, self._source, self.now)
        self.core.take()


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.registrations", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--lines", type=int, default=100_000, help="how many (default: 100000)")
    parser.add_argument(
        "--rate", type=float, default=100.0, help="first ones a second (default: 100)"
    )
    given = parser.parse_args()
    began = time.thread_time()
    registrar = Registrar(given.rate)
    for line in range(given.lines):
        registrar.register(line)
    registrar.run(given.lines / given.rate + 2 * HOUR)
    last = [at for at in registrar.times if at >= registrar.now - HOUR]
    minutes = Counter(int((at - registrar.now + HOUR) // 60) for at in last)
    seconds = Counter(int(at) for at in last)
    loads = [minutes[minute] for minute in range(60)]
    active = registrar.core.stats().active_registrations
    spent = time.thread_time() - began
    print(f"{active:,} of {given.lines:,} registered, {len(registrar.times):,} REGISTERs in all")
    print(
        f"in the last hour {len(last):,}: a minute {min(loads):,} to {max(loads):,}, on average "
        f"{len(last) / 60:,.0f}; a second at most {max(seconds.values(), default=0):,}, on "
        f"average {len(last) / HOUR:,.1f}"
    )
    print(f"CPU {spent / len(registrar.times) * 1e6:,.0f} us a REGISTER")


if __name__ == "__main__":
    main()
