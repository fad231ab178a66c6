"""Mutated dialogs at a whole user agent in memory."""

from __future__ import annotations

import pytest

from tests.fuzz.simulated import Fuzzed


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("seed", range(6))
def test_nothing_escapes_and_nothing_stays(seed: int, transport: str) -> None:
    run = Fuzzed(seed, transport=transport)
    run.run(600)
    run.check()


def test_the_dialogs_are_real_ones() -> None:
    """Else the test above would show little."""
    run = Fuzzed(1)
    run.run(1500)
    kinds = set(run.host.kinds())
    assert kinds >= {
        *("CallReceived", "CallAnswered", "CallConfirmed", "CallEnded", "CallCreated"),
        *("IncomingRequest", "SubscriptionChanged", "RegistrationChanged"),
    }
