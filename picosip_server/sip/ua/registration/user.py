"""A registration: REGISTER, refreshed until it is taken back (RFC 3261 section 10.2).

What happens on each flow is a ``Binding``'s affair; here is what they have in common:
the resource that the application sees, and the commands on it.
"""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.sip.address import Address
from picosip_server.sip.dialog import loose_route
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect, KeepFlow, LeaveFlow
from picosip_server.sip.ua.events import RegistrationChanged
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.registration.binding import Binding
from picosip_server.sip.ua.snapshots import RegistrationSnapshot, RegistrationState
from picosip_server.sip.ua.user import TransactionUser

_ENDING = (RegistrationState.UNREGISTERING, RegistrationState.TERMINATED)


class Registration(TransactionUser):
    """The bindings of one address of record at one registrar.

    ``flow_call_ids`` are for the second flow and those behind it (RFC 5626 section 4.2.1).
    """

    __slots__ = (
        "_bindings",
        "_failure",
        "_last",
        "_unregisters",
        "_waiting",
        "instance_id",
        "register",
        "state",
        "tag",
    )

    def __init__(
        self,
        name: str,
        context: Context,
        register: commands.Register,
        *,
        call_id: str,
        flow_call_ids: tuple[str, ...] = (),
    ) -> None:
        super().__init__(name, context, register.labels)
        self.state = RegistrationState.REGISTERING
        self.register = register
        self.tag = context.identity.tag()
        outbound = register.outbound
        self.instance_id = context.instance_id
        if outbound is not None:
            self.instance_id = outbound.instance_id or context.instance_id or context.node_instance
        edges = outbound.edges if outbound is not None else ()
        self._bindings = [
            Binding(
                self,
                index,
                call_id=each,
                route=loose_route(edges[index]) if edges else "",
                reg_id=index + 1 if outbound is not None else 0,
            )
            for index, each in enumerate((call_id, *flow_call_ids))
        ]
        self._last: Response | None = None
        self._failure: Failure | None = None
        """What went wrong while the bindings were taken back."""
        self._waiting: Hashable | None = None
        self._unregisters: list[Hashable] = []

    def start(self, now: float) -> list[Effect]:
        """Registers for the first time.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        if self.register.no_wait:
            self.complete(self.register.token, self.snapshot())
        else:
            self._waiting = self.register.token
        for binding in self._bindings:
            binding.register(now)
        return self.flush()

    def snapshot(self) -> RegistrationSnapshot:
        """The registration as plain values: the figures are those of its best binding."""
        last = self._last
        best = self._best()
        contacts: dict[str, Address] = {}
        for binding in self._bindings:
            contacts.update({str(each): each for each in binding.contacts})
        return RegistrationSnapshot(
            name=self.name,
            state=self.state,
            registrar=str(self.register.registrar),
            aor=self.register.aor,
            contacts=tuple(contacts.values()),
            expires=best.granted.interval,
            expire_time=best.expire_time,
            last_status=last.status if last is not None else 0,
            last_reason=last.reason if last is not None else "",
            service_route=best.granted.service_route,
            path=best.granted.path,
            pub_gruu=best.granted.pub_gruu,
            temp_gruu=best.granted.temp_gruu,
            flows=tuple(each.snapshot() for each in self._bindings),
            labels=self.labels,
        )

    def _best(self) -> Binding:
        """The first binding that works, else the one that runs out last, else the first."""
        for binding in self._bindings:
            if binding.state is RegistrationState.ACTIVE:
                return binding
        return max(self._bindings, key=lambda each: each.expire_time or 0.0)

    def command(self, command: Command, now: float) -> list[Effect]:
        """Unregister and GetRegistration."""
        if isinstance(command, commands.GetRegistration):
            self.complete(command.token, self.snapshot())
        elif isinstance(command, commands.Unregister):
            self._unregisters.append(command.token)
            if self.state is not RegistrationState.UNREGISTERING:
                self._unregister(now)
        return self.flush()

    def shut_down(self, now: float) -> list[Effect]:
        """The server stops: the bindings would lead nowhere."""
        if not self.over and self.state is not RegistrationState.UNREGISTERING:
            self._unregister(now)
        return self.flush()

    def abandon(self, now: float) -> list[Effect]:
        """The server goes, and the registrar does not answer: over all the same."""
        self.forsake()
        self._terminate(None, now)
        return self.flush()

    def on_alarm(self, alarm: str, now: float) -> None:
        """An alarm of one of the bindings."""
        what, _, index = alarm.partition(" ")
        self._bindings[int(index)].on_alarm(what, now)

    # The flows.

    def flow_answered(self, key: Hashable, now: float) -> list[Effect]:
        """A keep-alive on a flow that is used here was answered."""
        for binding in self._on_flow(key):
            binding.flow_answered()
        return self.flush()

    def flow_failed(self, key: Hashable, detail: str, now: float) -> list[Effect]:
        """A flow that is used here leads nowhere any more (RFC 5626 section 4.4)."""
        for binding in self._on_flow(key):
            binding.flow_failed(detail, now)
        return self.flush()

    def _on_flow(self, key: Hashable) -> list[Binding]:
        return [binding for binding in self._bindings if binding.flow.key == key]

    def keep(self, hop: Hop, flow_timer: float | None, *, answered: bool) -> None:
        """Has a flow kept alive and watched."""
        self._out.append(KeepFlow(hop, flow_timer, answered))

    def leave(self, hop: Hop) -> None:
        """A flow is not used any more, unless by another binding."""
        if not self._on_flow(hop.flow_key):
            self._out.append(LeaveFlow(hop.flow_key))

    # What bindings ask and tell.

    @property
    def several(self) -> bool:
        """Whether there is more than one flow."""
        return len(self._bindings) > 1

    @property
    def works(self) -> bool:
        """Whether one of the bindings is in force."""
        return any(each.state is RegistrationState.ACTIVE for each in self._bindings)

    def supported(self, reg_id: int) -> str:
        """The option tags of a REGISTER (RFC 3327, RFC 5626, RFC 5627)."""
        tags = ["path"]
        if reg_id:
            tags.append("outbound")
        if self.instance_id and not self.register.contacts:
            tags.append("gruu")
        return ", ".join(tags)

    def binding_changed(self, now: float, response: Response | None) -> None:
        """One of the bindings is in another state, or was refreshed."""
        self._last = response or self._last
        if self.state in _ENDING:
            return
        states = {each.state for each in self._bindings}
        for state in (RegistrationState.ACTIVE, RegistrationState.REGISTERING):
            if state in states:
                break
        else:
            state = RegistrationState.FAILED
        self._change(state, now, response)
        if state is RegistrationState.ACTIVE and self._waiting is not None:
            self.complete(self._waiting, self.snapshot())
            self._waiting = None

    def gives_up(self, failure: Failure, now: float, response: Response | None) -> bool:
        """Whether it ends with this failure, the last one of the first round."""
        self._last = response or self._last
        states = {each.state for each in self._bindings}
        if self._waiting is None or states != {RegistrationState.FAILED}:
            return False
        # The one who asked is told, and asks again when it wants: nothing stays behind.
        self.fail(self._waiting, failure)
        self._waiting = None
        self._terminate(None, now, response)
        return True

    # The end.

    def _unregister(self, now: float) -> None:
        self._change(RegistrationState.UNREGISTERING, now)
        for binding in self._bindings:
            binding.unregister(now)

    def binding_ended(self, failure: Failure | None, now: float, response: Response | None) -> None:
        """One of the bindings is taken back, whatever the registrar said to that."""
        self._last = response or self._last
        self._failure = self._failure or failure
        if all(each.ended for each in self._bindings):
            self._terminate(self._failure, now, response)

    def _terminate(
        self, failure: Failure | None, now: float, response: Response | None = None
    ) -> None:
        """The resource is gone, whatever the registrar said to the last REGISTER."""
        self._alarms.clear()
        for binding in self._bindings:
            binding.let_go()
        self._change(RegistrationState.TERMINATED, now, response)
        for token in self._unregisters:
            if failure is None:
                self.complete(token, self.snapshot())
            else:
                self.fail(token, failure)
        self._unregisters.clear()
        if self._waiting is not None:
            detail = "the registration was taken back before the registrar answered"
            self.fail(self._waiting, Failure(kind=FailureKind.ENDED, detail=detail))
            self._waiting = None
        self.over = True

    def _change(
        self, state: RegistrationState, now: float, response: Response | None = None
    ) -> None:
        self.state = state
        self.emit(
            RegistrationChanged(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=response,
                registration=self.snapshot(),
            )
        )
