"""Wildcards into tags: the topic `plant/+/telemetry` and the name `COMP{1}.CURRENT` make `COMP7.CURRENT`.

`{1}` stands for what the first `+` matched, `{2}` for the second; a `#` counts as the last and
stands for the rest of the topic, its `/` written as `.` (a name in a rule reads better so).

Rules for whoever changes this file: pure functions of text; the same name always means the same
tag (`owner` decides, by the configuration alone, never by which message came first); what a topic
holds was chosen by a stranger: a name made of it is checked like one that was written, and no
topic makes the matching slow.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from agent.config.fields import PLACE, TAG_NAME

_MOST: Final = 9  # wildcards in one topic: {1} to {9}


def has_wildcards(topic: str) -> bool:
    """Whether it is a filter for many topics."""
    return "+" in topic or "#" in topic


def filter_problem(topic: str) -> str:
    """Why a topic with wildcards cannot be one (MQTT 3.1.1, section 4.7.1); empty: it can."""
    levels = topic.split("/")
    if any("+" in level and level != "+" for level in levels):
        return f"{topic}: `+` stands for a whole level, alone between slashes: plant/+/telemetry"
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        return f"{topic}: `#` stands for all further levels, alone and as the last: plant/#"
    if _wildcards(topic) > _MOST:
        return f"{topic}: nine wildcards at most"
    return ""


def _wildcards(topic: str) -> int:
    return topic.count("+") + topic.count("#")


def name_problem(name: str, topic: str) -> str:
    """Why the tags of this topic cannot be called so; empty: they can."""
    count = _wildcards(topic)
    places = [int(place[1]) for place in PLACE.findall(name)]
    if extra := [place for place in places if place > count]:
        has = f"has only {count}" if count else "has none"
        return f"{{{extra[0]}}} stands for what wildcard {extra[0]} of the topic matched, and {topic} {has}: leave it out"
    if missing := sorted(set(range(1, count + 1)) - set(places)):
        return (
            f"every wildcard of {topic} has its place in the name, or several topics would be one tag: "
            f"{{{missing[0]}}} is missing: {name}.{{{missing[0]}}}"
        )
    if len(places) > count:
        return "each {1} stands once in a name"
    if "}{" in name:
        return "something has to stand between }{, or two topics could make one name: {1}.{2}"
    if count and not any(char.isalnum() for char in PLACE.sub("", name)):
        return (
            "beside what the topic gives, the name needs letters of its own, or every misspelt name "
            "in a rule would be one of its tags: PLANT.{1}"
        )
    return ""


def _can_be(name: str) -> bool:
    """Whether it can be a name that a stranger made: one that looks like another could deceive who reads it."""
    return name.isprintable() and TAG_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class Pattern:
    """A tag with wildcards.

    Attributes:
        name: as it is written, with its places.
        topic: the filter.
    """

    name: str
    topic: str

    def made(self, topic: str) -> str:
        """The name that a topic makes.

        Raises:
            ValueError: what it makes cannot be a name.
        """
        match = self._topics.fullmatch(topic)
        texts = [(text or "").replace("/", ".") for text in match.groups()] if match else []
        if not texts or not all(texts):
            raise ValueError("a level of a topic is empty: no name can be made of it")
        name = PLACE.sub(lambda place: texts[int(place[0][1]) - 1], self.name)
        if not _can_be(name):
            raise ValueError(
                "what a topic makes cannot be a name: 200 characters at most that can be seen, without braces, "
                "quotes and line ends"
            )
        return name

    def matches(self, topic: str) -> bool:
        """Whether the filter matches a topic."""
        return self._topics.fullmatch(topic) is not None

    def makes(self, name: str) -> bool:
        """Whether a name can be made."""
        return _can_be(name) and self._names.fullmatch(name) is not None

    @property
    def fixed(self) -> int:
        """How many characters of its names are always the same."""
        return len(PLACE.sub("", self.name))

    @cached_property
    def _topics(self) -> re.Pattern[str]:
        levels = self.topic.split("/")
        # Wildcards do not match the broker's own topics (4.7.2), and `a/#` matches `a` as well (4.7.1.2).
        own = r"(?!\$)" if levels[0] in {"+", "#"} else ""
        tail = "" if levels[-1] != "#" else "(.*)" if len(levels) == 1 else "(?:/(.*))?"
        heads = [r"([^/]*)" if level == "+" else re.escape(level) for level in levels if level != "#"]
        return re.compile(f"{own}{'/'.join(heads)}{tail}", re.DOTALL)

    @cached_property
    def _names(self) -> re.Pattern[str]:
        # Each place ends where the text behind it first comes up, for good: if any way to divide the
        # name fits, this one does, and none is tried twice.
        head, *inner = map(re.escape, PLACE.split(self.name))
        end = [f".+{inner.pop()}"] if inner else []
        return re.compile("".join([head, *(f"(?>.+?{text})" for text in inner), *end]), re.DOTALL)


def owner(name: str, patterns: Iterable[Pattern]) -> Pattern | None:
    """The pattern to which a name belongs: of those that can make it, the one that leaves the least open.

    With `LINE{1}.TEMP` and `LINE{1}.{2}.TEMP`, `LINE1.A.TEMP` belongs to the second.
    """
    return max((one for one in patterns if one.makes(name)), key=lambda one: one.fixed, default=None)
