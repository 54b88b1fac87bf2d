"""What `edge-relay backtest` prints: tables that fit 100 columns, and the same as JSON."""

import json
from collections.abc import Iterator, Sequence

from agent.cli.tables import print_table, seconds
from agent.model import SECOND, Json, Priority
from agent.proving.figures import A_DAY, DAY
from agent.proving.results import Backtest, Difference, Figures, Side, Suggestion
from agent.proving.seen import Normal, Series
from agent.stamps import utc_text

_LONGEST_NAME = 30
_MOST_ROWS = 40
_MOST_ADVISED = 10
_NAMED = 8
_MUCH = 0.05  # of the time blind: worth a sentence


def print_result(outcome: Backtest) -> None:
    """Print it for a person."""
    span, plural = seconds(outcome.span / SECOND), "" if len(outcome.series) == 1 else "s"
    begin, end = utc_text(outcome.begin)[:19], utc_text(outcome.end)[:19]
    print(f"{outcome.samples:,} samples of {len(outcome.series)} tag{plural}, {begin}Z to {end}Z ({span})\n")
    _print_rules(outcome.side)
    print()
    _print_total(outcome)
    if outcome.against is not None:
        _print_differences(outcome)
    _print_suggestions(outcome.side)
    for note in notes(outcome):
        print(f"note: {note}")


def _print_rules(side: Side) -> None:
    head = (
        "rule",
        "alarms",
        "a day",
        "peak/10min",
        "flood",
        "chattering",
        "fleeting",
        ">24 h",
        "blind",
        "delay",
    )
    ordered = sorted(side.rules, key=lambda rule: -rule.figures.alarms)
    rows = [(_cut(rule.spec.name), *_cells(rule.figures)) for rule in ordered[:_MOST_ROWS]]
    print_table(head, [*rows, ("all", *_cells(side.total))], whole=True)
    if len(ordered) > _MOST_ROWS:
        print(f"and {len(ordered) - _MOST_ROWS} rules with fewer alarms: --json lists all")


def _cells(figures: Figures) -> tuple[str, ...]:
    delay = figures.detection_delay
    return (
        str(figures.alarms),
        _short(figures.per_day),
        str(figures.peak_10_minutes),
        _percent(figures.flood_share),
        str(figures.chattering),
        str(figures.fleeting),
        str(figures.standing),
        seconds(figures.blind / SECOND),
        "" if delay is None else seconds(delay / SECOND),
    )


def _print_total(outcome: Backtest) -> None:
    side, total = outcome.side, outcome.side.total
    days = max(outcome.span, 1) / DAY
    alarms = max(1, total.alarms)
    mix = " / ".join(
        f"{side.priorities[p] / alarms:.0%}" for p in (Priority.HIGH, Priority.MEDIUM, Priority.LOW)
    )
    rows = (
        ("alarms a day", _short(total.per_day), f"about {A_DAY}"),
        ("alarms in 10 minutes, on average", _short(total.per_10_minutes), "about 1"),
        ("most alarms in 10 minutes", total.peak_10_minutes, "10"),
        ("most alarms in an hour", total.peak_hour, "15"),
        (
            "time in flood (over 10 in 10 minutes, until under 5)",
            _percent(total.flood_share),
            "under 1 %",
        ),
        ("chattering (third or later within 60 s)", total.chattering, "0"),
        ("fleeting (returned within 60 s)", total.fleeting, "about 0"),
        ("standing for more than 24 h, a day", _short(total.standing / days), "under 5"),
        ("share of the ten rules with the most", _percent(side.top_ten_share), "5 % at most"),
        (
            "critical, high / medium / low",
            f"{side.priorities[Priority.CRITICAL]}, {mix}",
            "5 % / 15 % / 80 %",
        ),
        ("suppressed, of all rules", seconds(total.suppressed / SECOND), ""),
        ("disabled, of all rules", seconds(total.disabled / SECOND), ""),
    )
    print_table(("all rules together", "here", "as published*"), rows, whole=True)
    print("* ISA-18.2/EEMUA 191 as published, for one operator")


def _print_differences(outcome: Backtest) -> None:
    against = outcome.against
    if against is None:
        return
    print(f"\nagainst {against.name}: {against.total.alarms} alarms then, {outcome.side.total.alarms} now")
    for each in outcome.differences[:_MOST_ROWS]:
        print(f"  {difference(each)}")
    if not outcome.differences:
        print("  every rule has as many as before")


def difference(each: Difference) -> str:
    """Write `+14 alarms/week on P101-low-flow`."""
    new = " (new rule)" if each.before is None else " (rule removed)" if each.after is None else ""
    counts = f"{each.before or 0} -> {each.after or 0}"
    return f"{each.per_week:+,.0f} alarms/week on {each.rule}: {counts}{new}"


