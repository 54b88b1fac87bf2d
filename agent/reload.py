"""What changed between two configurations, for people and for receivers."""

from collections.abc import Mapping, Sequence

from agent.config.model import Configuration
from agent.model import Json


def changes(old: Configuration, new: Configuration) -> Sequence[Json]:
    """What differs: `{rule, key, from, to}` for each key of a rule, the name of anything else."""
    found: list[Json] = []
    for name in sorted({*old.written_rules, *new.written_rules}):
        before, after = old.written_rules.get(name, {}), new.written_rules.get(name, {})
        found += [
            {"rule": name, "key": key, "from": before.get(key), "to": after.get(key)}
            for key in sorted({*before, *after})
            if before.get(key) != after.get(key)
        ]
    for kind in ("source", "destination"):
        ones, others = getattr(old, f"{kind}s"), getattr(new, f"{kind}s")
        found += [{kind: name} for name in _differing(ones, others)]
    found += [
        {"section": name} for name in ("agent", "store", "http") if getattr(old, name) != getattr(new, name)
    ]
    return found


def _differing(ones: Mapping[str, object], others: Mapping[str, object]) -> list[str]:
    return sorted(name for name in {*ones, *others} if ones.get(name) != others.get(name))
