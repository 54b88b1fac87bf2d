"""`edge-relay send-test`: one sample event to a destination, and exactly what went out and came back."""

import argparse
import json
import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, assert_never

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, told
from agent.clock import SystemClock
from agent.errors import EdgeRelayError
from agent.model import Answer, Event, EventType, Json, NoAnswer, Priority

if TYPE_CHECKING:
    from agent.config.model import Configuration
    from agent.delivery.body import Identity, Place
    from agent.destinations.config import DestinationConfig
    from agent.formats import Formatter

SUMMARY = "send a sample event, and show what went out and came back"
_GOOD = range(200, 300)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("destination", help="its name in the configuration")
    parser.add_argument("--rule", help="an alarm of this rule (default: an agent.test event)")
    parser.add_argument("--show", action="store_true", help="show what would go out, and send nothing")
    add_config_option(parser)
    add_json_option(parser)
    parser.epilog = """examples:
  edge-relay send-test cmms
  edge-relay send-test cmms --rule R1-temperature -c config
  edge-relay send-test slack --rule R1-temperature --show     the body as its template writes it

The sample is not stored and has no number; whether the agent runs makes no difference. The exit
status is 0 only if the receiver took it (2xx).
"""


def run(arguments: argparse.Namespace) -> int:
    """Send it and show both sides."""
    return told(lambda: _send(arguments))


async def _send(arguments: argparse.Namespace) -> int:
    from agent.config.load import load
    from agent.delivery.body import Identity, Place
    from agent.delivery.identity import RANDOM_BYTES, mint
    from agent.destinations import open_destination
    from agent.destinations.base import Message
    from agent.formats import open_format, shown

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
    whose = Identity(agent.site, agent.name, "test")
    place, formats = Place(None, None, offset), open_format(config, whose)
    message = Message(identity, _body(formats, event, place), formats.content_type, (event,))
    async with open_destination(name, config, clock, whose) as destination:
        where, hidden = _where(config, event, whose)
        # The signature is that of the body that is sent; the body that is shown has no secret in it.
        body = _body(open_format(shown(config), whose), event, place)
        headers = destination.headers(message)
        told = {name: "(not shown)" if name in hidden else value for name, value in headers.items()}
        if not arguments.json:
            _show_request(where, told, body)
        outcome = None if arguments.show else await destination.deliver(message)
    if arguments.json:
        request: Json = {"to": where, "headers": dict[str, Json](told), "body": body.decode()}
        print(json.dumps({"request": request, "answer": _answer(outcome)}, indent=2, ensure_ascii=False))
    else:
        _show_answer(outcome)
    taken = outcome is None or (isinstance(outcome, Answer) and outcome.status in _GOOD)
    return 0 if taken else 1


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

    return did_you_mean(name, names) if names else ": the configuration has none, add it"


def _where(config: "DestinationConfig", event: Event, whose: "Identity") -> tuple[str, set[str]]:
    """Say where it goes, and the names of the headers that are sent and not shown."""
    from agent.destinations.mqtt.config import MqttDestination
    from agent.destinations.nats.config import NatsDestination
    from agent.destinations.webhook.config import WebhookDestination
    from agent.http.urls import shown

    match config:
        case WebhookDestination():
            return f"{config.method} {shown(config.url)}", {*config.headers, "Authorization"}
        case NatsDestination():
            return (
                f"publish to NATS {', '.join(map(str, config.servers))}: {config.address([event], whose)}",
                set(),
            )
        case MqttDestination():
            return f"publish to MQTT {config.url}: {config.address([event], whose)}", set()
        case _:
            assert_never(config)


def _show_request(where: str, headers: Mapping[str, str], body: bytes) -> None:
    print(where)
    for name, value in headers.items():
        print(f"  {name}: {value}")
    print(f"  {_readable(body)}".replace("\n", "\n  "))


def _body(formats: "Formatter", event: Event, place: "Place") -> bytes:
    from agent.formats import FormatError

    try:
        return formats.one(event, place)
    except FormatError as error:
        other = "" if event.rule else ": `--rule NAME` sends an alarm"
        raise EdgeRelayError(f"of {event.type.value}, {error}{other}") from None


def _readable(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:  # a template may write anything
        return body.decode()


def _answer(outcome: Answer | NoAnswer | None) -> Json:
    """For scripts; None: nothing was sent."""
    match outcome:
        case None:
            return None
        case NoAnswer():
            return {"status": None, "latency_s": outcome.latency, "said": outcome.why}
        case Answer():
            return {
                "status": outcome.status,
                "latency_s": outcome.latency,
                "headers": dict[str, Json](outcome.headers),
                "said": outcome.said or outcome.excerpt,
            }
        case _:
            assert_never(outcome)


def _show_answer(outcome: Answer | NoAnswer | None) -> None:
    if outcome is None:
        print("nothing was sent")
        return
    if isinstance(outcome, NoAnswer):
        print(f"no answer: {outcome.why}")
        return
    print(f"answer {outcome.status} after {outcome.latency * 1000:.0f} ms")
    if outcome.said:
        print(f"  {outcome.said}")
        return
    for name, value in outcome.headers.items():
        print(f"  {name}: {value}")
    if outcome.excerpt:
        print(f"  {outcome.excerpt}")
