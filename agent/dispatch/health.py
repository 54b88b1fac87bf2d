"""How a destination is: its outage, what it refused, whether it wants anything at all, and who is told.

Rules: this knows nothing of deliveries and their order; that is the loop's. Instants are monotonic
nanoseconds.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.clock import Clock
from agent.delivery.body import Identity
from agent.delivery.judge import REFUSALS_IN_A_ROW, Fault, Retry
from agent.delivery.outage import Outage, after_retry, after_success
from agent.delivery.schedule import FAILING_AFTER
from agent.dispatch.notices import UNKNOWN, notice
from agent.dispatch.status import DestinationState
from agent.model import Event, EventType
from agent.store.records import DestinationFacts

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """What all destinations of an agent share.

    Attributes:
        identity: whose events these are.
        clock: both clocks.
        dice: uniform in [0, 1).
        mint: a new event id for an instant.
        announce: takes the `delivery.*` events.
        keep: takes what of a destination's health must survive a restart.
        way_is_back: told by a destination whose connection came back after a loss.
        boot: id of this boot, which the instants of stored events belong to.
    """

    identity: Identity
    clock: Clock
    dice: Callable[[], float]
    mint: Callable[[int], str]
    announce: Callable[[Event], None]
    keep: Callable[[str, DestinationFacts], None]
    way_is_back: Callable[[str], None]
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """It answers, and takes nothing: too few events for it to be its fault, too long to be kept quiet.

    Attributes:
        since: the first refusal since it last took something.
        why: the last one, for a person.
        announced: that it is failing has been said.
    """

    since: int
    why: str
    announced: bool = False


class Health:
    """See the module.

    Attributes:
        outage: since the first failure that is the destination's; None: it is well.
        disabled: why it wants nothing more; None: it does.
        paused: why a person has paused it; None: nobody has.
        delivered: events it took since the agent started.
        refused: events it refused since it last took one.
        refusal: since when it has refused all that it was sent; None: it has not.
    """

    def __init__(self, name: str, house: House, facts: DestinationFacts) -> None:
        self.delivered = 0
        self.refused: set[int] = set()
        self.refusal: Refusal | None = None
        self.disabled = facts.disabled
        self.paused = facts.paused
        self._name = name
        self._house = house
        self._clock = house.clock
        self.outage = self._known(facts)

    def _known(self, facts: DestinationFacts) -> Outage | None:
        """A destination that was failing when the agent stopped is failing until it takes something."""
        if facts.failing_since_wall is None:
            return None
        now = self._clock.monotonic()
        since = now - max(0, self._clock.wall() - facts.failing_since_wall)
        why = "it was failing when the agent stopped"
        return Outage(since, 1, why, Fault.RECEIVER, now, announced=True, notable=True)

    @property
    def state(self) -> tuple[DestinationState, str]:
        """How it is, and why it is not well."""
        if self.disabled is not None:
            return DestinationState.DISABLED, self.disabled
        if self.paused is not None:
            return DestinationState.PAUSED, self.paused
        trouble = self.outage or self.refusal
        if trouble is None:
            return DestinationState.HEALTHY, ""
        if trouble.announced:
            return DestinationState.FAILING, trouble.why
        return DestinationState.HEALTHY if self.outage is None else DestinationState.WAITING, trouble.why

    def admits(self, in_flight: int) -> bool:
        """Whether one more attempt may begin: one probe at a time, behind the gate, while it is not well."""
        if self.disabled is not None or self.paused is not None:
            return False
        if self.outage is not None:
            return in_flight == 0 and self._clock.monotonic() >= self.outage.gate
        return True

    # --- what happens to it ----------------------------------------------------------------------------

    def succeeded(self, events: int = 1) -> None:
        """It took so many events."""
        self.delivered += events
        self.refused.clear()
        before, refusal = self.outage, self.refusal
        self.outage, self.refusal = after_success(before, self._clock.monotonic()), None
        if self.outage is not None:
            return
        if before is not None and before.fault is Fault.LINK:
            self._house.way_is_back(self._name)
        if (before is not None and before.announced) or (refusal is not None and refusal.announced):
            _log.info("destination %s takes events again", self._name)
            self._keep()
            self.tell(EventType.DELIVERY_RECOVERED, "")
        elif before is not None and before.notable:
            _log.info("destination %s takes events again", self._name)

    def failed(self, seq: int, retry: Retry, *, notable: bool) -> None:
        """An attempt has to be repeated."""
        # The one that makes it the destination's fault is counted too; more need not be.
        last = retry.fault is Fault.CONFIGURATION and len(self.refused) == REFUSALS_IN_A_ROW - 1
        if retry.fault is Fault.EVENT or last:
            self.refused.add(seq)
        now = self._clock.monotonic()
        if retry.fault is Fault.EVENT and notable:
            self.refusal = replace(self.refusal or Refusal(now, ""), why=retry.why)
        before, self.outage = self.outage, after_retry(self.outage, retry, now, notable=notable)
        due = self.announce_at()
        if before is None and due is not None and due > now:  # else it is failing at once, and that is told
            _log.info("destination %s is waiting: %s", self._name, retry.why)

    def disable(self, why: str) -> None:
        """It wants nothing more; of what was under way together each says so."""
        if self.disabled is not None:
            return
        self.disabled = why
        self._keep()
        remedy = f"`edge-relay enable destination:{self._name}` takes it up again"
        _log.warning("destination %s is disabled: %s; %s", self._name, why, remedy)
        self.tell(EventType.DELIVERY_DISABLED, why)

    def enable(self) -> None:
        """A person takes it up again, and wants to see at once what comes of it."""
        self.disabled = None
        if self.outage is not None:
            self.outage = replace(self.outage, gate=self._clock.monotonic())
        self._keep()

    def pause(self, why: str) -> None:
        """A person wants nothing sent there for now."""
        self.paused = why
        self._keep()
        _log.info("destination %s is paused: %s", self._name, why)

    def resume(self) -> None:
        """What waits is sent again, and at once."""
        self.paused = None
        if self.outage is not None:
            self.outage = replace(self.outage, gate=self._clock.monotonic())
        self._keep()
        _log.info("destination %s is resumed", self._name)

    def new_event(self) -> bool:
        """An event was just made: it need not wait for the whole back-off. Whether it has its attempt sooner."""
        before = self.outage
        if before is not None:
            self.outage = before.for_new_event(self._clock.monotonic(), self._house.dice())
        return self.outage is not before

    def way_is_back(self) -> None:
        """Another destination has its connection back after a loss: maybe this one shared it."""
        if self.outage is not None:
            self.outage = self.outage.woken(self._clock.monotonic(), self._house.dice())

    def announce_at(self) -> int | None:
        """When it is to be said that it is failing; None: never, or it has been."""
        if self.disabled is not None or self.paused is not None:
            return None
        if self.outage is not None:
            waits = self.outage.notable and not self.outage.announced
            return self.outage.announce_at() if waits else None
        waits = self.refusal is not None and not self.refusal.announced
        return self.refusal.since + FAILING_AFTER if self.refusal is not None and waits else None

    def announce(self) -> None:
        """Say once that it is failing: after a minute, or at once when a person has to mend something."""
        due = self.announce_at()
        if due is None or self._clock.monotonic() < due:
            return
        if self.outage is not None:
            self.outage = replace(self.outage, announced=True)
        elif self.refusal is not None:
            self.refusal = replace(self.refusal, announced=True)
        _, why = self.state
        _log.warning("destination %s is failing: %s", self._name, why)
        self._keep()
        self.tell(EventType.DELIVERY_FAILING, why)

    # --- who is told -----------------------------------------------------------------------------------

    def tell(
        self, kind: EventType, reason: str, *, seq: int | None = None, previous: int | None = UNKNOWN
    ) -> None:
        """Make a `delivery.*` event; see `notice`."""
        now, mint = self._clock.monotonic(), self._house.mint
        self._house.announce(notice(kind, self._name, reason, now, mint, seq=seq, previous=previous))

    def _keep(self) -> None:
        wall, trouble = None, self.outage or self.refusal
        if trouble is not None and trouble.announced:
            wall = self._clock.wall() - (self._clock.monotonic() - trouble.since)
        self._house.keep(self._name, DestinationFacts(self.disabled, wall, self.paused))