def _print_suggestions(side: Side) -> None:
    advice = {
        rule.spec.name: [each for each in rule.suggestions if not each.insufficient] for rule in side.rules
    }
    rules = [rule for rule in side.rules if advice[rule.spec.name]]
    if rules:
        print("\nsuggestions (try one at a time: a deadband may make the delays needless)")
    for rule in sorted(rules, key=lambda rule: -rule.figures.alarms)[:_MOST_ADVISED]:
        print(f"  {rule.spec.name}")
        for each in advice[rule.spec.name]:
            print(f"    {suggestion(each)}")
    if len(rules) > _MOST_ADVISED:
        print(f"  and for {len(rules) - _MOST_ADVISED} rules with fewer alarms: see --json or --report")


def suggestion(each: Suggestion) -> str:
    """Write `high: deadband 0 -> 2 (6 sigma of 0.31 °C)`."""
    said = (
        f"{each.key} {each.present}"
        if not each.suggested
        else f"{each.key} {each.present} -> {each.suggested}"
    )
    return f"{each.condition}: {said} ({each.text})"


def notes(outcome: Backtest) -> Iterator[str]:
    """What a person must know to believe the figures."""
    if outcome.naive:
        yield f"stamps without a zone were read as {outcome.zone} (`agent: zone`)"
    if outcome.unknown_tags:
        yield f"not configured and not looked at: {_names(list(outcome.unknown_tags))}"
    if outcome.without_history:
        named = [f"{rule} ({tag})" for rule, tag in outcome.without_history.items()]
        yield f"a tag of these rules is not in the history: {_names(named)}"
    for series in outcome.series.values():
        if series.samples and series.bad == series.samples:
            yield f"every sample of {series.tag.name} is bad: if OPC UA's status 0 (good) is meant, write good"
        elif outcome.span and series.blind / outcome.span > _MUCH and series.stale_after:
            yield (
                f"{series.tag.name} was without a fresh value for {_percent(series.blind / outcome.span)} of the time "
                f"(fresh for {series.stale_after / SECOND:g} s): give the tag `stale_after`, if it is recorded on change"
            )
    if outcome.span < DAY:
        yield "less than a day of history: figures a day are a guess"


def as_json(outcome: Backtest) -> str:
    """All figures, for scripts."""
    sides = {"candidate": _side(outcome.side)}
    if outcome.against is not None:
        sides["against"] = _side(outcome.against)
    document: dict[str, Json] = {
        "files": list(outcome.files),
        "begin": utc_text(outcome.begin),
        "end": utc_text(outcome.end),
        "samples": outcome.samples,
        **sides,
        "differences": [
            {"rule": each.rule, "before": each.before, "after": each.after, "per_week": each.per_week}
            for each in outcome.differences
        ],
        "tags": {name: _tag(series) for name, series in outcome.series.items()},
        "notes": list(notes(outcome)),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _side(side: Side) -> Json:
    return {
        "name": side.name,
        "total": _figures(side.total),
        "top_ten_share": side.top_ten_share,
        "priorities": {priority.word: count for priority, count in side.priorities.items()},
        "rules": {
            rule.spec.name: {
                **_figures(rule.figures),
                "normal": _normal(rule.normal),
                "suggestions": [_advice(each) for each in rule.suggestions],
            }
            for rule in side.rules
        },
    }


def _normal(normal: Normal | None) -> Json:
    return None if normal is None else {key: getattr(normal, key) for key in Normal.__slots__}


def _advice(each: Suggestion) -> Json:
    """Null is suggested where there is only something to be said, or too little to say it."""
    written: dict[str, Json] = {key: getattr(each, key) for key in Suggestion.__slots__}
    return {**written, "suggested": each.suggested or None}


def _figures(figures: Figures) -> dict[str, Json]:
    """Durations are in seconds."""
    told: dict[str, Json] = {}
    for name in Figures.__slots__:
        value = getattr(figures, name)
        if name in ("blind", "suppressed", "disabled", "detection_delay"):
            told[f"{name}_s"] = None if value is None else value / SECOND
        else:
            told[name] = value
    return told


def _tag(series: Series) -> Json:
    return {
        "samples": series.samples,
        "bad": series.bad,
        "interval_s": series.interval / SECOND,
        "stale_after_s": series.stale_after / SECOND,
        "blind_s": series.blind / SECOND,
        "step": series.tag.step,
    }


def _names(names: Sequence[str]) -> str:
    left = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {left} more" if left > 0 else "")


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004 - below that, fractions count


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
