"""Every error of the house, provoked where a person meets it: a file, a command, a server that misbehaves, a damaged store.

A provocation is a coroutine function of a `Scene`; it returns what was told. `@provokes` says of which
class it makes an instance, and which words of the message are the thing, the cause and the remedy.
"""

import asyncio
import json
import socket
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter
from rigs import acting
from rigs.agent_process import quiet_port
from rigs.authority import Authority
from rigs.modbus_misbehaviour import only_writes, silent
from rigs.modbus_server import ModbusServer
from rigs.raw_server import answers, raw_server
from rigs.relay_session import Session
from rigs.site import ANNA, site
from rigs.stores import HandClock, full_disk, opened, step
from rigs.token_endpoint import token_endpoint
from rigs.webhook import MESSAGE, SECRET
from rigs.webhook import opened as webhook

from agent.bundling.asked import Asked
from agent.cli import main
from agent.clock import SystemClock
from agent.delivery.body import Identity
from agent.demo.receiver import Receiver
from agent.destinations.nats.client import NatsClient
from agent.destinations.nats.config import NatsDestination
from agent.errors import EdgeRelayError
from agent.inbound.config import RelayConfig
from agent.store.store import Store
from agent.web import routes

HEAD: Final = "agent: {site: dresden, name: line-4, data_dir: data}\n"
RELAY: Final = TypeAdapter(RelayConfig)
PLANT: Final = "sources: {plc: {type: simulated, tags: {T: {signal: constant, values: [171]}}}}\n"


class Scene:
    """Attributes.

    folder: an empty folder, the working directory.
    patch: pytest's monkeypatch.
    log: what is logged, pytest's caplog.
    """

    def __init__(self, folder: Path, capsys, patch, log) -> None:
        self.folder, self.patch, self.log, self._capsys = folder, patch, log, capsys

    def write(self, text: str, name: str = "plant.yaml") -> str:
        """Write a file; its name."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    async def command(self, *words: str, of: str | None = None) -> str:
        """Run `edge-relay WORDS`, with a configuration; all that it prints."""
        if of is not None:
            words = (*words, "-c", self.write(HEAD + of))
        self._capsys.readouterr()
        await asyncio.to_thread(main, words)
        return "".join(self._capsys.readouterr())


@dataclass(frozen=True)
class Provocation:
    """How an error comes about, and what its message must say."""

    error: str
    make: Callable[[Scene], Awaitable[str]]
    thing: str
    cause: str
    remedy: str


PROVOCATIONS: Final[list[Provocation]] = []


def provokes(error: str, thing: str, cause: str, remedy: str):
    """Enter a function into the table; `error` is the module below `agent` and the name."""

    def enter(make):
        PROVOCATIONS.append(Provocation(f"agent.{error}", make, thing, cause, remedy))
        return make

    return enter


async def error_of(awaited: Awaitable[object]) -> str:
    """What it was refused with."""
    try:
        await awaited
    except EdgeRelayError as error:
        return str(error)
    raise AssertionError("nothing was refused")


# --- a configuration -----------------------------------------------------------------------------------------


@provokes("errors.ConfigError", "rule R1, tag", "unknown tag 'TT2'", "expected T")
async def unknown_tag(scene):
    """A name that nothing has."""
    return await scene.command("check", of=PLANT + "rules: {R1: {tag: TT2, high: 5}}")


@provokes("config.yaml_text._Stopped", "plant.yaml:2:1", "a tab cannot indent", "use spaces")
async def tab(scene):
    """What is no YAML."""
    return await scene.command("check", of="\tsources: {}\n")


@provokes("rules.terms.ExpressionError", "rule R1, when", "a `)` is missing", "add it")
async def expression(scene):
    """A condition that is never closed."""
    return await scene.command("check", of=PLANT + 'rules: {R1: {tag: T, high: 5, when: "(T > 1"}}')


@provokes(
    "config.register_map.text.ListError",
    "source plc, tags.import",
    "a workbook, not a text",
    "save the sheet as CSV",
)
async def workbook(scene):
    """A list of registers as it came."""
    (scene.folder / "map.xlsx").write_bytes(b"PK\3\4" + bytes(64))
    source = 'sources: {plc: {type: modbus, url: "tcp://127.0.0.1:1", tags: {import: {file: map.xlsx}}}}'
    return await scene.command("check", of=source)


TEMPLATED: Final = "destinations: {{chat: {{url: \"https://chat.example.com/\", format: template, signing: none, template: '{}'}}}}"


@provokes(
    "formats.template.UnfilledError",
    "destination chat, template",
    "what it writes is no JSON",
    "is written {{ value | json }}",
)
async def template(scene):
    """A body that no receiver can read."""
    return await scene.command("check", of=TEMPLATED.format('{"text": {{ message }} }'))


@provokes(
    "formats.errors.FormatError",
    "destination chat, template: line 1",
    "`| sum` is for numbers",
    "use it on a list of these",
)
async def sum_of_texts(scene):
    """A filter that was given something else."""
    return await scene.command("check", of=TEMPLATED.format('{"text": {{ ["a", "b"] | sum }} }'))


# --- a command -----------------------------------------------------------------------------------------------


@provokes(
    "cli.asking.NoAgentError", "data directory data", "no agent is running", "`systemctl status edge-relay`"
)
async def nobody(scene):
    """No agent runs there."""
    return await scene.command("status", of="")


@provokes(
    "cli.asking.SilentError",
    "control.sock",
    "has not answered within 5 s, it hangs",
    "then `systemctl restart edge-relay`",
)
async def hanging(scene):
    """It has its socket, and says nothing."""
    (scene.folder / "data").mkdir()
    with socket.socket(socket.AF_UNIX) as silent_one:
        silent_one.bind("data/control.sock")
        silent_one.listen()
        return await scene.command("status", of="")


@provokes("cli.verify_input.UsageError", "--headers FILE", "which headers arrived?", "Give")
async def no_headers(scene):
    """Half of what is needed."""
    return await scene.command(
        "verify", "--secret-file", scene.write(SECRET, "a.key"), scene.write("{}", "body")
    )


@provokes("sources.exploring.MistypedError", "source plx", "there is no source", "did you mean `plc`")
async def mistyped(scene):
    """A source that nobody has."""
    return await scene.command("browse", "plx", of=PLANT)


@provokes("proving.sheet.HistoryError", "none.csv", "No such file", "check the path")
async def no_history(scene):
    """A recording that is not there."""
    return await scene.command("backtest", "none.csv", of=PLANT + "rules: {R1: {tag: T, high: 5}}")


@provokes("proving.ledger.entries.LineError", "log.jsonl:1", "not JSON", "expected")
async def torn_log(scene):
    """A receiver's log with something else in it."""
    return await scene.command("ledger", scene.write("hello\n", "log.jsonl"))


