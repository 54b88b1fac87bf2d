"""What an answer means: the one table that decides what becomes of an event and of its destination.

Rules for whoever changes this file: everything that ends, delays or charges a delivery is decided
here and nowhere else; each row of the table in the specification (delivery, "What an answer means")
is one branch of `judge`, in the order in which they win. Expected failure is a value, never an
exception. An attempt is *charged* when it counts against the event's own schedule, and only then
can an event die: weather never kills one.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

from agent.delivery.http_time import retry_after
from agent.delivery.schedule import CONFIGURATION_WAIT, LONE_CHARGE, OWN_SCHEDULE, back_off, own_wait
from agent.model import Answer, Blocked, NoAnswer

REFUSALS_IN_A_ROW: Final = 5
"""So many different events refused with no 2xx between are the destination's fault, not theirs."""

_CONFIGURATION: Final = {
    401: "the receiver does not accept our credentials (401): check `signing`, `auth` and the clock",
    403: "the receiver forbids this (403): check `signing`, `auth` and the address",
    404: "nothing is there (404): check `url`",
    407: "the proxy wants credentials (407): check `proxy`, its user and password",
}
# A gateway speaks for a receiver that it cannot reach: its word proves nothing against the event.
_GATEWAY: Final = frozenset({502, 503, 504})
_HTML: Final = ("<!doctype", "<html")


class Scope(StrEnum):
    """Who has to wait: this event, or all of its destination."""

    EVENT = "event"
    DESTINATION = "destination"


class Fault(StrEnum):
    """What an unfinished delivery failed of."""

    LINK = "link"  # no answer came, or none of the receiver's
    RECEIVER = "receiver"  # it answered that it cannot now
    THROTTLED = "throttled"  # it named the time to come back
    CONFIGURATION = "configuration"  # a person has to mend it
    EVENT = "event"  # it does not take this one


