"""Relays of incoming webhooks beside the rest of the configuration: what cannot be, and what hardly helps.

Rules for whoever changes this: what is wrong with a key alone is its section's; here is what only shows
beside another key, or beside sources and rules. Whatever would be refused at each message is refused here.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from agent.config.messages import did_you_mean
from agent.config.yaml_text import Keys
from agent.inbound.config import RelayConfig
from agent.inbound.routes import RouteSection
from agent.incoming.message import Handle, Replay, Send, Write, believed, word
from agent.mqtt.broker import BrokerSection
from agent.signing.config import Ed25519Verification, StandardSigning
from agent.sources import SourceConfig

Finding = tuple[Keys, str, str]


class _Known(NamedTuple):
    """What relays may name; see `check_inbound`."""

    sources: Mapping[str, SourceConfig]
    rules: Collection[str]
    destinations: Collection[str]
    unsure: bool


def check_inbound(
    relays: Mapping[str, RelayConfig],
    sources: Mapping[str, SourceConfig],
    rules: Collection[str],
    destinations: Collection[str],
    *,
    unsure: bool,
) -> Iterator[Finding]:
    """Give the path, the text and the severity of each problem.

    Args:
        relays: those without errors of their own.
        sources: the same.
        rules: all that are written, instances too.
        destinations: all that are written.
        unsure: sources with errors are missing, so what is not found may be there.
    """
    known = _Known(sources, rules, destinations, unsure)
    for name, relay in relays.items():
        path: Keys = ("inbound", name)
        if relay.raw_bytes and relay.verify != "none":
            text = (
                f"no signature can be verified here: {relay.raw_bytes}; write verify: none, or another relay"
            )
            yield (*path, "verify"), text, "error"
        if not relay.routes:
            yield path, "it has no `routes`: every message would be refused", "warning"
        for route, section in relay.routes.items():
            found = _route(relay, (*path, "routes", route), section, known)
            yield from ((keys, text, "error") for keys, text in found)


def _route(
    relay: RelayConfig,
    path: Keys,
    section: RouteSection,
    known: _Known,
) -> Iterator[tuple[Keys, str]]:
    sources, rules, destinations, unsure = known
    deed = section.route("", "").deed
    key = (*path, word(deed))
    if believed(deed) and not isinstance(relay.verify, StandardSigning | Ed25519Verification):
        yield (
            key,
            (
                f"`{word(deed)}` needs messages whose id and time are signed: "
                "verify: {scheme: ed25519, key: whpk_...}, or {secret: whsec_...}"
            ),
        )
    match deed:
        case Write(tag=str(tag)):
            yield from _tag((*key, "tag"), tag, sources, unsure=unsure)
        case Handle(rule=str(rule)) if rule not in rules:
            yield (*key, "rule"), f"unknown rule {rule!r}{did_you_mean(rule, rules)}"
        case Send() if section.publish is not None:
            yield from _broker((*key, "source"), section.publish.source, sources, unsure=unsure)
        case Replay(destination=str(name)) if name not in destinations:
            yield (*key, "destination"), f"unknown destination {name!r}{did_you_mean(name, destinations)}"
        case _:
            pass


def _broker(
    path: Keys, name: str, sources: Mapping[str, SourceConfig], *, unsure: bool
) -> Iterator[tuple[Keys, str]]:
    if name not in sources:
        if not unsure:
            yield path, f"unknown source {name!r}{did_you_mean(name, sources)}"
    elif not isinstance(sources[name], BrokerSection):
        yield path, f"source {name} is no MQTT broker ({sources[name].type}): name one of `type: mqtt`"


def _tag(
    path: Keys, tag: str, sources: Mapping[str, SourceConfig], *, unsure: bool
) -> Iterator[tuple[Keys, str]]:
    if any(tag in source.writes() for source in sources.values()):
        return
    names = [name for source in sources.values() for name in source.tags]
    if tag not in names:
        if not unsure:
            yield path, f"unknown tag {tag!r}{did_you_mean(tag, names)}"
    else:
        yield (
            path,
            f"{tag} may not be written: add `write: {{min: ..., max: ...}}` to the tag, or delete this route",
        )
