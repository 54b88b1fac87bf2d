"""A rule as one plain sentence: what a shift lead reads and signs off (design: rules, "The loader is strict").

Everything that decides about events is in it, in the order in which the rule is thought: when it
comes, when it goes, when it is not looked at, who is told. The deadband is read back as the machine
has it: it keeps a delay running, and moves no trip point.

Rules for whoever changes it: two rules that behave differently never read the same (a test changes
every field of a spec); numbers and durations are exact; nothing is said that is merely usual.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Final, assert_never

from agent.model import SECOND, Priority, TagSpec
from agent.rules.hours import Hours
from agent.rules.phrases import Subject, duration, share_of_range, subject_of, words_of, written
from agent.rules.spec import (
    Absence,
    AlarmSpec,
    ChangeSpec,
    Chattering,
    Condition,
    Gate,
    Limit,
    OnBad,
    RuleSpec,
    Still,
    Wording,
)

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def sentence(spec: RuleSpec, tag: TagSpec | None = None, zone: tzinfo = UTC) -> str:
    """Say what a rule does.

    Args:
        spec: the rule.
        tag: its subject; None of a calculation or of a source.
        zone: in which its dates are told.
    """
    subject = subject_of(spec, tag)
    match spec:
        case AlarmSpec():
            clauses = [clause for condition in spec.conditions for clause in _alarm(condition, subject)]
            clauses += _life(spec)
        case ChangeSpec():
            clauses = [_report(spec, subject)]
        case _:
            assert_never(spec)
    if spec.stale_after is not None:
        clauses.append(f"a value counts for {duration(spec.stale_after)} after it was received")
    clauses += [*_gate(spec.gate, zone), *_wording(spec.wording)]
    if spec.was:
        clauses.append(f"it goes on from what was {' or '.join(spec.was)}")
    return f"{spec.name}: {'; '.join(clauses)}."


def _alarm(condition: Condition, subject: Subject) -> Iterator[str]:
    say, words = condition.say, words_of(condition, subject)
    journal = say.priority is Priority.JOURNAL
    level = f" {say.name.replace('_', ' ').upper()}" if isinstance(condition, Limit) else ""
    when = words.comes
    if say.count is not None:
        times, within = say.count.times, duration(say.count.within)
        when = f"{when} {times} times within {within}, or {words.lasts} for {within}"
    elif say.on_delay and not isinstance(condition, Still | Absence):  # these have it within
        when = f"{when} and {words.lasts} for {duration(say.on_delay)}"
    yield f"{'event' if journal else 'alarm'}{level} ({say.priority.word}) when {when}"
    end = f"when it {words.ends}"
    if say.off_delay and not isinstance(condition, Still):  # a move ends it at once
        end = f"{duration(say.off_delay)} after it {words.ends}, unless it {words.again} before that"
    yield f"no return is sent, and it can come again {end}" if journal else f"returns {end}"


def _report(spec: ChangeSpec, subject: Subject) -> str:
    moved = f"{subject.noun} changes"
    if spec.deadband:
        share = share_of_range(spec.deadband, subject).replace(", ", ", which is ")
        moved = (
            f"{subject.noun} is more than {subject.number(spec.deadband)} from what was last reported{share}"
        )
    often = f", at most every {duration(spec.at_most_every)}" if spec.at_most_every else ""
    seldom = ""
    if spec.at_least_every is not None:
        seldom = f", and every {duration(spec.at_least_every)} without a report while it can be read"
    return f"report ({spec.priority.word}) when {moved}{often}{seldom}"


def _life(spec: AlarmSpec) -> Iterator[str]:
    """What else becomes of an alarm."""
    if spec.on_bad is OnBad.CLEAR:
        yield "a value that cannot be read ends it"
    if spec.latch:
        yield "stays open after its return until a person resets it"
    if spec.acknowledge:
        yield "stays open after its return until a person has acknowledged it"
    if spec.remind_every is not None:
        yield f"reminds every {duration(spec.remind_every)} while it is active"
    if spec.chattering is not None:
        yield chatter(spec.chattering)


def chatter(noise: Chattering) -> str:
    """What becomes of an alarm that comes and goes."""
    often = f"{noise.raises} times within {duration(noise.within)}"
    return f"if it comes {often}, it chatters and returns only after {duration(noise.quiet)} of quiet"


# --- when it is not looked at, and who is told ----------------------------------------------------------


def _gate(gate: Gate, zone: tzinfo) -> Iterator[str]:
    settling = f"for {duration(gate.settle)} after that begins" if gate.settle else ""
    if gate.when is not None:
        yield f"ignored unless {gate.when.text}{', and ' * bool(settling)}{settling}"
    elif settling:
        yield f"ignored for the first {duration(gate.settle)}"
    if gate.hours is not None:
        yield f"ignored outside of {_hours(gate.hours)}"
    if gate.suppress_while is not None:
        yield f"watched but not announced while {gate.suppress_while.text}"
    for work in gate.maintenance:
        yield (
            f"watched but not announced from {_stamp(work.span.begin, zone)} to {_stamp(work.span.end, zone)} ({work.reason})"
        )
    if gate.trial_until is not None:
        yield f"on trial: nothing is sent before {_stamp(gate.trial_until, zone)}"


def _hours(hours: Hours) -> str:
    begin, end = (f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (hours.begin, hours.end))
    next_day = " of the next day" if hours.end <= hours.begin else ""
    return f"{_days(hours.days)} {begin} to {end}{next_day} ({hours.zone})"


def _days(days: frozenset[int]) -> str:
    """Runs of days as people write them: `mon-fri`, `mon-wed, sat`."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    shown = (f"{_DAYS[run[0]]}-{_DAYS[run[-1]]}" if len(run) > 1 else _DAYS[run[0]] for run in runs)
    return ", ".join(shown)


def _stamp(wall: int, zone: tzinfo) -> str:
    moment = datetime.fromtimestamp(wall // SECOND, zone)
    return f"{moment:%Y-%m-%d %H:%M{':%S' * bool(moment.second)} %Z}"


def _wording(wording: Wording) -> Iterator[str]:
    if wording.codes:
        yield ", ".join(f"{written(code)} means {text}" for code, text in wording.codes.items())
    if wording.fields:
        yield "with " + ", ".join(f"{name} from {tag}" for name, tag in wording.fields.items())
    if wording.send_to:
        yield f"sent to {', '.join(wording.send_to)} only"
