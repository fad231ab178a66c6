"""What Wireshark's dissectors say of SIP messages."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

# A capture of messages without the packets around them: LINKTYPE_WIRESHARK_UPPER_PDU.
_LINK_TYPE = 252
_DISSECTOR_NAME, _END = 12, 0


def write_capture(path: Path, messages: Iterable[bytes]) -> None:
    """A pcap file for which Wireshark needs no ports to know that this is SIP."""
    tags = struct.pack(">HH4sHH", _DISSECTOR_NAME, 4, b"sip\0", _END, 0)
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, _LINK_TYPE))
        for message in messages:
            size = len(tags) + len(message)
            file.write(struct.pack("<IIII", 0, 0, size, size) + tags + message)


def dissect(capture: Path, keep: str) -> list[str]:
    """The summaries of the messages that a display filter keeps."""
    run = subprocess.run(
        ["tshark", "-n", "-r", str(capture), "-Y", keep],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return run.stdout.splitlines()


FLAWED = "_ws.malformed or _ws.expert.severity >= warning or sip.unrecognized_header"
"""Filter for messages that a dissector of Wireshark finds fault with."""
