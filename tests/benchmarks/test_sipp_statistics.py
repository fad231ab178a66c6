"""What the driver reads from the files that SIPp writes."""

from __future__ import annotations

from benchmarks.sipp import Counts, first_complaint, received_again, response_times

STATISTICS = (
    "StartTime;LastResetTime;CurrentTime;TotalCallCreated;CurrentCall;SuccessfulCall(P);"
    "SuccessfulCall(C);FailedCall(P);FailedCall(C);OutOfCallMsgs(C);DeadCallMsgs(C);"
    "Retransmissions(P);Retransmissions(C);FailedMaxUDPRetrans(C);FailedUnexpectedMessage(P);"
    "FailedUnexpectedMessage(C);FailedCallRejected(C);\n"
    "2026-01-02\t10:00:00.000000\t1767348000.000000;x;2026-01-02\t10:00:01.000000\t1767348001.000000;"
    "100;7;90;90;3;3;0;0;0;0;0;3;3;0;\n"
    "2026-01-02\t10:00:00.000000\t1767348000.000000;x;2026-01-02\t10:00:02.500000\t1767348002.500000;"
    "200;0;105;195;2;5;1;2;3;4;1;1;4;0;\n"
)


def test_the_last_row_counts() -> None:
    assert Counts.read(STATISTICS) == Counts(
        elapsed=2.5,
        created=200,
        current=0,
        successful=195,
        failed=5,
        resent=1 + 2 + 4,
        causes={"MaxUDPRetrans": 1, "UnexpectedMessage": 4},
    )


def test_a_row_that_is_being_written_does_not() -> None:
    first = STATISTICS.index("2026-01-02\t10:00:00", STATISTICS.index("100;7;"))
    assert Counts.read(STATISTICS[: first + 60]) == Counts(
        elapsed=1.0,
        created=100,
        current=7,
        successful=90,
        failed=3,
        resent=0,
        causes={"UnexpectedMessage": 3},
    )


def test_without_a_row_nothing_has_happened() -> None:
    assert Counts.read("") == Counts()
    assert Counts.read(STATISTICS[: STATISTICS.index("\n") + 1]) == Counts()


def test_messages_received_again_are_told_from_those_sent_again() -> None:
    """What SIPp sent again is in the other file already."""
    counts = (
        "CurrentTime;ElapsedTime;0_INVITE_Sent;0_INVITE_Retrans;0_INVITE_Timeout;"
        "1_200_Recv;1_200_Retrans;1_200_Timeout;1_200_Unexp;2_ACK_Sent;2_ACK_Retrans;"
        "3_BYE_Recv;3_BYE_Retrans;\n"
        "now;00:00:01;10;9;0;10;3;0;0;10;2;10;4;\n"
    )
    assert received_again(counts) == 3 + 4
    assert received_again("") == 0


def test_response_times_are_read_without_the_head_and_an_unfinished_line() -> None:
    assert response_times("Date_ms;response_time_ms;rtd_no\n12.1;4;1\n24.2;0;1\n36.3;1") == [4, 0]
    assert response_times("") == []


def test_the_first_complaint_is_found_behind_the_noise() -> None:
    text = (
        "The following events occurred:\n"
        "2026-01-02\t10:00:00.155464\t1767348000.155464: Maximum number of open sockets (1) plus"
        " more2026-01-02\t10:00:01.688576\t1767348001.688576: Dead call 1@127.0.0.1, received"
        " 'SIP/2.0 200 OK\nVia: SIP/2.0/UDP\n"
    )
    assert first_complaint(text) == "Dead call 1@127.0.0.1, received 'SIP/2.0 200 OK"
    assert first_complaint("") == ""
