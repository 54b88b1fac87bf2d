"""What is wrong with a destination's format, found when the file is loaded and not at the first alarm.

A template is tried on an event of each type that the destination subscribes to, with its secrets
covered: so what went wrong can be shown. Rules for whoever changes this: a text says what was expected
and the remedy; what one mistake does to many events is told once.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.config.messages import did_you_mean
from agent.config.yaml_text import Keys
from agent.delivery.body import Identity
from agent.delivery.subscription import Subscription
from agent.formats import Formatter, open_format, shown
from agent.formats.config import FormatSection
from agent.formats.media import is_json, is_of_lines, media_type
from agent.formats.samples import PLACE, samples
from agent.formats.scope import FIELDS

_QUOTES: Final = "a value that stands without quotes is written {{ value | json }}"
_NAMED: Final = 3
_FILE: Final = re.compile(r"[\w./~-]+\.(?:j2|jinja2?|tmpl|tpl|template|json|txt|html?)\s*")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that the loader refuses.

    Attributes:
        keys: the key that it is about, within the destination.
        text: what is wrong, and the remedy.
        column: where in the text that stands there, from 1; 0: all of it.
    """

    keys: Keys
    text: str
    column: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What a format has to stand.

    Attributes:
        identity: whose events they are.
        wanted: the events that the destination could be sent.
        batches: several events go together.
        floods: alarms may come as the digest of a flood.
    """

    identity: Identity
    wanted: Subscription
    batches: bool = False
    floods: bool = False


def mistakes(section: FormatSection, trial: Trial) -> Iterator[Mistake]:
    """Everything that is wrong with the format that a destination's section asks for."""
    if section.format != "template":
        yield from _without_template(section)
        return
    if section.template is not None and _FILE.fullmatch(section.template):
        yield Mistake(
            ("template",), "expected the body itself, not the name of a file: write its text here, behind `|`"
        )
        return
    if section.template is None:
        yield Mistake((), '`template` is missing: the body, such as template: \'{"text": "{{ message }}"}\'')
        return
    if section.fields != "full":
        yield Mistake(("fields",), "a template names what it sends: delete this key")
    content_type = media_type(section)
    if trial.batches and not is_of_lines(content_type):
        one = (
            "JSON documents one below the other are none"
            if is_json(content_type)
            else "they cannot be told apart"
        )
        lines = "content_type: application/x-ndjson if the receiver reads a document a line"
        yield Mistake(
            ("batch",), f"several bodies of {content_type} make no body, {one}: delete `batch`, or {lines}"
        )
    yield from _of_template(section, section.template, trial)


def _without_template(section: FormatSection) -> Iterator[Mistake]:
    if section.template is not None:
        yield Mistake(("template",), "a template needs `format: template` beside it")
    if section.secrets:
        yield Mistake(
            ("secrets",), "only a template can write a secret into the body: `auth` and `headers` take others"
        )
    for index, name in enumerate(section.fields if isinstance(section.fields, tuple) else ()):
        if name not in FIELDS:
            yield Mistake(("fields", index), f"no event has a field `{name}`{did_you_mean(name, FIELDS)}")


def _of_template(section: FormatSection, text: str, trial: Trial) -> Iterator[Mistake]:
    from agent.formats.template.language import slips  # noqa: PLC0415 - imported when a template is configured
    from agent.formats.template.sandbox import Sandbox  # noqa: PLC0415 - as above

    try:
        found = list(slips(Sandbox(json=True), text, section.secrets))
        formatter = None if found else open_format(shown(section), trial.identity)
    except (SyntaxError, RecursionError):  # also of the code that is made of it
        yield Mistake(
            ("template",),
            "loops, conditions or brackets stand within each other too deep: write it with fewer of them",
        )
        return
    for slip in sorted(found):
        yield Mistake(("template",), f"line {slip.line}: {slip.text}", _column(text, slip.line, slip.word))
    if formatter is not None:
        yield from _tried(text, formatter, trial, said=section.content_type is not None)


def _tried(text: str, formatter: Formatter, trial: Trial, *, said: bool) -> Iterator[Mistake]:
    """What comes of a sample of each type; of many that fail alike, the first are named.

    `said`: the configuration says what the content type is.
    """
    from agent.formats.template import UnfilledError  # noqa: PLC0415 - as above

    quotes = _QUOTES if said else f"{_QUOTES}; if it is not to be JSON, say content_type: text/plain"
    failed: dict[tuple[int, str], tuple[UnfilledError, dict[str, None]]] = {}
    tried: dict[str, None] = {}
    for event in samples(trial.wanted, floods=trial.floods):
        tried[event.type.value] = None
        try:
            formatter.one(event, PLACE)
        except UnfilledError as error:
            _, types = failed.setdefault((error.line, error.why), (error, {}))
            types[event.type.value] = None
    for first, types in failed.values():
        line = f"line {first.line}: " if first.line else ""
        near = f", after `{first.near}`: {quotes}" if first.near else ""
        fewer = "; or ask for other `events`" if len(types) < len(tried) else ""
        told = f"{line}of {_some(list(types))}, {first.why}{near}{fewer}"
        yield Mistake(("template",), told, _column(text, first.line, ""))


def _some(types: Sequence[str]) -> str:
    more = len(types) - _NAMED
    return ", ".join(types[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _column(text: str, line: int, word: str) -> int:
    """Where a word of a line stands in the whole text, from 1; 0: it is about all of it."""
    if not line:
        return 0
    lines = text.split("\n")
    before = sum(len(each) + 1 for each in lines[: line - 1])
    within = lines[line - 1] if line <= len(lines) else ""
    return before + max(within.find(word) if word else len(within) - len(within.lstrip()), 0) + 1
