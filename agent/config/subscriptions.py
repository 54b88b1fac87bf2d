"""What destinations subscribe to, beside the rules and the tags that there are: a slip would never be noticed.

Rules for whoever changes this: what may yet come is not judged: a tag that a message names.
"""

from collections.abc import Collection, Iterator, Mapping

from agent.config.fields import PLACE
from agent.config.messages import did_you_mean
from agent.config.yaml_text import Keys
from agent.delivery.subscription import matches
from agent.destinations.base import DestinationSection


def unheard(
    destinations: Mapping[str, DestinationSection], rules: Collection[str], tags: Collection[str]
) -> Iterator[tuple[Keys, str]]:
    """Give the path and the text of each pattern that nothing fits.

    Args:
        destinations: those without errors of their own.
        rules: the names that events carry as their rule.
        tags: all that are declared, a name with {1} in it for many.
    """
    certain = not any(PLACE.search(tag) for tag in tags)
    for name, section in destinations.items():
        for key, patterns, known in (
            ("rules", section.rules, rules),
            ("tags", section.tags, tags if certain else ()),
        ):
            yield from (
                (
                    ("destinations", name, key, index),
                    f"no {key[:-1]} is called `{pattern}`{_guess(pattern, known)}",
                )
                for index, pattern in enumerate(patterns)
                if known and not any(matches((pattern,), each) for each in known)
            )


def _guess(pattern: str, known: Collection[str]) -> str:
    """What was probably meant; of an instance, its rule."""
    rule, slash, _ = pattern.partition("/")
    if slash and rule in known:
        return f", that is one of its names: write `{rule}`, and `tags` to choose among them"
    return "" if set("*?") & set(pattern) else did_you_mean(pattern, known)
