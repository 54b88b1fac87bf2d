"""Signals of unit tests, as words: `165 x60, 172 x4, ramp 165..175 x20, bad x30`.

    VALUE xN            a number, true, false, or a text in single quotes, N samples long
    ramp A..B xN        from A to B in equal steps, both included
    noise A+-B xN       evenly scattered about A, the same in every run
    uncertain VALUE xN  a value of uncertain quality
    bad xN              samples that could not be read
    gap xN              nothing comes, not even a sign that the value did not change

Only the last word may stand without `xN`: it lasts until the test ends.

Rules for whoever changes it: a word is here when the words before it cannot say the same; everything
that is wrong is a ValueError that names the word and its remedy.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Final, NamedTuple

from agent.config.yaml_text import scalar
from agent.model import Kind, Quality, Value

MOST_SAMPLES: Final = 1_000_000

_PARTS: Final = re.compile(r"(?:'[^']*'|[^',])+|,")
_PART: Final = re.compile(r"(?P<what>.*?)(?:\s+x\s*(?P<count>[0-9]{1,9}))?", re.DOTALL)
_NUMBER: Final = r"([-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)"
_RAMP: Final = re.compile(rf"ramp\s+{_NUMBER}\s*\.\.\s*{_NUMBER}")
_NOISE: Final = re.compile(rf"noise\s+{_NUMBER}\s*(?:\+-|±)\s*{_NUMBER}")


class Sample(NamedTuple):
    """What a source would deliver; `quality` None: nothing."""

    value: Value | None
    quality: Quality | None


GAP: Final = Sample(None, None)


@dataclass(frozen=True, slots=True)
class Signal:
    """The samples of one tag.

    Attributes:
        samples: one after the other.
        last: what comes after them until the test ends; None: the signal ends with them.
    """

    samples: tuple[Sample, ...]
    last: Sample | None = None

    def sample(self, number: int) -> Sample:
        """The sample after `number` others."""
        return self.samples[number] if number < len(self.samples) else self.last or GAP


def parse_signal(written: Value, kind: Kind, seed: str) -> Signal:
    """Read the signal of a tag.

    Args:
        written: as it stands in the file; anything but text is a value that never changes.
        kind: what the tag's values are.
        seed: what makes its noise different from that of others.

    Raises:
        ValueError: with the word and the remedy.
    """
    if not isinstance(written, str):
        return Signal((), Sample(_of_kind(written, kind), Quality.GOOD))
    dice = random.Random(seed)  # noqa: S311 - a signal, no secret
    return _parse(written, lambda what, count: _samples(what, count, kind, dice))


def parse_connection(written: str) -> Signal:
    """Read the connection of a source: `up x60, down x30, up`.

    Raises:
        ValueError: with the word and the remedy.
    """
    return _parse(written, _link_samples)


def _parse(written: str, samples: Callable[[str, int], Iterator[Sample]]) -> Signal:
    parts = [part.strip() for part in _PARTS.findall(written) if part != ","]
    total: list[Sample] = []
    for index, part in enumerate(parts):
        match = _PART.fullmatch(part)
        what, count = (match["what"], match["count"]) if match else (part, None)
        if count is None and index < len(parts) - 1:
            raise ValueError(
                f"`{what}` does not say for how long: write {what} x1 (only the last word lasts to the end)"
            )
        if len(total) + int(count or 0) > MOST_SAMPLES:
            raise ValueError(f"more than {MOST_SAMPLES:,} samples: use a longer `every`")
        if count is None:
            if what.startswith(("ramp", "noise")):
                raise ValueError(f"`{what}` does not say for how long: write {what} x60")
            return Signal(tuple(total), next(samples(what, 1)))
        total += samples(what, int(count))
    if not parts:
        raise ValueError('expected words such as "165 x60, 172 x4, bad x30"')
    return Signal(tuple(total))


def _link_samples(what: str, count: int) -> Iterator[Sample]:
    if what not in ("up", "down"):
        raise ValueError(f"unknown word `{what}`: expected up x60 or down x30")
    return (Sample(what == "up", Quality.GOOD) for _ in range(count))


def _samples(what: str, count: int, kind: Kind, dice: random.Random) -> Iterator[Sample]:
    word, _, rest = what.partition(" ")
    match word:
        case "bad" if not rest:
            return (Sample(None, Quality.BAD) for _ in range(count))
        case "gap" if not rest:
            return (GAP for _ in range(count))
        case "ramp":
            begin, end = _two_numbers(_RAMP, what, "ramp 165..175 x20")
            return (
                Sample(begin + (end - begin) * number / max(count - 1, 1), Quality.GOOD)
                for number in range(count)
            )
        case "noise":
            middle, spread = _two_numbers(_NOISE, what, "noise 170+-0.5 x60")
            return (Sample(middle + spread * dice.uniform(-1, 1), Quality.GOOD) for _ in range(count))
        case "uncertain":
            value, quality = rest.strip(), Quality.UNCERTAIN
        case _:
            value, quality = what, Quality.GOOD
    sample = Sample(_of_kind(_value(value), kind), quality)
    return (sample for _ in range(count))


def _two_numbers(form: re.Pattern[str], what: str, example: str) -> tuple[float, float]:
    match = form.fullmatch(what)
    if match is None:
        raise ValueError(f"`{what}` is not understood: expected {example}")
    return float(match[1]), float(match[2])


def _value(text: str) -> Value:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    value = scalar(text)
    if value is None or isinstance(value, str):
        raise ValueError(
            f"unknown word `{text}`: a text needs single quotes ('{text}'), "
            "the words are ramp, noise, uncertain, bad and gap"
        )
    if not isfinite(value):
        raise ValueError(f"`{text}` is no value that a device reads: write bad")
    return value


def _of_kind(value: Value, kind: Kind) -> Value:
    """The value as its source would deliver it."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case Kind.NUMBER if number:
            return float(value)
        case Kind.WHOLE if number and float(value).is_integer():
            return int(value)
        case Kind.ANY:
            return value
        case Kind.SWITCH if isinstance(value, bool):
            return value
        case Kind.TEXT if isinstance(value, str):
            return value
    form = f"'{value}'" if kind is Kind.TEXT else "true or false" if kind is Kind.SWITCH else "12"
    raise ValueError(f"`{value}` is no value of this tag, which is {_A[kind]}: write {form}")


_A: Final = {
    Kind.ANY: "any value",
    Kind.NUMBER: "a number",
    Kind.WHOLE: "a whole number",
    Kind.SWITCH: "true or false",
    Kind.TEXT: "a text",
}