@provokes("demo.DemoError", "127.0.0.1:", "address already in use", "choose another --port")
async def taken_port(scene):
    """Somebody listens there."""
    async with raw_server(answers()) as other:
        return await error_of(Receiver(SECRET, SystemClock(), print).start("127.0.0.1", other.port))


@provokes(
    "bundling.asked.MissingError", "data directory", "no agent is running", "`systemctl status edge-relay`"
)
async def bundle(scene):
    """What a bundle has no part of."""
    return await error_of(Asked(scene.folder).get("/api/status"))


@provokes("checkup.reach.HaltedError", "destinations, cmms", "refused", "check that the program there runs")
async def closed_port(scene):
    """A receiver that is not there."""
    (scene.folder / "data").mkdir()
    cmms = f'destinations: {{cmms: {{url: "http://127.0.0.1:{quiet_port()}/", signing: none}}}}'
    return await scene.command("doctor", "--connect", of=cmms)


async def turns_away(rig, reader, writer):
    """A broker that lets in certain clients alone (MQTT 3.1.1 and 5, by what it is asked in)."""
    asked = await reader.read(256)
    writer.write(b"\x20\x02\x00\x02" if b"MQTT\x04" in asked else b"\x20\x03\x00\x85\x00")
    await reader.read()


@provokes(
    "checkup.brokers._StrangerError",
    "127.0.0.1:",
    "refuses the client_id",
    "write another one",
)
async def stranger(scene):
    """A broker that refuses whoever is not the agent."""
    (scene.folder / "data").mkdir()
    async with raw_server(turns_away) as broker:
        bus = f'{{type: mqtt, url: "mqtt://127.0.0.1:{broker.port}", client_id: me}}'
        return await scene.command("doctor", "--connect", of=f"destinations: {{bus: {bus}}}")


# --- the API and its commands --------------------------------------------------------------------------------


