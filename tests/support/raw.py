"""A bare SIP endpoint: octets out, octets in, and just enough reading to judge an answer.

Independent of the server's own parser on purpose.
"""

from __future__ import annotations

import itertools
import re
import socket
import time
from dataclasses import dataclass, field

_numbers = itertools.count(int(time.time()))


COMPACT = {"via": "v", "from": "f", "to": "t", "call-id": "i", "content-length": "l"}


def unique() -> str:
    """A text that no other message of this run carries."""
    return f"{next(_numbers):x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMessage:
    """A received message, cut into its lines."""

    start_line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    octets: bytes = field(repr=False)

    @classmethod
    def read(cls, octets: bytes) -> RawMessage:
        """Cuts a whole message; folded lines do not occur in what the server sends."""
        head, _, body = octets.partition(b"\r\n\r\n")
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return cls(
            start_line=first,
            headers=tuple((name.strip(), value.strip()) for name, _, value in pairs),
            body=body,
            octets=octets,
        )

    @property
    def status(self) -> int:
        """Status code; 0 for a request."""
        return int(self.start_line.split(" ")[1]) if self.start_line.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        """Method of the request, or of the CSeq of a response."""
        if self.status:
            return self.one("CSeq").split()[-1]
        return self.start_line.split(" ")[0]

    def all(self, name: str) -> list[str]:
        """Values of all fields of this name."""
        names = (name.lower(), COMPACT.get(name.lower(), ""))
        return [value for field_name, value in self.headers if field_name.lower() in names]

    def one(self, name: str) -> str:
        """The value of the first field of this name; empty if there is none."""
        return next(iter(self.all(name)), "")


