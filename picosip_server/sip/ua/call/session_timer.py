"""The session timer of one call: RFC 4028, in both roles of a refresh."""

from __future__ import annotations

import math

from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.message import Request, Response
from picosip_server.sip.ua.commands import Refresher, TimerWish
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.inspect import refuse_interval
from picosip_server.sip.ua.snapshots import SessionTimerSnapshot
from picosip_server.sip.values import SessionExpires

Fields = list[tuple[str, str]]

NO_WISH = TimerWish()
"""All calls whose application wishes nothing share it."""


class SessionTimer:
    """What was wished, asked for and agreed. Intervals are seconds."""

    __slots__ = (
        "_context",
        "_floor",
        "_interval",
        "_wish",
        "agreed",
        "peer_supports",
        "we_refresh",
    )

    def __init__(self, context: Context, wish: TimerWish | None) -> None:
        self._context = context
        self._floor = 0.0
        """The largest Min-SE that the far end's side has named (section 7.4)."""
        self.agreed: float | None = None
        """The interval in force; None: the session does not expire."""
        self.we_refresh = False
        self.peer_supports = False
        self.wish(wish)

    def wish(self, wish: TimerWish | None) -> None:
        """The application's policy, which wins over the server's default."""
        self._wish = wish or NO_WISH
        interval = self._wish.interval
        self._interval = self._context.session_expires if interval is None else interval

    @property
    def min_se(self) -> float:
        """The smallest interval that we take: the policy's, else the server's."""
        wish = self._wish.min_se
        return self._context.min_se if wish is None else wish

    def snapshot(self) -> SessionTimerSnapshot | None:
        """The timer that runs, if one does."""
        if self.agreed is None:
            return None
        return SessionTimerSnapshot(
            interval=self.agreed, min_se=self._floor, we_refresh=self.we_refresh
        )

    def refresh_after(self) -> float | None:
        """Seconds from a refresh to the next one of ours (section 10: half of the interval)."""
        return None if self.agreed is None or not self.we_refresh else self.agreed / 2

    def end_after(self) -> float | None:
        """Seconds from a refresh to the BYE, where no other refresh came: slightly before the
        session expires (section 10)."""
        return None if self.agreed is None else self.agreed - min(32.0, self.agreed / 3)

    # Requests of ours.

    def request_fields(self) -> Fields:
        """For an INVITE or UPDATE of ours (sections 7.1 and 7.4)."""
        interval = self._interval if self.agreed is None else self.agreed
        if not interval:
            return []
        interval = max(interval, self._floor)
        refresher = ""
        if self.agreed is not None:
            # 7.4: a refresh leaves the roles as they are.
            refresher = "uac" if self.we_refresh else "uas"
        elif self._wish.refresher is not None:
            refresher = "uac" if self._wish.refresher is Refresher.LOCAL else "uas"
        fields = [("Session-Expires", str(SessionExpires(math.ceil(interval), refresher)))]
        least = max(self._floor, self._wish.min_se or 0.0)
        if least:
            fields.append(("Min-SE", str(math.ceil(least))))
        return fields

    def enlarge(self, response: Response) -> bool:
        """Takes the Min-SE of a 422. False: it asks for nothing that we have not offered (7.3)."""
        try:
            least = response.min_se
        except RemoteProtocolError:
            least = None
        if least is None:
            return False
        current = self._interval if self.agreed is None else self.agreed
        if least <= max(current, self._floor):
            return False
        self._floor = float(least)
        if self.agreed is not None:
            self.agreed = self._floor
        return True

    def accepted(self, response: Response) -> None:
        """A 2xx to a request of ours (section 7.2)."""
        self.peer_supports = self.peer_supports or "timer" in response.supported
        try:
            granted = response.session_expires
        except RemoteProtocolError:
            # Unreadable in a 2xx, which nobody can refuse: as if it were not there.
            granted = None
        if granted is not None and granted.interval > 0:
            self.agreed = float(granted.interval)
            # Table 2: a UAS names the refresher; one that does not refreshes nothing itself.
            self.we_refresh = granted.refresher != "uas"
        elif self._wish.interval and self._wish.refresher is not Refresher.REMOTE:
            # 7.2: where no element on the way takes part, we may refresh all the same.
            self.agreed = max(self._wish.interval, self._floor)
            self.we_refresh = True
        else:
            self.agreed = None

    # Requests of the far end.

    def too_small(self, request: Request) -> Fields | None:
        """The Min-SE of the 422 that refuses its interval; None where it is fine (section 9)."""
        refusal = refuse_interval(request, self.min_se)
        return None if refusal is None else list(refusal.headers)

    def answer_fields(self, request: Request) -> Fields:
        """For our 2xx, and what is agreed by it (section 9, table 2)."""
        self.peer_supports = "timer" in request.supported
        asked = request.session_expires
        least = float(request.min_se or 0)
        self._floor = max(self._floor, least)
        interval = self._answered_interval(None if asked is None else float(asked.interval), least)
        if interval is None:
            self.agreed = None
            return []
        self.agreed = interval
        refresher = "" if asked is None else asked.refresher
        if not refresher:
            refresher = self._chosen_refresher()
        self.we_refresh = refresher == "uas"
        fields = [("Session-Expires", str(SessionExpires(math.ceil(interval), refresher)))]
        if self.peer_supports:
            fields.append(("Require", "timer"))
        return fields

    def _answered_interval(self, asked: float | None, least: float) -> float | None:
        wish = self._wish.interval
        if asked is None:
            if self.agreed is not None and self.we_refresh:
                return max(self.agreed, least)
            return max(wish, least) if wish else None
        if wish:
            # Section 9: it may become smaller, not below what the caller takes, nor larger.
            return max(min(asked, wish), least, min(asked, self.min_se))
        return asked

    def _chosen_refresher(self) -> str:
        if not self.peer_supports:
            return "uas"
        if self._wish.refresher is not None:
            return "uas" if self._wish.refresher is Refresher.LOCAL else "uac"
        if self.agreed is not None and self.we_refresh:
            return "uas"
        return "uac"
