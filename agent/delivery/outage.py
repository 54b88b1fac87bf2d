"""What is known of a destination that does not take what it is sent.

Rules: frozen values, instants monotonic nanoseconds. An outage begins with the first failure that
is the destination's and ends with a 2xx, by nothing else: a receiver that refuses everything has
answered, but has not recovered.
"""

from dataclasses import dataclass, replace

from agent.delivery.judge import Fault, Retry, Scope
from agent.delivery.schedule import FAILING_AFTER, LONGEST_BACK_OFF, NEW_EVENT_WITHIN, WAKE_WITHIN


@dataclass(frozen=True, slots=True)
class Outage:
    """A destination between its first failure and its next success.

    Attributes:
        since: the first failure.
        failures: in a row.
        why: the last one, for a person.
        fault: the last one's.
        gate: no attempt before this instant.
        announced: that it is failing has been said.
        notable: something else than a `delivery.*` event failed; those make no events of their own.
        favoured: when a new event last got an earlier attempt.
    """

    since: int
    failures: int
    why: str
    fault: Fault
    gate: int
    announced: bool = False
    notable: bool = False
    favoured: int | None = None

    def announce_at(self) -> int:
        """When it is to be said that the destination is failing: after a minute, of a person's fault at once."""
        return self.since + (0 if self.fault is Fault.CONFIGURATION else FAILING_AFTER)

    def for_new_event(self, now: int, dice: float) -> "Outage":
        """A new event need not wait for the whole back-off: within 15 s it has its attempt.

        Once in a longest back-off: a thousand agents, all with new events, must not make a
        thousand attempts every 15 s (N4). What the receiver or the specification named exactly stays.
        """
        used = self.favoured is not None and now - self.favoured < LONGEST_BACK_OFF
        sooner = self._sooner(now + int(NEW_EVENT_WITHIN * dice))
        return self if used or sooner is self else replace(sooner, favoured=now)

    def woken(self, now: int, dice: float) -> "Outage":
        """The way to another receiver is back after a loss that this one shared."""
        return self._sooner(now + int(WAKE_WITHIN * dice)) if self.fault is Fault.LINK else self

    def _sooner(self, gate: int) -> "Outage":
        kept = self.fault in {Fault.THROTTLED, Fault.CONFIGURATION} or gate >= self.gate
        return self if kept else replace(self, gate=gate)


def after_retry(outage: Outage | None, retry: Retry, now: int, *, notable: bool) -> Outage | None:
    """The outage after an attempt that has to be repeated; None: the destination is not to blame.

    What was in flight together ends one after the other, so no answer opens a gate that another
    has just closed. A probe finds the gate behind it: when its event alone is refused, the next
    probe may go at once, but only a 2xx says that the destination has recovered.
    """
    if retry.scope is Scope.EVENT:
        return outage
    gate = now + retry.after
    if outage is None:
        return Outage(now, 1, retry.why, retry.fault, gate, notable=notable)
    known = replace(outage, failures=outage.failures + 1, why=retry.why, notable=outage.notable or notable)
    return known if outage.gate > gate else replace(known, fault=retry.fault, gate=gate)


def after_success(outage: Outage | None, now: int) -> Outage | None:
    """The outage after a 2xx: over, unless the receiver has meanwhile named a time to come back."""
    return outage if outage and outage.fault is Fault.THROTTLED and outage.gate > now else None
