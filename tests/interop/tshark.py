"""What Wireshark's dissectors say of SIP messages."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A capture of messages without the packets around them: LINKTYPE_WIRESHARK_UPPER_PDU.
_LINK_TYPE = 252
_DISSECTOR_NAME, _END = 12, 0

_WARNING = 0x600000
"""The least severity of what a dissector calls a fault."""

# What tshark puts between the values of one field: nothing that could be part of one.
_BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True)
class Dissected:
    """One message."""

    octets: bytes
    protocols: list[str]
    """``sip`` and what else the dissectors found in it, such as ``sdp``."""
    faults: list[str]
    """What is malformed, suspect, or an unknown header field whose name does not begin with X-."""


def _write_capture(path: Path, messages: Sequence[bytes]) -> None:
    """A pcap file for which Wireshark needs no ports to know that this is SIP."""
    tags = struct.pack(">HH4sHH", _DISSECTOR_NAME, 4, b"sip\0", _END, 0)
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, _LINK_TYPE))
        for message in messages:
            size = len(tags) + len(message)
            file.write(struct.pack("<IIII", 0, 0, size, size) + tags + message)


def dissect(messages: Sequence[bytes], directory: Path) -> list[Dissected]:
    """Each message as Wireshark sees it. All must be SIP, whatever else."""
    capture = directory / "messages.pcap"
    _write_capture(capture, messages)
    fields = ["frame.protocols", "_ws.expert.severity", "_ws.expert.message"]
    run = subprocess.run(
        ["tshark", "-n", "-r", str(capture), "-T", "fields", "-E", f"aggregator={_BETWEEN}"]
        + [argument for field in fields for argument in ("-e", field)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = zip(messages, run.stdout.splitlines(), strict=True)
    found = [_dissected(octets, *line.split("\t")) for octets, line in lines]
    assert all("sip" in each.protocols for each in found)
    return found


def _dissected(octets: bytes, protocols: str, severities: str, remarks: str) -> Dissected:
    said = zip(severities.split(_BETWEEN), remarks.split(_BETWEEN), strict=True) if remarks else ()
    return Dissected(
        octets=octets,
        protocols=protocols.split(":"),
        faults=[
            remark
            for severity, remark in said
            if int(severity) >= _WARNING
            or (remark.startswith("Unrecognised SIP header (") and "(x-" not in remark.lower())
        ],
    )


def flawed(dissected: Sequence[Dissected]) -> list[str]:
    """Those with faults, as text below what is said of them."""
    return [
        f"{', '.join(each.faults)}:\n{each.octets.decode('utf-8', 'backslashreplace')}"
        for each in dissected
        if each.faults
    ]
