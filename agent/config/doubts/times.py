"""Doubts about time: waits that are over before the next reading, or too long for whoever must respond."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from agent.config.doubts.finding import Doubt, tag_of
from agent.config.fields import format_duration
from agent.model import TagSpec
from agent.rules.detection import detection, read_every
from agent.rules.spec import Absence, AlarmSpec, Awaited, Limit, Rate, RuleSpec, Still, Window


def delay_within_a_reading(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """A delay that filters nothing: a value holds until the next reading, by then the delay is over."""
    every = read_every(rule, tags)
    if (
        every is None
        or not isinstance(rule, AlarmSpec)
        or any(isinstance(of, Window) for of in rule.measures)
    ):
        return
    for condition in rule.conditions:
        say = condition.say
        if isinstance(condition, Absence | Still):
            continue
        own = (say.name,) if isinstance(condition, Limit) else ()
        if 0 < say.on_delay <= every and say.count is None:
            yield (*own, "on_delay"), _filters_nothing("on_delay", say.on_delay, "raises", every)
        if 0 < say.off_delay <= every:
            yield (*own, "off_delay"), _filters_nothing("off_delay", say.off_delay, "returns", every)


def _filters_nothing(key: str, delay: int, does: str, every: int) -> str:
    return (
        f"a single reading {does} it, as without a delay: {key} {format_duration(delay)} is over when the next "
        f"one comes (every {format_duration(every)}); write more than that"
    )


def count_beyond_the_pace(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """It can come at every second reading at most, because it has to go in between."""
    every = read_every(rule, tags)
    if every is None or not isinstance(rule, AlarmSpec):
        return
    for condition in rule.conditions:
        count = condition.say.count
        if count is None or isinstance(condition, Absence | Still):
            continue
        least = 2 * (count.times - 1) * every
        if least >= count.within:
            yield (
                ("count",),
                (
                    f"it never comes {count.times} times in {format_duration(count.within)}: read every "
                    f"{format_duration(every)}, that takes more than {format_duration(least)}"
                ),
            )


def stale_between_readings(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """A rule's own freshness, shorter than two readings."""
    tag = tag_of(rule, tags)
    if tag is not None and (text := _stale(rule.stale_after, tag.every)):
        yield ("stale_after",), text


def stale_tags(tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """The same of tags; where all of a source have it, the source says it once."""
    of_source = sorted(tags.values(), key=lambda tag: tag.source)
    for source, group in groupby(of_source, key=lambda tag: tag.source):
        members = [*group]
        found = [(tag, text) for tag in members if (text := _stale(tag.stale_after, tag.every))]
        if len(found) == len(members) and len({text for _, text in found}) == 1:
            yield ("sources", source, "stale_after"), found[0][1]
        else:
            yield from ((("sources", source, "tags", tag.name, "stale_after"), text) for tag, text in found)


def _stale(stale_after: int | None, every: int | None) -> str:
    if stale_after is None or every is None or stale_after >= 2 * every:
        return ""
    unknown = "between two readings" if stale_after < every else "when one answer is late"
    return (
        f"a value counts as unknown {unknown}: read every {format_duration(every)}, "
        f"write {format_duration(2 * every)} or more"
    )


def expected_too_soon(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """An absence that one late answer makes."""
    tag = tag_of(rule, tags)
    if tag is None or tag.every is None or not isinstance(rule, AlarmSpec):
        return
    for condition in rule.conditions:
        match condition:
            case Absence(awaited=Awaited.SAMPLE, within=within):
                pass
            case Still():
                within = condition.say.on_delay
            case _:
                continue
        if within < 3 * tag.every:
            yield (
                ("expect", "within"),
                (
                    f"one late answer raises it: read every {format_duration(tag.every)}, "
                    f"write {format_duration(3 * tag.every)} or more"
                ),
            )


def nothing_to_measure(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """A slope or a window needs two readings at least."""
    every = read_every(rule, tags)
    if every is None:
        return
    for measure in rule.measures:
        match measure:
            case Rate(over=over) if over < 2 * every:
                key, lacks = "rate_of_change", "two readings make no slope in that time"
            case Window(over=over) if over < 2 * every:
                key, lacks = "window", "it holds a single reading"
            case _:
                continue
        yield (
            (key, "over"),
            f"{lacks}: read every {format_duration(every)}, write {format_duration(2 * every)} or more",
        )


def noticed_too_late(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """The time to respond is over before anybody is told."""
    allowed = rule.wording.time_to_respond
    found = detection(rule, tags)
    if allowed is not None and found.worst is not None and found.worst > allowed:
        yield (
            ("time_to_respond",),
            f"nobody can respond in time: it is noticed only after {found}; shorten that, or allow more",
        )
