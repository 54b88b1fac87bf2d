"""What the events of a rule say, and who is told: it decides nothing about alarms.

Rules for whoever changes this: a name in a message must be filled by something, a tag in `fields`
must be read, a destination must be there; all of it is known when the file is loaded.
"""

from collections.abc import Mapping
from typing import Final

from agent.config.compile.draft import Draft
from agent.config.compile.subject import Subject
from agent.model import Kind, Value
from agent.rules.message import PLACEHOLDERS
from agent.rules.spec import Wording

_SWITCH: Final[Mapping[str, Value]] = {"true": True, "false": False}


def wording(draft: Draft, watched: Subject) -> Wording:
    """Build what the events of a rule say."""
    section = draft.section
    for name, tag in section.fields.items():
        if name in PLACEHOLDERS or name == "meaning":
            draft.error(f"every event says its {name} already: choose another name", "fields", name)
        draft.tag(tag, "fields", name)
    for index, name in enumerate(section.send_to or ()):
        if name not in draft.plant.destinations:
            draft.unknown("destination", name, draft.plant.destinations, "send_to", index)
    return Wording(
        draft.message(section.message, "message"),
        section.response,
        section.time_to_respond,
        section.fields,
        _codes(draft, watched),
        section.send_to or (),
    )


def _codes(draft: Draft, watched: Subject) -> dict[Value, str]:
    """The keys of a map are text or whole numbers in YAML; of a switch, `true` is a state."""
    if draft.section.codes is None:
        return {}
    for key, reason in (
        ("bits", "the bits have their names"),
        ("expect", "nothing that is absent has a code"),
    ):
        if getattr(draft.section, key) is not None:
            draft.error(f"codes have no meaning beside {key}: {reason}; leave them out", "codes")
    switch = {} if watched.kind is Kind.TEXT else _SWITCH
    return {switch.get(str(code), code): text for code, text in draft.section.codes.items()}
