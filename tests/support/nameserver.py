"""A name server of a test's own, on a loopback port that the system chose."""

from __future__ import annotations

import errno
import socket
import socketserver
import struct
import threading
from types import TracebackType
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

SERVFAIL = "SERVFAIL"
SILENT = "SILENT"
TRUNCATED = "TRUNCATED"
"""Over UDP nothing but that it is too much."""


class NameServer:
    """Answers from ``records``: ``KIND name`` to the data of the records, as in a zone file.

    ``faults``: what becomes of questions for a name. Names without records do not exist.
    """

    def __init__(
        self,
        records: dict[str, list[str]] | None = None,
        *,
        ttl: int = 300,
        negative_ttl: int | None = 60,
        faults: dict[str, str] | None = None,
    ) -> None:
        self.records = records or {}
        self.faults = faults or {}
        self.ttl = ttl
        self.negative_ttl = negative_ttl
        """None: no SOA record comes with a "no"."""
        self.asked: list[str] = []
        """``KIND name`` and by which transport, in order."""
        self.open = threading.Event()
        """While it is not set, answers wait."""
        self.open.set()
        self._servers = self._bind()
        self._threads = [
            threading.Thread(target=each.serve_forever, args=(0.02,), daemon=True)
            for each in self._servers
        ]
        for thread in self._threads:
            thread.start()

    def _bind(self) -> tuple[_Udp, _Tcp]:
        while True:
            udp = _Udp(("127.0.0.1", 0), _OverUdp)
            udp.names = self
            try:
                tcp = _Tcp(udp.server_address, _OverTcp)
            except OSError as error:
                udp.server_close()
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            tcp.names = self
            return udp, tcp

    @property
    def address(self) -> tuple[str, int]:
        """Where it is asked."""
        host, port = self._servers[0].server_address[:2]
        return str(host), int(port)

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        """The answer to a question; None: silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{kind} {name} {transport}")
        self.open.wait(10.0)
        response = dns.message.make_response(query, recursion_available=True)
        fault = self.faults.get(name, "")
        if fault == SILENT:
            return None
        if fault == SERVFAIL:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif fault == TRUNCATED and transport == "UDP":
            response.flags |= dns.flags.TC
        else:
            self._fill(response, name, kind)
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        while alias := self.records.get(f"CNAME {name}"):
            response.answer.append(
                dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", "CNAME", alias)
            )
            name = alias[0].removesuffix(".")
        found = self.records.get(f"{kind} {name}")
        if found:
            response.answer.append(
                dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", kind, found)
            )
            return
        if not any(key.partition(" ")[2] == name for key in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        if self.negative_ttl is not None:
            soa = f"ns. host. 1 3600 600 86400 {self.negative_ttl}"
            response.authority.append(dns.rrset.from_text("test.", 3600, "IN", "SOA", soa))

    def close(self) -> None:
        """Ends it."""
        self.open.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(10.0)

    def __enter__(self) -> NameServer:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    names: NameServer


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    names: NameServer


class _OverUdp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = cast("tuple[bytes, socket.socket]", self.request)
        answer = cast("_Udp", self.server).names.answer(data, "UDP")
        if answer is not None:
            sock.sendto(answer, self.client_address)


class _OverTcp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while head := self.rfile.read(2):
            (length,) = struct.unpack("!H", head)
            answer = cast("_Tcp", self.server).names.answer(self.rfile.read(length), "TCP")
            if answer is None:
                return
            self.wfile.write(struct.pack("!H", len(answer)) + answer)
