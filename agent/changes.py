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
    said = {each["rule"] for each in found if isinstance(each, dict)}
    ones, others = ({rule.name: rule for rule in each.rules} for each in (old, new))
    ids = {name: rule.rule or name for name, rule in {**ones, **others}.items()}
    found += [
        {"rule": name} for name in _differing(ones, others) if ids[name] not in said
    ]  # by defaults, say
    for kind in ("source", "destination"):
        ones, others = getattr(old, f"{kind}s"), getattr(new, f"{kind}s")
        found += [{kind: name} for name in _differing(ones, others)]
    return found + ([{"section": "store"}] if old.store != new.store else [])


def needs_restart(old: Configuration, new: Configuration) -> Sequence[str]:
    """What differs that a running agent cannot change, a sentence each."""
    return [
        f"`{name}` has changed, which takes a restart (`systemctl restart edge-relay`), or set it back"
        for name in ("agent", "http")
        if getattr(old, name) != getattr(new, name)
    ]


def _differing(ones: Mapping[str, object], others: Mapping[str, object]) -> list[str]:
    return sorted(name for name in {*ones, *others} if ones.get(name) != others.get(name))
