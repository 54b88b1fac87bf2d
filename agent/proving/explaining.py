"""The words of `why`: times as the plant's clock shows them, values with their unit, and what was missing.

Rules for whoever changes it: exact numbers, the words of the configuration for its keys, one fact a sentence.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from agent.config.times import zone_of
from agent.model import MILLISECOND, SECOND, TagSpec, Value
from agent.proving.replay import Look
from agent.proving.stretches import Doing, Episode, Stretch
from agent.rules.phrases import duration, subject_of, words_of, written
from agent.rules.spec import Absence, AlarmSpec, Condition, Limit, RuleSpec, State, Still


class Teller:
    """Tells of one rule; times are shown in `zone`, without their date on the day of `end`."""

    def __init__(self, spec: RuleSpec, tag: TagSpec | None, zone: str, end: int) -> None:
        self._subject = subject_of(spec, tag)
        self._quiet = spec.chattering.quiet if isinstance(spec, AlarmSpec) and spec.chattering else None
        self._zone = zone_of(zone)
        self._day = self._local(end).date()

    # --- times and values -------------------------------------------------------------------------

    def time(self, wall: int) -> str:
        """A clock time, to the millisecond where there are any."""
        local = self._local(wall)
        day = "" if local.date() == self._day else f"{local:%Y-%m-%d} "
        rest = wall // MILLISECOND % 1000
        return f"{day}{local:%H:%M:%S}{f'.{rest:03}' if rest else ''}"

    def span(self, begin: int, end: int) -> str:
        """`from 14:00:03 to 14:05:00`."""
        return f"from {self.time(begin)} to {self.time(end)}"

    def value(self, value: Value | None) -> str:
        """As it is compared, with its unit."""
        if value is None:
            return "unknown"
        if isinstance(value, bool | str):
            return written(value)
        return self._subject.number(round(value, 6))

    def _local(self, wall: int) -> datetime:
        return datetime.fromtimestamp(wall // SECOND, UTC).astimezone(self._zone)

    # --- what happened ----------------------------------------------------------------------------

    def stretch(self, stretch: Stretch) -> str:
        """When the rule was not watched, not announced, or blind."""
        why = f": {stretch.why}" if stretch.why else ""
        match stretch.doing:
            case Doing.DISABLED:
                what = "it was not watched"
            case Doing.SETTLING:
                what = "it was settling, and not watched yet"
            case Doing.UNDECIDED:
                what = "it was not decided"
            case Doing.SUPPRESSED:
                what = "it was watched, but nothing was announced"
            case Doing.CHATTERING:
                quiet = "" if self._quiet is None else f" of {duration(self._quiet)}"
                what = f"it chattered: it came and went, and returns only after a quiet{quiet}"
            case Doing.BLIND:
                what = f"{self._subject.noun} could not be seen"
            case _:
                assert_never(stretch.doing)
        return f"{self.span(stretch.begin, stretch.end)}: {what}{why}"

    def episode(self, condition: Condition, episode: Episode, suppressed: Sequence[str]) -> str:
        """A condition came: whether it was raised, or what was missing."""
        came = f"{self.time(episode.begin)}: {self._came(condition, episode)}"
        level, wait = condition.say.name, condition.say.wait
        if isinstance(condition, Absence):
            wait = condition.within
        if episode.raised_at is None:
            return f"{came}; {self._missing(condition, episode, wait)}"
        lasted = f" and lasted for {duration(wait)}" if wait and not isinstance(condition, Absence) else ""
        told = f": suppressed ({', '.join(suppressed)}), so nothing was told" if suppressed else ""
        end = ""
        if episode.end is not None:
            end = f"; it was over at {self.time(episode.end)}"
            if episode.disabled:
                end += ", because the rule was not watched any more"
        return f"{came}{lasted}: {level} at {self.time(episode.raised_at)}{told}{end}"

    def _came(self, condition: Condition, episode: Episode) -> str:
        already = " already, when it was first looked at" if episode.initial else ""
        if isinstance(condition, Still) and episode.raised_at is None:
            return f"{self._subject.noun} stood still"
        if not isinstance(condition, Limit):
            return f"{words_of(condition, self._subject).comes}{already}"
        numbers = [value for value in episode.values if isinstance(value, int | float)]
        furthest = max(numbers, key=lambda number: condition.side * number, default=None)
        limit = condition.at if isinstance(condition.at, str) else self._subject.number(condition.at)
        reached = "" if furthest is None else f", reached {self.value(furthest)}"
        crossed = "was beyond" if episode.initial else "went beyond"
        return f"{self._subject.noun} {crossed} its {condition.say.name} limit {limit}{already}{reached}"

    def _missing(self, condition: Condition, episode: Episode, wait: int) -> str:
        key = "on_delay"
        if isinstance(condition, Still | Absence):
            key = "within"
        elif condition.say.count is not None:
            key = "count"
        observed = max(0, min(wait, wait - (episode.due - episode.seen_until)))
        left = wait - observed
        so_far = "so far it has lasted" if episode.end is None else "it lasted for"
        missing = "are missing yet" if episode.end is None else "were missing"
        text = f"{so_far} {_rounded(observed)}; {key} is {duration(wait)}, {_rounded(left)} {missing}"
        if condition.say.count is not None:
            text = f"{so_far} {_rounded(observed)} and had not come {condition.say.count.times} times within {duration(wait)}"
        if episode.disabled:
            text += ", when the rule was not watched any more"
        return text

    def margin(self, condition: Condition, nearest: Look | None) -> str:
        """The condition did not come: how far it was from that."""
        level = condition.say.name
        if isinstance(condition, Absence):
            return f"{level}: nothing was missing for {duration(condition.within)}"
        if nearest is None:
            return f"{level}: there was nothing to compare"
        if isinstance(condition, Limit) and isinstance(nearest.value, int | float):
            where = f"{self._subject.noun} came no nearer than {self.value(nearest.value)} at {self.time(nearest.at)}"
            if isinstance(condition.at, str):
                return f"{level}: {where} (the limit is {condition.at})"
            left = condition.side * (condition.at - nearest.value)
            return f"{level}: {where}; the limit is {self._subject.number(condition.at)}, {self.value(left)} away"
        seen = f"{self._subject.noun} was {self.value(nearest.value)}"
        if isinstance(condition, State):
            return f"{level}: {seen}; it comes when {words_of(condition, self._subject).comes}"
        return f"{level}: {seen}"


def _rounded(nanoseconds: int) -> str:
    """To the millisecond: what a person compares with a delay."""
    return duration(round(nanoseconds / MILLISECOND) * MILLISECOND)