class RawUdp:
    """A UDP socket that speaks to one server."""

    def __init__(self, server: tuple[str, int], host: str = "127.0.0.1", port: int = 0) -> None:
        self.server = server
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.host, self.port = self.socket.getsockname()

    def send(self, octets: bytes) -> None:
        """One datagram."""
        self.socket.sendto(octets, self.server)

    def receive(self, timeout: float = 5.0) -> RawMessage | None:
        """The next message; None if none comes within ``timeout`` seconds."""
        self.socket.settimeout(timeout)
        try:
            return RawMessage.read(self.socket.recv(65535))
        except TimeoutError:
            return None

    def refuse(self, invite: RawMessage, status: str) -> None:
        """A final response to an INVITE that the server sent."""
        lines = [f"SIP/2.0 {status}"]
        for name in ("Via", "From", "To", "Call-ID", "CSeq"):
            tag = ";tag=raw" if name == "To" else ""
            lines += [f"{name}: {value}{tag}" for value in invite.all(name)]
        self.send("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())

    def close(self) -> None:
        """Closes the socket."""
        self.socket.close()

    def __enter__(self) -> RawUdp:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RawTcp:
    """A TCP connection to one server."""

    def __init__(self, server: tuple[str, int], host: str = "127.0.0.1") -> None:
        self.server = server
        self.socket = socket.create_connection(server, timeout=5.0, source_address=(host, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host, self.port = self.socket.getsockname()
        self.closed = False
        """Whether the server has closed it."""
        self._octets = b""

    def send(self, octets: bytes) -> None:
        """Octets of the stream."""
        self.socket.sendall(octets)

    def read(self, timeout: float = 5.0) -> bytes:
        """What has come and was not taken yet; waits up to ``timeout`` s for more if nothing."""
        if not self._octets:
            self._more(timeout)
        taken, self._octets = self._octets, b""
        return taken

    def receive(self, timeout: float = 5.0) -> RawMessage | None:
        """The next message, framed by its Content-Length; None if none comes or it is closed."""
        deadline = time.monotonic() + timeout
        while True:
            self._octets = self._octets.lstrip(b"\r\n")
            head, end, rest = self._octets.partition(b"\r\n\r\n")
            if end:
                length = re.search(rb"\r\n(?:content-length|l) *: *(\d+)", head.lower())
                assert length, f"no Content-Length in a message over TCP: {head!r}"
                if len(rest) >= int(length[1]):
                    whole = len(head) + 4 + int(length[1])
                    octets, self._octets = self._octets[:whole], self._octets[whole:]
                    return RawMessage.read(octets)
            if self.closed or not self._more(deadline - time.monotonic()):
                return None

    def closed_by_server(self, timeout: float = 5.0) -> bool:
        """Whether the server closes the connection within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not self.closed:
            if not self._more(deadline - time.monotonic()) and not self.closed:
                return False
        return True

    def _more(self, timeout: float) -> bool:
        if timeout <= 0:
            return False
        self.socket.settimeout(timeout)
        try:
            octets = self.socket.recv(65535)
        except TimeoutError:
            return False
        except ConnectionResetError:
            octets = b""
        self.closed = not octets
        self._octets += octets
        return bool(octets)

    def close(self) -> None:
        """Closes the connection."""
        self.socket.close()

    def __enter__(self) -> RawTcp:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def request(
    method: str,
    peer: RawUdp | RawTcp,
    *extra: str,
    user: str = "interop",
    call_id: str = "",
    to_tag: str = "",
    from_tag: str = "raw",
    cseq: int = 1,
    target: str = "",
    body: bytes = b"",
    content_length: bool = True,
) -> bytes:
    """A correct request; ``extra`` are whole header lines."""
    transport = "TCP" if isinstance(peer, RawTcp) else "UDP"
    here = f"{peer.host}:{peer.port}"
    there = f"{peer.server[0]}:{peer.server[1]}"
    lines = [
        f"{method} {target or f'sip:{user}@{there}'} SIP/2.0",
        f"Via: SIP/2.0/{transport} {here};branch=z9hG4bK{unique()}",
        f"From: <sip:raw@{here}>;tag={from_tag}",
        f"To: <sip:{user}@{there}>{f';tag={to_tag}' if to_tag else ''}",
        f"Call-ID: {call_id or unique()}",
        f"CSeq: {cseq} {method}",
        f"Contact: <sip:raw@{here}{';transport=tcp' if transport == 'TCP' else ''}>",
        "Max-Forwards: 70",
        *extra,
    ]
    if content_length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


SDP = (
    b"v=0\r\no=raw 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4002 RTP/AVP 0\r\n"
)


class RefusedError(AssertionError):
    """A call was answered by another status than 200."""

    def __init__(self, response: RawMessage) -> None:
        super().__init__(response.start_line)
        self.status = response.status


class RawCall:
    """A call placed by hand over UDP: INVITE, 2xx, ACK; then BYE when the test wants it."""

    def __init__(self, peer: RawUdp, user: str = "interop") -> None:
        self.peer = peer
        self.user = user
        self.call_id = unique()
        self._send("INVITE", 1, "Content-Type: application/sdp", body=SDP)
        while True:
            answer = peer.receive()
            assert answer is not None, "no final response to the INVITE"
            if answer.status >= 200:
                break
        if answer.status != 200:
            raise RefusedError(answer)
        found = re.search(r";tag=([^;]+)", answer.one("To"))
        assert found, "a 200 without To tag"
        self.tag = found[1]
        contact = re.search(r"<([^>]+)>", answer.one("Contact"))
        assert contact, "a 200 without Contact"
        self.target = contact[1]
        self._send("ACK", 1)

    def _send(self, method: str, cseq: int, *extra: str, body: bytes = b"") -> None:
        self.peer.send(
            request(
                method,
                self.peer,
                *extra,
                user=self.user,
                call_id=self.call_id,
                to_tag=getattr(self, "tag", ""),
                target=getattr(self, "target", ""),
                cseq=cseq,
                body=body,
            )
        )

    def hang_up(self) -> None:
        """BYE, and its 200."""
        self._send("BYE", 2)
        while True:
            answer = self.peer.receive()
            assert answer is not None, "no response to the BYE"
            if answer.method == "BYE":
                assert answer.status == 200, answer.start_line
                return
