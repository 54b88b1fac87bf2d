"""`edge-relay send-test`: one sample event to a destination, and exactly what went out and came back."""

import argparse
import json
import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from agent.cli.arguments import add_config_option
from agent.cli.asking import told
from agent.clock import SystemClock
from agent.errors import EdgeRelayError
from agent.model import Answer, Event, EventType, NoAnswer, Priority

if TYPE_CHECKING:
    from agent.config.model import Configuration

SUMMARY = "send a sample event to a destination and show what went out and came back"
_GOOD = range(200, 300)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("destination", help="its name in the configuration")
    parser.add_argument("--rule", help="an alarm of this rule (default: an agent.test event)")
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay send-test cmms
  edge-relay send-test cmms --rule R1-temperature -c config

The sample is not stored and has no number; whether the agent runs makes no difference. The exit
status is 0 only if the receiver took it (2xx).
"""


def run(arguments: argparse.Namespace) -> int:
    """Send it and show both sides."""
    return told(lambda: _send(arguments))


async def _send(arguments: argparse.Namespace) -> int:
    from agent.config.load import load
    from agent.delivery.body import Identity, Place, render
    from agent.delivery.identity import RANDOM_BYTES, mint
    from agent.destinations import open_destination
    from agent.destinations.base import Message

    configuration = load(arguments.config)
    name = arguments.destination.removeprefix("destination:")
    config = configuration.destinations.get(name)
    if config is None:
        raise EdgeRelayError(f"there is no destination {name}{_known(name, configuration.destinations)}")
    clock = SystemClock()
    identity = mint(clock.wall(), os.urandom(RANDOM_BYTES))
    event = _sample(identity, clock.monotonic(), arguments.rule, configuration)
    offset = clock.wall() - clock.monotonic()
    agent = configuration.agent
    body = render(event, Place(0, None, offset), Identity(agent.site, agent.name, "test"))
    async with open_destination(name, config, clock) as destination:
        message = Message(identity, body)
        _show_request(config.url, destination.headers(message), {*config.headers, "Authorization"}, body)
        outcome = await destination.deliver(message)
    _show_answer(outcome)
    return 0 if isinstance(outcome, Answer) and outcome.status in _GOOD else 1


def _sample(identity: str, at: int, rule: str | None, configuration: "Configuration") -> Event:
    from agent.rules.sample import sample_event

    if rule is None:
        return Event(
            identity, EventType.AGENT_TEST, at, "agent", Priority.JOURNAL, {"message": "a test by hand"}
        )
    for spec in configuration.rules:
        if spec.name == rule:
            return sample_event(spec, configuration.tags, identity, at)
    raise EdgeRelayError(
        f"there is no rule {rule}{_known(rule, [spec.name for spec in configuration.rules])}"
    )


def _known(name: str, names: Collection[str]) -> str:
    from agent.config.messages import did_you_mean

    return did_you_mean(name, names) if names else ": the configuration has none"


def _show_request(url: str, headers: Mapping[str, str], hidden: set[str], body: bytes) -> None:
    from urllib.parse import urlsplit

    parts = urlsplit(url)  # a query may hold a key: it is sent, not shown
    print(f"POST {parts.scheme}://{parts.netloc}{parts.path}")
    for name, value in headers.items():
        print(f"  {name}: {'(not shown)' if name in hidden else value}")
    print(f"  {json.dumps(json.loads(body), indent=2, ensure_ascii=False)}".replace("\n", "\n  "))


def _show_answer(outcome: Answer | NoAnswer) -> None:
    if isinstance(outcome, NoAnswer):
        print(f"no answer: {outcome.why}")
        return
    print(f"answer {outcome.status} after {outcome.latency * 1000:.0f} ms")
    for name, value in outcome.headers.items():
        print(f"  {name}: {value}")
    if outcome.excerpt:
        print(f"  {outcome.excerpt}")