@provokes("web.orders.MalformedError", "limt", "there is no parameter", "did you mean `limit`")
async def wrong_parameter(scene):
    """A misspelt question."""
    return await asked(scene, "/api/events?limt=3")


@provokes("web.orders.ImpossibleError", "source plc", "is not paused", "nothing to resume")
async def not_paused(scene):
    """An order that fits not what is."""
    return await asked(scene, "/api/sources/plc/resume", "POST")


@provokes("desk.UnknownError", "event 4711", "there is no event", "`edge-relay events` lists")
async def no_event(scene):
    """A number that nothing has."""
    return await asked(scene, "/api/events/4711")


@provokes("cli.asking.RefusedError", "source plx", "there is no source", "did you mean `plc`")
async def refused_order(scene):
    """What the agent says no to, through a command."""
    async with site(scene.folder, quiet_port()):
        return await scene.command("pause", "source:plx", "1m", "-c", "agent.yaml")


@provokes("web.routes.LateError", "the order", "did not come to its end", "send it again")
async def late_order(scene):
    """A body byte by byte."""
    scene.patch.setattr(routes, "_BODY_WITHIN_S", 0.1)
    async with site(scene.folder, quiet_port()) as here:
        head = f"POST /api/reload HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {ANNA}\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n1".encode())
        async with asyncio.timeout(30):
            answer = await reader.readuntil(b"}")
        writer.close()
        return answer.decode()


async def asked(scene, path, method="GET"):
    """What the page's port answers to an order of anna's."""
    async with site(scene.folder, quiet_port()) as here:
        more = {"json": {"by": "anna"}} if method == "POST" else {}
        return json.loads((await here.ask(path, method, ANNA, **more))[2])["error"]


# --- the store -----------------------------------------------------------------------------------------------


@provokes("errors.StoreRefused", "events.db", "is the database of another program", "move it aside")
async def another_program(scene):
    """A file that is not ours."""
    with sqlite3.connect(scene.folder / "events.db") as other:
        other.execute("CREATE TABLE invoice (id)")
    other.close()
    return await error_of(Store.open(scene.folder / "events.db", clock=HandClock(), boot="boot"))


@provokes(
    "errors.StoreDamaged",
    "events.db",
    "is damaged: its first page is not as it was",
    "what can be read of it is salvaged",
)
async def damaged(scene):
    """A flipped byte in the header; what the agent tells of it is in its log."""
    path = scene.folder / "events.db"
    async with opened(path):
        pass
    content = bytearray(path.read_bytes())
    content[18] ^= 0x40
    path.write_bytes(content)
    scene.log.clear()
    async with opened(path):
        pass
    return scene.log.text


@provokes("errors.StoreUnavailable", "events.db", "database or disk is full", "free some space")
async def full(scene):
    """No room for an event."""
    async with opened(scene.folder / "events.db") as store, full_disk(store):
        return await error_of(store.commit(step(*range(1, 400), bulk=4_000)))


# --- a source, and what is written to it ---------------------------------------------------------------------


@provokes("errors.SourceError", "127.0.0.1:", "Connection refused", "is Modbus enabled")
async def no_plc(scene):
    """Nothing listens there."""
    return await scene.command("browse", "tcp://127.0.0.1:1", of=PLANT)


async def refuses(exchange):
    """Exception 3: an illegal value."""
    await exchange.send(exchange.frame(exchange.exception(3)))


async def outcome_of(scene, data, **server):
    async with ModbusServer(**server) as plc, acting.plant(scene.folder, plc, timeout="300ms") as here:
        await here.send(**data)
        event = await here.outcome()
        return f"{event.data.get('target')}: {event.data['message']}"


@provokes("acting.journal.Declined", "nothing_here", "there is no tag", "check the name")
async def no_grant(scene):
    """A tag that nobody may write."""
    return await outcome_of(scene, {"tag": "nothing_here", "value": 5})


@provokes("sources.writing.WriteRefused", "speed", "does not take this value", "its manual says")
async def device_refuses(scene):
    """The device says no."""
    return await outcome_of(scene, {"tag": "speed", "value": 12.5}, behave=only_writes(refuses))


@provokes("sources.writing.WriteUncertain", "speed", "no answer", "read the tag to see what is there")
async def device_silent(scene):
    """The device says nothing."""
    return await outcome_of(scene, {"tag": "speed", "value": 12.5}, behave=only_writes(silent))


