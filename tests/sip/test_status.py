"""Response codes and their phrases."""

from __future__ import annotations

import pytest

from picosip_server.sip.status import reason_phrase

# The IANA registry of SIP response codes.
_REGISTRY = """
100 180 181 182 183 199 200 202 204 300 301 302 305 380 400 401 402 403 404 405 406 407 408 410
412 413 414 415 416 417 420 421 422 423 424 425 428 429 430 433 436 437 438 439 440 469 470 480
481 482 483 484 485 486 487 488 489 491 493 494 500 501 502 503 504 505 513 555 580 600 603 604
606 607 608
"""
_GENERIC = {
    "Session Progress": 1,
    "OK": 2,
    "Multiple Choices": 3,
    "Bad Request": 4,
    "Server Internal Error": 5,
    "Busy Everywhere": 6,
}


@pytest.mark.parametrize("code", [int(each) for each in _REGISTRY.split()])
def test_every_registered_code_has_its_own_phrase(code: int) -> None:
    own = {183, 200, 300, 400, 500, 600}
    assert reason_phrase(code)
    assert (reason_phrase(code) in _GENERIC) is (code in own)


@pytest.mark.parametrize(
    ("code", "phrase"),
    [
        (100, "Trying"),
        (199, "Early Dialog Terminated"),
        (302, "Moved Temporarily"),
        (416, "Unsupported URI Scheme"),
        (423, "Interval Too Brief"),
        (481, "Call/Transaction Does Not Exist"),
        (487, "Request Terminated"),
        (504, "Server Time-out"),
        (513, "Message Too Large"),
        (603, "Decline"),
        (608, "Rejected"),
    ],
)
def test_phrases(code: int, phrase: str) -> None:
    assert reason_phrase(code) == phrase


@pytest.mark.parametrize(
    ("code", "phrase"),
    [
        (150, "Session Progress"),
        (299, "OK"),
        (399, "Multiple Choices"),
        (499, "Bad Request"),
        (599, "Server Internal Error"),
        (699, "Busy Everywhere"),
        (99, ""),
        (700, ""),
    ],
)
def test_an_unregistered_code_counts_as_its_class(code: int, phrase: str) -> None:
    # 8.1.3.2
    assert reason_phrase(code) == phrase
