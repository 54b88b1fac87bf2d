"""Which keys of a rule have a meaning together.

Rules for whoever changes this: a key that would be ignored is refused with what to write instead.
"""

from typing import Final

from agent.config.compile.draft import Draft
from agent.config.rule_parts import ChangeSection, ExpectSection

_BESIDE_CHANGE: Final = {
    "deadband": "write the deadband inside change",
    **dict.fromkeys(("on_delay", "off_delay", "count", "on_bad"), "a report has no delays and no return"),
}
_FOR_ALARMS: Final = {
    "latch": "it has no return that a latch could hold",
    "acknowledge": "nobody acknowledges what is over when it is told",
    "remind_every": "it is told once",
}


def check_shape(draft: Draft) -> None:
    """Report what is missing and what cannot stand together."""
    section, kinds = draft.section, draft.section.conditions()
    if not kinds:
        draft.error("expected a condition: low, high, is, is_not, bits, change or expect")
    if len(kinds) > 1:
        draft.error(f"{kinds[0]} and {kinds[1]} are two rules: give each its own name", kinds[1])
    if section.expect is not None:
        _check_expect(draft, section.expect)
    elif section.change is not None:
        _check_change(draft, section.change)
    elif kinds and section.deadband is not None and kinds[0] in {"is", "is_not", "bits"}:
        draft.error(
            f"deadband has no meaning beside {kinds[0]}: off_delay keeps a return back, write that",
            "deadband",
        )
    if section.change is not None or _priority(draft) == "journal":
        what = "a report of changes" if section.change is not None else "an event of priority journal"
        for key, reason in _FOR_ALARMS.items():
            if getattr(section, key):
                draft.error(f"{key} is for alarms, and this is {what}: {reason}; leave it out", key)


def _priority(draft: Draft) -> str | None:
    return draft.section.priority or draft.plant.defaults.priority


def _check_change(draft: Draft, change: ChangeSection) -> None:
    for key, hint in _BESIDE_CHANGE.items():
        if getattr(draft.section, key) is not None:
            draft.error(f"{key} has no meaning beside change: {hint}; leave it out", key)
    if change.at_least_every is not None and change.at_least_every <= change.at_most_every:
        draft.error("expected at_least_every to be longer than at_most_every", "change", "at_least_every")


def _check_expect(draft: Draft, expect: ExpectSection) -> None:
    section = draft.section
    said = [key for key in ("sample", "change", "increase", "connection") if getattr(expect, key) is not None]
    if len(said) != 1:
        text = "expected sample: any, change: 0.1, increase: 1 or connection: up (one of them)"
        draft.error(text, "expect")
    if expect.connection is not None and section.source is None and (section.tag or section.calc):
        draft.error("a connection is a source's: write source instead of tag", "expect", "connection")
    if expect.sample is not None and (section.calc is not None or section.measures()):
        text = "a sample is read, not calculated: write it as a rule over the tag alone"
        draft.error(text, "expect", "sample")
    for key in ("on_delay", "count"):
        if getattr(section, key) is not None:
            draft.error(f"expect has its delay in within: leave {key} out", key)
    if (expect.change is not None or expect.increase is not None) and section.off_delay is not None:
        draft.error("off_delay has no meaning here: the first move is the return; leave it out", "off_delay")
    if section.deadband is not None:
        draft.error("deadband has no meaning beside expect: leave it out", "deadband")
