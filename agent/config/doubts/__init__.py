"""What a configuration may say, but hardly means: warnings over rules that have no error.

    values: what can never be shown, and noise     times: waits beside the pace of reading
    people: what nobody can act on                 here: the table, and one doubt a place

Rules for whoever adds one: it is a function of one rule (or of all of them) and one line in the
table; its text says what will never happen because of it, and the remedy; nothing that a careful
engineer writes on purpose is doubted; what is not known of a tag is not judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from agent.config.doubts import people, times, values
from agent.config.doubts.finding import Doubt, Judge, path_of
from agent.config.yaml_text import Keys
from agent.model import TagSpec
from agent.rules.spec import RuleSpec

__all__ = ["doubts"]

_JUDGES: Final[tuple[Judge, ...]] = (
    values.never_shown,
    values.last_digit,
    values.hovering,
    values.no_deviation,
    values.step_as_slope,
    values.every_reading,
    times.delay_within_a_reading,
    times.count_beyond_the_pace,
    times.stale_between_readings,
    times.expected_too_soon,
    times.nothing_to_measure,
    times.noticed_too_late,
    people.nobody_knows_what_to_do,
)


def doubts(
    rules: Sequence[RuleSpec], tags: Mapping[str, TagSpec], now_wall: int | None = None
) -> Iterator[tuple[Keys, str]]:
    """Give the path and the text of each warning.

    Args:
        rules: every rule, those that nobody wrote as well; they are not doubted.
        tags: every tag.
        now_wall: nanoseconds UTC, for what was meant to end; None: that is not judged.
    """
    seen: set[tuple[Keys, int]] = set()
    for which, (path, text) in _found(rules, tags, now_wall):
        if (path, which) not in seen:  # of fifty pumps made by one rule, the first speaks for all
            seen.add((path, which))
            yield path, text


def _found(
    rules: Sequence[RuleSpec], tags: Mapping[str, TagSpec], now_wall: int | None
) -> Iterator[tuple[int, Doubt]]:
    for rule in rules:
        for which, judge in enumerate(_JUDGES):
            yield from ((which, (path_of(rule, *keys), text)) for keys, text in judge(rule, tags))
        if now_wall is not None:
            found = people.trial_is_over(rule, now_wall)
            yield from ((-1, (path_of(rule, *keys), text)) for keys, text in found)
    whole = (*times.stale_tags(tags), *people.told_twice(rules), *people.all_are_loud(rules))
    yield from ((-2, doubt) for doubt in whole)