# --- a receiver, a relay -------------------------------------------------------------------------------------


@provokes("errors.RelayError", "127.0.0.1:", "it answered 401", "check `token`")
async def wrong_token(scene):
    """The relay does not know us."""
    async with raw_server(turns_down) as relay:
        return await relay_error("poll", f"http://127.0.0.1:{relay.port}/out")


@provokes(
    "inbound.sse.frames.EndlessError", "127.0.0.1:", "it sends without end, and no event", "check `url`"
)
async def endless(scene):
    """What is no stream of events."""
    async with raw_server(without_end) as relay:
        return await relay_error("sse", f"http://127.0.0.1:{relay.port}/events/a")


async def turns_down(rig, reader, writer):
    """A relay that does not know our token."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")
    await reader.read()


async def without_end(rig, reader, writer):
    """The beginning of an event that has no end."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    while True:
        writer.write(b"x" * 1_000_000)
        await writer.drain()


async def relay_error(kind, url):
    """What the session of a relay ends with."""
    section = {"type": kind, "url": url, "verify": "none", "token": "sk_1", "insecure_token": True}
    session = Session()
    session.begin(RELAY.validate_python(section))
    return await error_of(session.task)


async def why(url, **changes):
    """Why nothing of a message came to this webhook."""
    async with webhook(url, **changes) as destination:
        return f"{destination.where if hasattr(destination, 'where') else url}: {(await destination.deliver(MESSAGE)).why}"


@provokes(
    "http.network.ForbiddenAddressError",
    "169.254.169.254",
    "nothing is sent to link-local addresses",
    "check",
)
async def metadata(scene):
    """A name that leads to a metadata service."""
    scene.patch.setattr("agent.http.urls.forbidden", lambda _: "")
    return await why("http://169.254.169.254/")


@provokes("http.oauth.NoTokenError", "no token from 127.0.0.1:", "invalid_client", "check client_id")
async def wrong_secret(scene):
    """The authorization server does not know us."""
    async with token_endpoint() as endpoint:
        return await why(endpoint.port, auth={"oauth2": {**endpoint.oauth2, "client_secret": "another"}})


@provokes(
    "http.trust.PinError",
    "the certificate of 127.0.0.1",
    "none of its keys is pinned",
    "write the right one as tls",
)
async def another_key(scene):
    """A key that nobody pinned."""
    authority = Authority(scene.folder)
    async with raw_server(answers(), authority.issue("server")) as server:
        tls = {"ca": str(authority.certificate), "pin": "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
        return await why(f"https://127.0.0.1:{server.port}/", tls=tls)


@provokes("http.trust.UnusableError", "none.pem", "No such file", "wants a PEM file")
async def no_authority(scene):
    """A file that is not there."""
    return await why("https://127.0.0.1:1/", tls={"ca": "none.pem"})


async def published(port):
    """What a NATS server does with a message."""
    config = NatsDestination.model_validate(
        {"type": "nats", "servers": [f"nats://127.0.0.1:{port}"], "subject": "a.b", "timeout": "1s"}
    )
    client = NatsClient("bus", config, SystemClock(), Identity("dresden", "line-4", "e1"))
    try:
        outcome = await client.deliver(MESSAGE)
    finally:
        client.close()
    return getattr(outcome, "why", "") or outcome.said


@provokes("delivery.said.Lost", "127.0.0.1:1", "connection refused", "check that the server is running")
async def no_server(scene):
    """Nothing listens there."""
    return await published(1)


async def speaks(words, rig, reader, writer):
    writer.write(words)
    await reader.read()


@provokes("codec.nats.ProtocolError", "127.0.0.1:", "does not speak NATS", "check `servers`")
async def another_protocol(scene):
    """A web server."""
    async with raw_server(lambda *all_of: speaks(b"HTTP/1.1 400 Bad Request\r\n\r\n", *all_of)) as server:
        return await published(server.port)


@provokes(
    "delivery.said.TurnedAway", "without a login", "Authorization Violation", "write user: and password:"
)
async def turned_away(scene):
    """A server that knows nobody."""
    words = b'INFO {"max_payload":1000000}\r\n' + b"-ERR 'Authorization Violation'\r\n"
    async with raw_server(lambda *all_of: speaks(words, *all_of)) as server:
        return await published(server.port)
