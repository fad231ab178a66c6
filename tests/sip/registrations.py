"""A registration on its own, and a registrar that answers by hand."""

from __future__ import annotations

from collections.abc import Mapping

from picosip_server.sip.address import Address
from picosip_server.sip.hop import Target
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.events import RegistrationChanged
from picosip_server.sip.ua.registration.user import Registration
from picosip_server.sip.ua.snapshots import RegistrationSnapshot
from picosip_server.sip.uri import Uri
from tests.sip.agent import UDP, Driver, Numbered

NAME = "registrations/1"
HOME = Target(host="home.example")
BOUND = "<sip:kai@10.0.0.1:5060>"
"""The Contact that is made from the listener."""


class Client(Driver):
    """Drives one registration, all its tokens named by the tests."""

    registration: Registration

    def __init__(
        self,
        *,
        share: float = 0.5,
        proxy: str = "",
        found: bool = True,
        calls: tuple[str, ...] = (),
        settings: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        fields.setdefault("registrar", Uri.parse("sip:home.example"))
        register = commands.Register(
            token="register",
            aor=Address.parse('"Kai" <sip:kai@home.example>'),
            **fields,  # type: ignore[arg-type]
        )
        context = Context(
            identity=Numbered(share=share),
            outbound_proxy=proxy,
            node_instance="urn:uuid:node",
            **(settings or {}),  # type: ignore[arg-type]
        )
        self.registration = Registration(
            NAME, context, register, call_id="reg-1", flow_call_ids=calls
        )
        super().__init__(self.registration, hops={HOME: (UDP,)} if found else {})

    def start(self) -> Client:
        self.run(self.registration.start(self.now))
        return self

    def command(self, kind: type[commands.RegistrationCommand], token: str) -> None:
        self.run(self.registration.command(kind(token=token, name=NAME), self.now))

    def unregister(self, token: str = "unregister") -> None:
        self.command(commands.Unregister, token)

    def granted(self, seconds: int = 600) -> Client:
        """The registrar grants what is asked, for that long."""
        self.answer(200, ("Contact", f"{BOUND};expires={seconds}"))
        return self

    @property
    def states(self) -> list[tuple[float, str]]:
        """Each state that the application heard of, and when."""
        return [
            (round(event.at, 6), event.registration.state.name)
            for event in self.events
            if isinstance(event, RegistrationChanged)
        ]

    @property
    def times(self) -> list[float]:
        """When each REGISTER was sent for the first time."""
        return [round(sent.at, 6) for sent in self.sent if not sent.again]

    def asked(self, name: str) -> list[str]:
        """A header of the last request."""
        return self.last().headers.get_all(name)

    def snapshot(self, token: str) -> RegistrationSnapshot:
        result = self.results[token]
        assert isinstance(result, RegistrationSnapshot), result
        return result
