"""Every source, destination and relay at once: nobody waits for those that do not answer.

Rules for whoever changes this: a bound for how many are asked at the same time, and one for how long each may
take; devices behind one address share a connection, which is the adapter's to see to.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, assert_never

from agent.checkup.brokers import examine_broker, examine_servers
from agent.checkup.case import Case
from agent.checkup.finding import Finding, Subject
from agent.checkup.http import Address, examine_address
from agent.checkup.sources import SOURCES, examine_source
from agent.checkup.users import User
from agent.clock import Clock
from agent.destinations.config import DestinationConfig
from agent.destinations.mqtt.config import MqttDestination
from agent.destinations.nats.config import NatsDestination
from agent.destinations.webhook.config import WebhookDestination
from agent.http.urls import is_known
from agent.inbound.config import RelayConfig
from agent.inbound.nats.config import NatsRelay
from agent.inbound.poll.config import PollRelay
from agent.inbound.sse.config import SseRelay

_DESTINATIONS: Final = Subject("destinations")
_RELAYS: Final = Subject("relays")
_ORDER: Final = [subject.name for subject in (SOURCES, _DESTINATIONS, _RELAYS)]
_AT_ONCE: Final = 16
_PATIENCE_S: Final = 15.0
"""For all steps of one, each of which has its own bound, 5 s as a rule."""


@dataclass(slots=True)
class Links:
    """Asks all of them.

    Attributes:
        receivers: UTC minus monotonic time, nanoseconds, by each receiver whose certificate was verified.
    """

    case: Case
    user: User
    clock: Clock
    told: Callable[[], None]
    receivers: dict[str, int] = field(default_factory=dict)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def examine(self) -> list[Finding]:
        """Ask; in the order of the configuration."""
        parts, asked = self.case.parts, list[asyncio.Task[list[Finding]]]()
        async with asyncio.TaskGroup() as group:

            def ask(subject: Subject, name: str, work: Callable[[], Awaitable[list[Finding]]]) -> None:
                asked.append(group.create_task(self._bounded(subject, name, work), name=f"doctor {name}"))

            for name, source in parts.sources.items():
                look = partial(examine_source, name, source, self.case, self.user, self.clock)
                ask(SOURCES, name, look)
            for name, destination in parts.destinations.items():
                ask(_DESTINATIONS, name, partial(self._destination, name, destination))
            for name, relay in parts.relays.items():
                ask(_RELAYS, name, partial(self._relay, name, relay))
        found = [finding for task in asked for finding in task.result()] + self._unusable()
        return sorted(found, key=lambda finding: _ORDER.index(finding.subject))

    async def _bounded(
        self, subject: Subject, name: str, work: Callable[[], Awaitable[list[Finding]]]
    ) -> list[Finding]:
        async with self._free:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    return list(await work())
            except TimeoutError:
                said = f"not known after {_PATIENCE_S:g} s: it takes connections, and does not go on"
                return [subject.problem(name, said, "look at the other side, and at what stands between")]
            finally:
                self.told()

    def _unusable(self) -> list[Finding]:
        """Those with errors, of which nothing can be known."""
        parts = self.case.parts
        kinds = {"source": parts.sources, "destination": parts.destinations, "relay": parts.relays}
        good = {f"{kind} {name}" for kind, names in kinds.items() for name in tuple(names)}
        bad = sorted(parts.named - good)
        return [
            Subject(f"{kind}s").skipped(
                name, "not asked: its configuration has errors", "mend them first, see above"
            )
            for kind, _, name in (each.partition(" ") for each in bad)
        ]

    async def _destination(self, name: str, config: DestinationConfig) -> list[Finding]:
        if self.case.offline:
            return [_DESTINATIONS.skipped(name, "not asked (--offline)")]
        secret = f"destination {name}" in self.case.parts.without_secrets
        match config:
            case WebhookDestination():
                found = await self._address(
                    _DESTINATIONS, name, Address(config.url, config.tls, config.proxy)
                )
                oauth2 = None if config.auth is None else config.auth.oauth2
                if oauth2 is not None:
                    tokens = Address(oauth2.token_url, oauth2.tls or config.tls, config.proxy)
                    found += await self._address(_DESTINATIONS, f"{name}, its tokens", tokens)
                return found
            case NatsDestination():
                return await examine_servers(_DESTINATIONS, name, config, self.clock, secret=secret)
            case MqttDestination():
                return await examine_broker(_DESTINATIONS, name, config, self.clock, secret=secret)
            case _:
                assert_never(config)

    async def _relay(self, name: str, config: RelayConfig) -> list[Finding]:
        if self.case.offline:
            return [_RELAYS.skipped(name, "not asked (--offline)")]
        match config:
            case PollRelay() | SseRelay():
                return await self._address(_RELAYS, name, Address(config.url, config.tls, config.proxy))
            case NatsRelay():
                secret = f"relay {name}" in self.case.parts.without_secrets
                return await examine_servers(_RELAYS, name, config, self.clock, secret=secret)
            case _:
                assert_never(config)

    async def _address(self, subject: Subject, thing: str, address: Address) -> list[Finding]:
        if not is_known(address.url):
            said = "not asked: its address is a secret that cannot be read from here"
            return [subject.skipped(thing, said, "run this as the agent's user, with its environment")]
        answered = await examine_address(subject, thing, address, self.clock)
        if answered.utc_offset is not None:
            self.receivers[thing] = answered.utc_offset
        return answered.findings
