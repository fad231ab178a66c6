"""Identifiers that no two of ever are the same."""

from __future__ import annotations

import re
import threading

from picosip_server.engine.identity import RandomIdentity, new_call_id, worker_for


def test_call_ids_are_of_128_bits_and_differ_whoever_draws_them() -> None:
    drawn: list[list[str]] = [[] for _ in range(4)]

    def draw(into: list[str]) -> None:
        for _ in range(1000):
            into.append(new_call_id())

    threads = [threading.Thread(target=draw, args=(each,)) for each in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [call_id for each in drawn for call_id in each]
    assert len(set(every)) == 4000
    assert all(re.fullmatch("[0-9a-f]{32}", call_id) for call_id in every)


def test_a_worker_gets_call_ids_that_lead_to_it() -> None:
    identity = RandomIdentity("n1", 2, workers=3)
    assert {worker_for(identity.call_id(), 3) for _ in range(100)} == {2}
