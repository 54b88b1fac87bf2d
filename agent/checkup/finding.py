"""What is found: one shape, whatever it is about.

Rules for whoever changes this: a warning or a problem says what was found, and what to do.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_REMEDY: Final = re.compile(
    r"[:;] (?=(?:add|allow|check|choose|chmod|compare|delete|does|give|have|if|is|join|let|look|make|mend|move|"
    r"name|put|raise|renew|restart|see|set|start|trust|use|wait|write|`)(?:\b|(?<=`)))"
)
"""Where, in a sentence of the house, the cause ends and the remedy begins."""


class Verdict(StrEnum):
    """How it stands with one thing.

    A WARNING works now and may not tomorrow; a PROBLEM keeps the agent from doing its work, or from keeping
    what it promises; what is SKIPPED was not looked at, and why is said.
    """

    GOOD = "good"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what it belongs to: clock, disk, sources ...
        thing: which one of it.
        verdict: how it stands with it.
        said: what was found.
        remedy: what to do; empty where nothing is to be done.
    """

    subject: str
    thing: str
    verdict: Verdict
    said: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Makes the findings of one subject."""

    name: str

    def good(self, thing: str, said: str) -> Finding:
        """Nothing is to be done."""
        return Finding(self.name, thing, Verdict.GOOD, said)

    def warning(self, thing: str, said: str, remedy: str) -> Finding:
        """It works now and may not tomorrow."""
        return Finding(self.name, thing, Verdict.WARNING, said, remedy)

    def problem(self, thing: str, said: str, remedy: str) -> Finding:
        """The agent cannot do its work, or not keep what it promises."""
        return Finding(self.name, thing, Verdict.PROBLEM, said, remedy)

    def skipped(self, thing: str, said: str, remedy: str = "") -> Finding:
        """It was not looked at."""
        return Finding(self.name, thing, Verdict.SKIPPED, said, remedy)


def parted(sentence: str, otherwise: str) -> tuple[str, str]:
    """Take a sentence of the house apart: what is so, and what to do; `otherwise` where it does not say."""
    if found := _REMEDY.search(sentence):
        return sentence[: found.start()], sentence[found.end() :]
    return sentence, otherwise


def count(number: int, what: str) -> str:
    """`1 day`, `2 days`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def worst(findings: Iterable[Finding]) -> Verdict:
    """How it stands in all."""
    order = (Verdict.PROBLEM, Verdict.WARNING)
    verdicts = {finding.verdict for finding in findings}
    return next((each for each in order if each in verdicts), Verdict.GOOD)
