"""What changed between two configurations, for people and for receivers."""

from collections.abc import Iterator, Mapping, Sequence

from agent.config.model import Configuration
from agent.model import Json


def changes(old: Configuration, new: Configuration) -> Sequence[Json]:
    """What differs, each as a map.

    `{rule, key, from, to}`, and `{section, key, from, to}` for what holds for all rules (without `key` where the
    section has none; of `http` without what it says); `{rule}` alone for one that says the same and means something else now, by a default,
    say; `{source}`, `{destination}` and `{relay}` alone, which may hold secrets.
    """
    before, after = ({name: dict(rule) for name, rule in each.written_rules.items()} for each in (old, new))
    found = list(_texts("rule", before, after))
    said = {each["rule"] for each in found}
    ones, others = ({rule.name: rule for rule in each.rules} for each in (old, new))
    ids = {name: rule.rule or name for name, rule in {**ones, **others}.items()}
    found += [{"rule": name} for name in sorted({ids[name] for name in _differing(ones, others)} - said)]
    found += [{"source": name} for name in _differing(old.sources, new.sources)]
    found += [{"destination": name} for name in _differing(old.destinations, new.destinations)]
    found += [{"relay": name} for name in _differing(old.inbound, new.inbound)]
    found += [{"section": "http", "key": key} for key in _differing(dict(old.http), dict(new.http))]
    return [*found, *_texts("section", old.written_sections, new.written_sections)]


def needs_restart(old: Configuration, new: Configuration) -> Sequence[str]:
    """What differs that a running agent cannot change, a sentence each."""
    if old.agent == new.agent:
        return []
    return ["`agent` has changed, which takes a restart (`systemctl restart edge-relay`), or set it back"]


def _texts(kind: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """What differs in what is written, key by key."""
    for name in _differing(old, new):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict | None) and isinstance(after, dict | None):
            ones, others = before or {}, after or {}
            for key in _differing(ones, others):
                yield {kind: name, "key": key, "from": ones.get(key), "to": others.get(key)}
        else:
            yield {kind: name, "from": before, "to": after}


def _differing(ones: Mapping[str, object], others: Mapping[str, object]) -> list[str]:
    return sorted(name for name in {*ones, *others} if ones.get(name) != others.get(name))
