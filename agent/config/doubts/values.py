"""Doubts about values: what a register can never show, and noise that makes alarms."""

from collections.abc import Iterator, Mapping

from agent.config.doubts.finding import Doubt, limits_of, shows_the_tag, tag_of
from agent.model import SECOND, Kind, Priority, TagSpec
from agent.rules.measure import unit_of
from agent.rules.spec import AlarmSpec, Bit, ChangeSpec, Counter, Deviation, Limit, Rate, RuleSpec, State

_DAY = 86_400 * SECOND
_NEARLY = 1 - 1e-9  # twice 0.1 is not 0.2 in every sum


def never_shown(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """A limit, a state or a bit that the tag can never have."""
    tag = tag_of(rule, tags)
    if tag is None or not isinstance(rule, AlarmSpec) or not shows_the_tag(rule):
        return
    for condition in rule.conditions:
        match condition:
            case Limit(at=int() | float() as at):
                if text := _beyond_reach(condition, at, tag) or _outside(condition, at, tag):
                    yield (condition.say.name,), text
            case State(values=values, negated=False):
                if text := _no_such_state(values, tag):
                    yield (condition.say.name,), text
            case Bit(number=number):
                if text := _no_such_bit(number, tag):
                    yield ("bits", number), text
            case _:
                pass


def _beyond_reach(limit: Limit, at: float, tag: TagSpec) -> str:
    if tag.reach is None:
        return ""
    # Seen from the side of the limit: `top` is the last value that could raise it, `bottom` the other end.
    bottom, top = tag.reach if limit.side > 0 else tag.reach[::-1]
    most, least = ("at most", "at least") if limit.side > 0 else ("at least", "at most")
    back = at - limit.side * limit.deadband
    if limit.side * (at - top) > 0:
        return f"it will never be raised: {tag.name} shows {top:.15g} {most}"
    if limit.side * (back - bottom) <= 0:
        beyond = "below" if limit.side > 0 else "above"
        return (
            f"it will never return: that takes {beyond} {back:g}, and {tag.name} shows {bottom:.15g} {least}"
        )
    natural = limit.side < 0 and top == 0  # nothing left is a limit that people mean
    if tag.step is not None and limit.side * (top - at) < tag.step * _NEARLY and not natural:
        return (
            f"only the very last value that {tag.name} can show, {top:.15g}, raises it: "
            "leave a step of the register between"
        )
    return ""


def _outside(limit: Limit, at: float, tag: TagSpec) -> str:
    if tag.range is None:
        return ""
    low, high = tag.range
    back = at - limit.side * limit.deadband
    span = f"outside of the range [{low:g}, {high:g}] of {tag.name}"
    if not low <= at <= high:
        return f"it may never be raised: {at:g} is {span}"
    if not low <= back <= high:
        return f"it may never return: that takes {back:g}, {span}"
    return ""


def _no_such_state(values: tuple[object, ...], tag: TagSpec) -> str:
    numbers = [value for value in values if isinstance(value, int | float)]
    never = [] if tag.reach is None else [of for of in numbers if not tag.reach[0] <= of <= tag.reach[1]]
    if not never or tag.reach is None:
        return ""
    return (
        f"{tag.name} never is {never[0]:.15g}: it shows {tag.reach[0]:.15g} to {tag.reach[1]:.15g}; "
        "look at its type"
    )


def _no_such_bit(number: int, tag: TagSpec) -> str:
    """Of a word that is never negative: the sign of others reaches up to any bit."""
    if tag.kind is not Kind.WHOLE or tag.reach is None or tag.reach[0] < 0:
        return ""
    bits = int(tag.reach[1]).bit_length()
    if number < bits:
        return ""
    return f"bit {number} is never set: {tag.name} has {bits} bits, of which 0 is the least significant"


def last_digit(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """A deadband under two steps of the register is passed by the flicker of its last digit."""
    tag = tag_of(rule, tags)
    if tag is None or tag.step is None or rule.measures:
        return
    for limit in limits_of(rule):
        if 0 < limit.deadband < 2 * tag.step * _NEARLY:
            yield (
                (limit.say.name, "deadband"),
                (
                    f"the flicker of the last digit passes a deadband of {limit.deadband:g}: a step of {tag.name} "
                    f"is {tag.step:g}; write {2 * tag.step:g} or more"
                ),
            )
    if isinstance(rule, ChangeSpec) and 0 < rule.deadband < tag.step * _NEARLY:
        yield (
            ("change", "deadband"),
            (
                f"it holds nothing back: a step of {tag.name} is {tag.step:g}, and a deadband of {rule.deadband:g} "
                f"is less; write {tag.step:g} or more"
            ),
        )


def _analogue(tag: TagSpec) -> bool:
    """It comes from a converter, whose last digit flickers: a scaled register, no count of pieces."""
    return tag.kind is Kind.NUMBER and tag.step is not None


def hovering(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """A bare limit over an analogue value is raised and returned with every reading while it hovers there."""
    tag = tag_of(rule, tags)
    if tag is None or not _analogue(tag) or rule.measures or not isinstance(rule, AlarmSpec):
        return
    if rule.latch or rule.chattering is not None:
        return
    for limit in limits_of(rule):
        say = limit.say
        calm = limit.deadband or say.on_delay or say.off_delay or say.count is not None
        if not calm and say.priority is not Priority.JOURNAL:
            yield (
                (say.name,),
                (
                    f"while {tag.name} hovers at it, it is raised and returned with every reading: "
                    "write a deadband, a delay or both"
                ),
            )


def no_deviation(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:  # noqa: ARG001 - as the other judges
    """A limit on a deviation that is met while there is none (OPC UA Part 9, 5.8.22)."""
    if not rule.measures or not isinstance(rule.measures[-1], Deviation):
        return
    for limit in limits_of(rule):
        if not isinstance(limit.at, str) and limit.side * limit.at <= 0:
            sign, side = ("positive", "high") if limit.side > 0 else ("negative", "low")
            yield (limit.say.name,), f"it is raised without any deviation: a {side} deviation is {sign}"


def step_as_slope(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """A slope that one step of the register is already."""
    tag = tag_of(rule, tags)
    if tag is None or tag.step is None or not _analogue(tag):
        return
    if not rule.measures or any(isinstance(of, Counter) for of in rule.measures):
        return
    match rule.measures[-1]:
        case Rate(per=per, over=over):
            least = tag.step * per / over
        case _:
            return
    for limit in limits_of(rule):
        if not isinstance(limit.at, str) and 0 < limit.side * limit.at <= least:
            yield (
                (limit.say.name,),
                (
                    f"the flicker of the last digit raises it: one step of {tag.name} is {least:g} "
                    f"{unit_of(rule.measures, tag.unit)} over such a time; write a longer over"
                ),
            )


def every_reading(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:
    """An analogue value is another one each time."""
    tag = tag_of(rule, tags)
    if tag is None or not _analogue(tag) or tag.every is None or rule.measures:
        return
    if isinstance(rule, ChangeSpec) and not rule.deadband and not rule.at_most_every:
        yield (
            ("change",),
            f"every reading is an event, up to {_DAY // tag.every} a day: write a deadband or at_most_every",
        )
