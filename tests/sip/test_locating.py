"""RFC 3263 section 4 over given records: which addresses, in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from picosip_server.sip.hop import Target
from picosip_server.sip.locating import (
    MOST_CANDIDATES,
    Candidate,
    Naptr,
    NoAnswer,
    NotLocated,
    Question,
    Records,
    Srv,
    candidates,
    ordered,
)
from picosip_server.sip.uri import Uri

BOTH = frozenset({4, 6})
V4 = frozenset({4})
ALL = dict.fromkeys(("UDP", "TCP", "TLS", "WS", "WSS"), V4)
PLAIN = {"UDP": V4, "TCP": V4}
SILENT = "the name servers do not answer"


@dataclass
class Names:
    """Records by ``KIND name``; a text is why there is no answer. Keeps what was asked."""

    known: dict[str, object] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def look(self, question: Question) -> Records:
        key = f"{question.kind} {question.name}"
        self.asked.append(key)
        value = self.known.get(key, ())
        if isinstance(value, str):
            raise NoAnswer(value)
        assert isinstance(value, tuple)
        if question.kind == "NAPTR":
            return Records(naptr=value)
        return Records(srv=value) if question.kind == "SRV" else Records(addresses=value)


def low(most: int) -> int:
    return 0


def naptr(order: int, service: str, replacement: str, **more: object) -> Naptr:
    fields = {"preference": 50, **more}
    return Naptr(order=order, service=service, replacement=replacement, **fields)  # type: ignore[arg-type]


def srv(target: str, port: int = 5060, priority: int = 0, weight: int = 0) -> Srv:
    return Srv(priority=priority, weight=weight, port=port, target=target)


def found(uri: str, names: Names, offered: dict[str, frozenset[int]] = ALL) -> list[str]:
    return shown(candidates(Target.of(Uri.parse(uri)), offered, names.look, low))


def shown(candidates: Iterable[Candidate]) -> list[str]:
    return [f"{each.transport} {each.host} {each.port}" for each in candidates]


def why(uri: str, names: Names, offered: dict[str, frozenset[int]] = ALL) -> str:
    with pytest.raises(NotLocated) as caught:
        found(uri, names, offered)
    return str(caught.value)


# The example of RFC 3263 section 4.1.
EXAMPLE = {
    "NAPTR example.com": (
        naptr(100, "SIP+D2U", "_sip._udp.example.com"),
        naptr(50, "SIPS+D2T", "_sips._tcp.example.com"),
        naptr(90, "SIP+D2T", "_sip._tcp.example.com."),
    ),
    "SRV _sip._tcp.example.com": (srv("s1.example.com"), srv("s2.example.com", 5070)),
    "SRV _sips._tcp.example.com": (srv("s1.example.com", 5061),),
    "SRV _sip._udp.example.com": (srv("s3.example.com"),),
    "A s1.example.com": ("192.0.2.1", "192.0.2.2"),
    "A s2.example.com": ("192.0.2.3",),
    "A s3.example.com": ("192.0.2.4",),
    "A example.com": ("192.0.2.9",),
}


@pytest.mark.parametrize(
    ("uri", "expected", "asked"),
    [
        ("sip:192.0.2.7", ["UDP 192.0.2.7 5060"], []),
        ("sip:192.0.2.7;transport=tcp", ["TCP 192.0.2.7 5060"], []),
        ("sips:192.0.2.7", ["TLS 192.0.2.7 5061"], []),
        ("sip:example.com:5060", ["UDP 192.0.2.9 5060"], ["A example.com"]),
        ("sip:example.com:7;transport=tcp", ["TCP 192.0.2.9 7"], ["A example.com"]),
        ("sips:example.com:7", ["TLS 192.0.2.9 7"], ["A example.com"]),
        ("sip:x;maddr=example.com", ["TLS 192.0.2.1 5061", "TLS 192.0.2.2 5061"], None),
    ],
)
def test_address_or_port(uri: str, expected: list[str], asked: list[str] | None) -> None:
    """4.1, 4.2: nobody is asked for an address, and for a name with port only its addresses."""
    names = Names(dict(EXAMPLE))
    assert found(uri, names) == expected
    assert asked is None or names.asked == asked


def test_a_transport_in_the_uri_leads_to_its_srv_records() -> None:
    """4.2; without any, to the addresses of the name, at the default port."""
    names = Names(dict(EXAMPLE))
    assert found("sip:example.com;transport=udp", names) == ["UDP 192.0.2.4 5060"]
    assert names.asked == ["SRV _sip._udp.example.com", "A s3.example.com"]
    assert found("sip:example.com;transport=tls", names)[0] == "TLS 192.0.2.1 5061"
    assert found("sips:example.com;transport=tcp", names)[0] == "TLS 192.0.2.1 5061"
    names.asked.clear()
    assert found("sip:example.com;transport=ws", names) == ["WS 192.0.2.9 80"]
    assert names.asked == ["SRV _sip._ws.example.com", "A example.com"]
    assert found("sips:example.com;transport=ws", names) == ["WSS 192.0.2.9 443"]


@pytest.mark.parametrize(
    ("offered", "uri", "expected"),
    [
        (ALL, "sip:example.com", ["TLS 192.0.2.1 5061", "TLS 192.0.2.2 5061"]),
        (
            PLAIN,
            "sip:example.com",
            ["TCP 192.0.2.1 5060", "TCP 192.0.2.2 5060", "TCP 192.0.2.3 5070"],
        ),
        ({"UDP": V4}, "sip:example.com", ["UDP 192.0.2.4 5060"]),
        (ALL, "sips:example.com", ["TLS 192.0.2.1 5061", "TLS 192.0.2.2 5061"]),
    ],
)
def test_naptr_chooses_among_the_transports_listened_on(
    offered: dict[str, frozenset[int]], uri: str, expected: list[str]
) -> None:
    """4.1; RFC 3403 4.1: of a higher order nothing is taken after a match."""
    assert found(uri, Names(dict(EXAMPLE)), offered) == expected


def test_records_of_one_order_follow_their_preference() -> None:
    names = Names(
        {
            "NAPTR h.test": (
                naptr(1, "SIP+D2U", "u.test", preference=20),
                naptr(1, "sip+d2t", "t.test", preference=10, flags="S"),
                naptr(1, "SIP+D2W", "w.test", preference=30),
                naptr(1, "SIPS+D2W", "w.test", preference=40),
                naptr(2, "SIPS+D2T", "never.test"),
            ),
            "SRV u.test": (srv("a.test"),),
            "SRV t.test": (srv("a.test"),),
            "SRV w.test": (srv("a.test", 8080),),
            "A a.test": ("192.0.2.1",),
        }
    )
    assert found("sip:h.test", names) == [
        "TCP 192.0.2.1 5060",
        "UDP 192.0.2.1 5060",
        "WS 192.0.2.1 8080",
        "WSS 192.0.2.1 8080",
    ]
    assert "SRV never.test" not in names.asked
    assert found("sips:h.test", names) == ["WSS 192.0.2.1 8080"]


def test_records_that_are_not_for_sip_are_passed_over() -> None:
    """4.1: an SRV record by an empty regular expression, of a service that we know."""
    names = Names(
        {
            "NAPTR h.test": (
                naptr(1, "E2U+sip", "x.test"),
                naptr(2, "SIP+D2S", "x.test"),
                naptr(3, "SIP+D2U", "x.test", flags="u"),
                naptr(4, "SIP+D2U", "x.test", regexp="!a!b!"),
                naptr(5, "SIP+D2U", "u.test"),
            ),
            "SRV u.test": (srv("a.test"),),
            "A a.test": ("192.0.2.1",),
        }
    )
    assert found("sip:h.test", names) == ["UDP 192.0.2.1 5060"]
    assert "SRV x.test" not in names.asked


def test_an_order_that_leads_nowhere_is_no_match() -> None:
    names = Names(dict(EXAMPLE))
    names.known["SRV _sips._tcp.example.com"] = (srv("."),)
    assert found("sip:example.com", names)[0] == "TCP 192.0.2.1 5060"


def test_without_naptr_each_transport_is_asked_for() -> None:
    """4.1: the SRV records of the transports that are supported."""
    names = Names({key: value for key, value in EXAMPLE.items() if not key.startswith("NAPTR")})
    assert found("sip:example.com", names) == [
        "UDP 192.0.2.4 5060",
        "TCP 192.0.2.1 5060",
        "TCP 192.0.2.2 5060",
        "TCP 192.0.2.3 5070",
        "TLS 192.0.2.1 5061",
        "TLS 192.0.2.2 5061",
    ]
    names.asked.clear()
    assert found("sips:example.com", names) == ["TLS 192.0.2.1 5061", "TLS 192.0.2.2 5061"]
    assert [each for each in names.asked if each.startswith("SRV")] == [
        "SRV _sips._tcp.example.com"
    ]


def test_without_srv_the_name_itself_is_taken() -> None:
    """4.1, 4.2: UDP for sip, TLS for sips, at the default port."""
    names = Names({"A h.test": ("192.0.2.1",)})
    assert found("sip:h.test", names) == ["UDP 192.0.2.1 5060"]
    assert found("sips:h.test", names) == ["TLS 192.0.2.1 5061"]
    assert found("sip:h.test", names, {"TCP": V4}) == ["TCP 192.0.2.1 5060"]
    assert found("sip:h.test.", names) == ["UDP 192.0.2.1 5060"]


def test_both_families_take_turns_where_both_are_listened_on() -> None:
    names = Names(
        {
            "A h.test": ("192.0.2.1", "192.0.2.2", "192.0.2.3"),
            "AAAA h.test": ("2001:db8::1",),
        }
    )
    offered = {"UDP": BOTH}
    assert found("sip:h.test:9", names, offered) == [
        "UDP 2001:db8::1 9",
        "UDP 192.0.2.1 9",
        "UDP 192.0.2.2 9",
        "UDP 192.0.2.3 9",
    ]
    names.asked.clear()
    assert len(found("sip:h.test:9", names)) == 3
    assert names.asked == ["A h.test"]
    # TCP where UDP has no listener for the family.
    mixed = {"UDP": V4, "TCP": frozenset({6})}
    assert found("sip:h.test:9", names, mixed)[:2] == ["TCP 2001:db8::1 9", "UDP 192.0.2.1 9"]
    assert found("sip:[2001:db8::5]", names, mixed) == ["TCP 2001:db8::5 5060"]


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({}, "the name 'h.test' does not resolve: it has no address of a family listened on"),
        ({"A h.test": SILENT}, f"the name 'h.test' does not resolve: {SILENT}"),
        (
            {"SRV _sip._udp.h.test": (srv("."),), "A h.test": ("192.0.2.1",)},
            "'h.test' has no SIP server that this one could reach (SRV)",
        ),
        (
            {"SRV _sip._udp.h.test": SILENT, "A h.test": ("192.0.2.1",)},
            f"the name 'h.test' does not resolve: {SILENT}",
        ),
    ],
)
def test_why_there_is_none(known: dict[str, object], reason: str) -> None:
    """RFC 2782: "." is a no. Not to know whether there are SRV records is no licence to guess."""
    assert why("sip:h.test", Names(known), PLAIN) == reason


def test_what_one_question_does_not_tell_another_may() -> None:
    """4.1: whoever has NAPTR records keeps SRV records as well."""
    names = Names(dict(EXAMPLE))
    names.known["NAPTR example.com"] = SILENT
    names.known["SRV _sip._udp.example.com"] = SILENT
    assert found("sip:example.com", names, PLAIN)[0] == "TCP 192.0.2.1 5060"


def test_a_name_server_cannot_have_us_try_for_ever() -> None:
    many = tuple(srv(f"h{number}.test", priority=number) for number in range(1000))
    names = Names({"SRV _sip._udp.h.test": many})
    names.known |= {f"A h{number}.test": (f"10.0.0.{number}",) for number in range(256)}
    result = found("sip:h.test;transport=udp", names)
    assert result == [f"UDP 10.0.0.{number} 5060" for number in range(MOST_CANDIDATES)]
    assert len(names.asked) == 1 + MOST_CANDIDATES


def test_an_address_that_is_named_twice_is_tried_once() -> None:
    names = Names({"SRV _sip._udp.h.test": (srv("a.test"), srv("b.test"))})
    names.known |= {"A a.test": ("192.0.2.1",), "A b.test": ("192.0.2.1",)}
    assert found("sip:h.test;transport=udp", names) == ["UDP 192.0.2.1 5060"]


# RFC 2782.


def test_srv_records_follow_priority() -> None:
    records = (srv("c", priority=9), srv("a", priority=1, weight=5), srv("b", priority=2))
    assert [each.target for each in ordered(records, low)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        # Sums: none 0, one 1, three 4.
        ([0, 0, 0], ["none", "one", "three"]),
        ([1, 0, 0], ["one", "none", "three"]),
        ([2, 1, 0], ["three", "one", "none"]),
        ([4, 0, 1], ["three", "none", "one"]),
    ],
)
def test_weights_decide_by_the_number_drawn(draws: list[int], expected: list[str]) -> None:
    """RFC 2782: the first whose running sum is the number or more; weight 0 stands first."""
    limits: list[int] = []

    def draw(most: int) -> int:
        limits.append(most)
        return draws[len(limits) - 1]

    records = (srv("one", weight=1), srv("three", weight=3), srv("none"))
    assert [each.target for each in ordered(records, draw)] == expected
    assert limits[0] == 4
