"""What has not changed stays the very object that it was: whoever sends changes need not look into it."""

from collections.abc import Mapping

from agent.model import Json


def kept(before: Mapping[str, Json], after: Mapping[str, Json]) -> Mapping[str, Json]:
    """`before` if `after` says the same, else `after` with the rows of before that say the same."""
    if before is after or before == after:  # to compare one with itself costs as much
        return before
    return {key: before[key] if before.get(key) == row else row for key, row in after.items()}
