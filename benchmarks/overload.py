"""Twice as many calls as it can take: how many are served, refused, and lost on their way."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders.base import Answering, Contender
from benchmarks.measure import Teller, measure
from benchmarks.options import Options
from benchmarks.sipp import Sipp

# A refusal is an end like another for SIPp: only then does it count what is lost apart from it.
CHANGES = {
    '<recv response="183" optional="true"/>': (
        '<recv response="183" optional="true"/>\n'
        '  <recv response="503" optional="true" next="refused"/>'
    ),
    '<recv response="200"/>': (
        '<recv response="200" next="done"/>\n'
        '  <label id="refused"/>\n'
        "  <send>\n    <![CDATA[\n\n"
        "      ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n"
        "      [last_Via:]\n      [last_From:]\n      [last_To:]\n      [last_Call-ID:]\n"
        "      CSeq: 1 ACK\n      Max-Forwards: 70\n      Content-Length: 0\n\n"
        "    ]]>\n  </send>\n"
        '  <label id="done"/>'
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overloaded:
    """What became of what was offered."""

    offered: float
    """Calls a second."""
    calls: int
    served: int
    refused: int
    """With 503."""
    unanswered: int
    lost: int
    """Answered, and not ended in order."""
    resent: int
    seconds: float

    @property
    def goodput(self) -> float:
        """Calls served, a second."""
        return self.served / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Beside the highest clean rates of the same minutes: the speed of machines changes."""

    before: int
    after: int
    overloaded: Overloaded

    @property
    def highest(self) -> float:
        """What lies between both, calls a second."""
        return (self.before + self.after) / 2


def compared(
    contender: Contender,
    options: Options,
    seconds: float,
    hold: float,
    folder: Path,
    teller: Teller,
) -> Compared:
    """Twice the highest clean rate, which is looked for before and after.

    Raises RuntimeError where no rate at all is clean.
    """

    def highest(name: str, first: int) -> int:
        share = options.search_seconds(2)
        found = measure(contender, folder / name, options, first, teller, share)
        if not found.highest:
            raise RuntimeError(f"{contender.name} has no clean rate: {found.why}")
        return found.highest

    before = highest("before", contender.first)
    found = overload(contender, 2.0 * before, seconds, hold, folder / "overload")
    return Compared(before=before, after=highest("after", before), overloaded=found)


def overload(
    contender: Contender, rate: float, seconds: float, hold: float, folder: Path
) -> Overloaded:
    """Offers so much for so long, each call held for ``hold`` seconds."""
    calls = max(1, round(rate * seconds))
    with contender.start(folder / "contender") as running:
        assert isinstance(running, Answering)
        with Sipp(
            folder,
            server=running.port,
            calls=calls,
            rate=rate,
            hold=hold,
            changes=CHANGES,
        ) as sipp:
            began = time.monotonic()
            sipp.finish(seconds + hold + 40.0)
            ended = time.monotonic() - began
            running.check()
            counts, messages = sipp.counts(), sipp.messages()
    # The first 200 is that to the INVITE, the last that to the BYE.
    answers = [n for name, n in messages.items() if name.endswith("_200_Recv")]
    served = answers[-1] if answers else 0
    answered = answers[0] if answers else 0
    refused = messages.get("503_Recv", 0)
    return Overloaded(
        offered=rate,
        calls=calls,
        served=served,
        refused=refused,
        unanswered=calls - answered - refused,
        lost=answered - served,
        resent=counts.resent,
        seconds=min(ended, seconds + hold),
    )
