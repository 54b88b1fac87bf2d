"""What is done with a message, as the configuration writes it.

Rules for whoever changes this: what can be wrong with a key is found here, when the file is loaded, and
not when a message comes; where a message is sent, and which machine it may move, the file says and never
the message; nothing is evaluated. What a route means, `agent.incoming.message` says.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, WrapValidator, model_validator

from agent.codec.json_path import JsonPath, parse_path
from agent.config.fields import Duration, Section
from agent.delivery.schedule import OWN_SCHEDULE
from agent.http.access import AuthSection, HeaderValue, ProxySection, TlsSection, contradiction
from agent.http.urls import read_url
from agent.incoming.message import Deed, Handle, Replay, Route, Send, Term, Write, believed
from agent.model import SECOND, Action
from agent.mqtt.broker import LONGEST_NAME
from agent.signing.config import HeaderName

_BELIEVED_FOR: Final = 60 * SECOND
_FORM: Final = {"type": "string", "pattern": "^/", "examples": ["/data/value"]}


def _path(value: object) -> JsonPath:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("expected where in the message it stands, such as /data/value (a JSON Pointer)")
    return parse_path(value)


def _term(value: object) -> Term:
    if isinstance(value, str) and value and not value.startswith("/"):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("expected a text, or where in the message it stands, such as /data/rule")
    return parse_path(value)


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Scalar = bool | int | float | str
Pointer = Annotated[JsonPath, BeforeValidator(_path), WithJsonSchema(_FORM)]
TermText = Annotated[JsonPath | str, BeforeValidator(_term), WithJsonSchema({"type": "string"})]


def _topic(topic: str) -> str:
    if not topic or not set(topic).isdisjoint("+#{}\0") or len(topic.encode()) > LONGEST_NAME:
        raise ValueError("expected one topic such as plant/orders: no wildcard, and no {placeholder}")
    return topic


class ForwardSection(Section):
    """A service within the plant that gets the message as its sender wrote it."""

    url: Annotated[str, WrapValidator(read_url)]
    """Where it is posted to: http:// within the plant, or https://."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """The request's method."""
    auth: AuthSection | None = None
    """What the service asks for: {bearer: TOKEN}, {basic: {user, password}} or {oauth2: ...}."""
    headers: dict[HeaderName, HeaderValue] = Field(default={})
    """Further headers; they take the place of the sender's of the same name."""
    tls: TlsSection | None = None
    """Certificates for https://, where those of the system are not enough."""
    proxy: ProxySection | None = None
    """The HTTP proxy by which the service is reached."""
    timeout: Annotated[Duration, Field(ge=1 * SECOND, le=300 * SECOND)] = 15 * SECOND
    """How long one attempt may take in all."""
    retry: Annotated[tuple[Annotated[Duration, Field(gt=0)], ...], Field(min_length=1, max_length=20)] = (
        Field(OWN_SCHEDULE, strict=False)
    )
    """The waits of a message that the service refuses, while the others wait behind it; then it is a dead letter."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if wrong := contradiction(self.url, self.auth, self.headers, self.tls):
            raise ValueError(wrong)
        return self


class PublishSection(Section):
    """A topic of the plant's own broker."""

    source: str
    """The MQTT source whose broker it is."""
    topic: Annotated[str, AfterValidator(_topic)]
    """What it is published to."""
    payload: Pointer | None = None
    """Where in the message the payload stands: a text goes as it is, anything else as JSON; none: all of the message."""
    qos: Literal[0, 1] = 1
    """1: it is repeated until the broker has it. 0: handed to the connection once, and lost with it."""
    retain: bool = False
    """The broker keeps the last message of the topic for whoever subscribes later."""


class WriteRoute(Section):
    """A value for a machine; its tag must say `write`."""

    tag: TermText
    """The tag that is written: R1.SP; or where in the message its name stands: /data/tag."""
    value: Pointer = parse_path("/data/value")
    """Where in the message the value stands; none: /data/value."""