@dataclass(frozen=True, slots=True)
class Crash:
    """Our own code failed on this event before or during the attempt: a bug, and no word of the receiver."""

    why: str
    latency: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Not delivered yet.

    Attributes:
        why: for a person.
        after: nanoseconds that the one in `scope` waits. A charged event also waits by its own schedule.
        charged: the attempt counts against the event's own schedule.
        fault: what it failed of.
    """

    why: str
    after: int
    fault: Fault
    charged: bool = False

    @property
    def scope(self) -> Scope:
        """Who waits `after`."""
        return Scope.EVENT if self.fault is Fault.EVENT else Scope.DESTINATION


@dataclass(frozen=True, slots=True)
class Dead:
    """To the dead letters, until a person sends it again."""

    why: str


@dataclass(frozen=True, slots=True)
class Disable:
    """The receiver wants nothing more: the event is kept, the destination rests until a person enables it."""

    why: str


Verdict: TypeAlias = Delivered | Retry | Dead | Disable


@dataclass(frozen=True, slots=True)
class History:
    """What was known when the answer came.

    Attributes:
        dice: uniform in [0, 1), drawn for this verdict.
        wall: our clock, nanoseconds UTC.
        charged: attempts of this event that counted before this one.
        passed: another event was delivered since this one's previous attempt; False at its first.
        lone: nanoseconds since this event was first tried, or last charged, while no other subject
            waits that could show whose fault it is; 0 otherwise.
        failures: failures of the destination in a row before this one; 0: it was healthy.
        outage: nanoseconds since the first of them.
        refused: other events refused since the last 2xx.
        schedule: the event's own waits, nanoseconds.
        plain_http: the way is not encrypted, so a captive portal can answer in the receiver's place.
        in_line: all that goes there is one line, so none can pass this one, and a refusal counts as it stands.
    """

    dice: float
    wall: int
    charged: int = 0
    passed: bool = False
    lone: int = 0
    failures: int = 0
    outage: int = 0
    refused: int = 0
    schedule: tuple[int, ...] = OWN_SCHEDULE
    plain_http: bool = False
    in_line: bool = False


def judge(outcome: Answer | NoAnswer | Crash, history: History) -> Verdict:
    """Say what the outcome of an attempt means (the table; the first row that fits wins)."""
    match outcome:
        case NoAnswer():
            return _unanswered(outcome, history)
        case Crash(why=why):
            return _refused(why, history)
        case Answer(status=status, headers=headers):
            wish = headers.get("webhook-delivery", "").strip().lower()
            if status == 410 or wish == "disable":  # noqa: PLR2004 - the table speaks in statuses
                return Disable(f"the receiver wants nothing more ({_said(outcome)})")
            if 200 <= status < 300:  # noqa: PLR2004 - the table speaks in statuses
                return _accepted(outcome, history)
            if wish == "abort-message":
                return Dead(f"the receiver asked not to be sent this again ({_said(outcome)})")
            return _failed(outcome, history)


def _unanswered(outcome: NoAnswer, history: History) -> Verdict:
    """Nobody answered.

    What failed beside the receiver, or before anything of the event had left, says nothing of the event,
    whichever others passed: a link that flaps for a month must kill none.
    """
    if outcome.blocked is Blocked.CONFIGURATION:
        return Retry(outcome.why, CONFIGURATION_WAIT, Fault.CONFIGURATION)
    if outcome.blocked is Blocked.WEATHER or outcome.unsent:
        history = replace(history, passed=False)
    return _weather(outcome.why, history, Fault.LINK, proves=False)


def _accepted(answer: Answer, history: History) -> Verdict:
    if history.plain_http and answer.excerpt.lstrip("\ufeff \t\r\n").lower().startswith(_HTML):
        why = f"a web page answered {answer.status} in the receiver's place: a captive portal on the way?"
        return _weather(why, history, Fault.LINK, proves=False)
    return Delivered()


def _failed(answer: Answer, history: History) -> Verdict:
    """Any answer but 2xx, 410 and the receiver's own wishes."""
    match answer.status:
        case 429 | 503 if (asked := retry_after(answer.headers, history.wall)) is not None:
            return Retry(f"{_said(answer)} and named the time to come back", asked, Fault.THROTTLED)
        case 429:
            wait = back_off(history.failures + 1, history.outage, history.dice)
            return Retry(_said(answer), wait, Fault.RECEIVER)
        case 401 | 403 | 404 | 407 as status:
            return Retry(answer.said or _CONFIGURATION[status], CONFIGURATION_WAIT, Fault.CONFIGURATION)
        case status if 300 <= status < 400:  # noqa: PLR2004 - the table speaks in statuses
            why = f"{_said(answer)}, a redirect, which is never followed: write the address it leads to as `url`"
            return Retry(why, CONFIGURATION_WAIT, Fault.CONFIGURATION)
        case status if status == 408 or status >= 500:  # noqa: PLR2004 - the table speaks in statuses
            return _weather(_said(answer), history, Fault.RECEIVER, proves=status not in _GATEWAY)
        case _:
            look_at = "the destination's section" if answer.said else "`signing` and `url`"
            return _refused(_said(answer), history, look_at)


def _weather(why: str, history: History, fault: Fault, *, proves: bool) -> Verdict:
    """The destination is down; or this event is poison, which shows itself by others passing.

    `proves`: the receiver itself spoke, so that even a lone event is charged, once an hour; a dead
    link proves nothing, and thirty days of it must lose nothing (N5).
    """
    charged = history.passed or (proves and history.lone >= LONE_CHARGE)
    if charged and history.charged >= len(history.schedule):
        return _exhausted(why, history)
    wait = back_off(history.failures + 1, history.outage, history.dice)
    return Retry(why, wait, fault, charged)


def _refused(why: str, history: History, look_at: str = "`signing` and `url`") -> Verdict:
    """The receiver does not take this event; or, when it takes none at all, something is configured wrong."""
    if history.refused + 1 >= REFUSALS_IN_A_ROW:
        why = f"{why}; so it was with the {history.refused} events before: check {look_at}"
        return Retry(why, CONFIGURATION_WAIT, Fault.CONFIGURATION)
    charged = history.passed or history.in_line or history.lone >= LONE_CHARGE
    if charged and history.charged >= len(history.schedule):
        return _exhausted(why, history)
    return Retry(why, own_wait(history.schedule, history.charged), Fault.EVENT, charged)


def _exhausted(why: str, history: History) -> Dead:
    return Dead(f"given up after {history.charged + 1} attempts of its own; the last: {why}")


def _said(answer: Answer) -> str:
    return answer.said or f"the receiver answered {answer.status}"