class HandleRoute(Section):
    """The operator's hand on an alarm, from afar."""

    rule: TermText = parse_path("/data/rule")
    """The rule, or one instance of it; or where in the message its name stands; none: /data/rule."""
    by: TermText = parse_path("/data/by")
    """Who does it: a name, or where in the message it stands; none: /data/by, which may be missing."""
    reason: TermText = parse_path("/data/reason")
    """Why: a text, or where in the message it stands; none: /data/reason. A shelf always needs one."""


class ShelveRoute(HandleRoute):
    """Not to be told of an alarm for a while."""

    until: TermText = parse_path("/data/until")
    """When the shelf ends: a time with its zone, or a duration such as 2h; none: what stands at /data/until."""


class ReplayRoute(Section):
    """Events that a receiver has lost are sent to it again."""

    destination: TermText = parse_path("/data/destination")
    """The destination; or where in the message its name stands; none: /data/destination."""
    since: TermText = parse_path("/data/since")
    """From when on: a time with its zone, or a duration back from now, such as 2h; none: what stands at /data/since."""


def destination_name(relay: str, route: str) -> str:
    """The destination of a `forward` or `publish`; none of the configuration has a `/` in its name."""
    return f"{relay}/{route}"


_DEEDS: Final = ("forward", "publish", "write", "acknowledge", "shelve", "unshelve", "reset", "replay")


class RouteSection(Section):
    """What is done with which messages; one of forward, publish, write, acknowledge, ..., replay."""

    type: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_one_or_many)] = ()
    """Types it takes, `*` for any part: setpoint.*; none: all."""
    fields: dict[Pointer, Scalar] = Field(default={})
    """What must stand where in the message: {/data/line: 7}."""
    max_age: Annotated[Duration, Field(gt=0)] | None = None
    """A message that is older is refused; none: 60s for what moves something, else it is never too old."""
    forward: ForwardSection | None = None
    """It goes to an HTTP service within the plant, as its sender wrote it: {url: http://mes.plant:8080/orders}."""
    publish: PublishSection | None = None
    """It goes to the plant's MQTT broker: {source: broker, topic: orders}."""
    write: WriteRoute | None = None
    """A value is written to a machine: {tag: line7.speed, value: /data/value}; the tag must say `write`."""
    acknowledge: HandleRoute | None = None
    """An alarm is acknowledged: {}, or {rule: /data/rule, by: /data/by}."""
    shelve: ShelveRoute | None = None
    """An alarm is shelved: {}, or {rule: ..., by: ..., reason: ..., until: /data/until}."""
    unshelve: HandleRoute | None = None
    """A shelf is ended: {}, or {rule: /data/rule, by: /data/by}."""
    reset: HandleRoute | None = None
    """A latched alarm is closed: {}, or {rule: /data/rule, by: /data/by}."""
    replay: ReplayRoute | None = None
    """Events that a receiver lost are sent again: {}, or {destination: ..., since: /data/since}."""

    @model_validator(mode="after")
    def _one_deed(self) -> Self:
        given = [f"`{name}`" for name in _DEEDS if getattr(self, name) is not None]
        if not given:
            raise ValueError(f"expected what is done with the message: one of {', '.join(_DEEDS)}")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: a route does one thing, write a second route")
        return self

    def route(self, relay: str, name: str) -> Route:
        """The same for the core."""
        deed = self._deed(relay, name)
        max_age = _BELIEVED_FOR if self.max_age is None and believed(deed) else self.max_age
        return Route(name, deed, self.type, tuple(self.fields.items()), max_age)

    def _deed(self, relay: str, name: str) -> Deed:
        if self.write is not None:
            return Write(self.write.tag, self.write.value)
        if self.replay is not None:
            return Replay(self.replay.destination, self.replay.since)
        if self.shelve is not None:
            return _handle(Action.SHELVE, self.shelve, self.shelve.until)
        for action, section in (
            (Action.ACKNOWLEDGE, self.acknowledge),
            (Action.UNSHELVE, self.unshelve),
            (Action.RESET, self.reset),
        ):
            if section is not None:
                return _handle(action, section)
        destination = destination_name(relay, name)
        if self.publish is not None:
            return Send("publish", destination, self.publish.payload)
        return Send("forward", destination)


def _handle(action: Action, section: HandleRoute, until: Term | None = None) -> Handle:
    return Handle(action, section.rule, section.by, section.reason, until)
