"""What the commands of the commissioning day share: which source is meant, and how what is found is shown.

Rules for whoever changes this: a source by its url needs no configuration at all, one by its name
needs its own secrets and nobody else's; nothing here knows what a protocol can find.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from agent.cli.asking import NoAgentError, ask, told
from agent.errors import ConfigError, EdgeRelayError, SourceError
from agent.model import Json, Value
from agent.sources.exploring import MistypedError

if TYPE_CHECKING:
    from agent.config.model import Configuration
    from agent.config.yaml_text import Key, Plain
    from agent.sources import SourceConfig

T = TypeVar("T")

_URL: Final = re.compile(r"([a-z][a-z0-9+.]*)://")
# What a source is validated with that has a url alone; its tag is taken away again.
_BARE: Final[Mapping[str, "dict[Key, Plain]"]] = {
    "modbus": {"tags": {"unused": {"area": "holding", "offset": 0, "type": "uint16"}}},
    "opcua": {"security": "none", "tags": {"unused": {"node": "i=2258"}}},
    "mqtt": {"keep_session": False, "tags": {"unused": {"topic": "unused"}}},
}
_TYPES: Final = {
    **dict.fromkeys(("tcp", "tls", "rtu", "rtu+tcp"), "modbus"),
    "opc.tcp": "opcua",
    **dict.fromkeys(("mqtt", "mqtts"), "mqtt"),
}
_SCHEMES: Final = "tcp, rtu+tcp, rtu or tls (Modbus), opc.tcp (OPC UA), mqtt or mqtts (MQTT)"
_ADDRESS: Final = re.compile(r"(?!source:)[\w.-]+:\d+|\d+(?:\.\d+){3}")
_PLAIN: Final = re.compile(r"[A-Za-z][\w.-]*")
_WORDS: Final = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
_REDRAWN_EVERY: Final = 0.2  # seconds


def asked(work: Callable[[], Awaitable[int]]) -> int:
    """Run a command that asks devices; the exit status: what was mistyped is a matter of usage."""

    async def answered() -> int:
        try:
            return await work()
        except MistypedError as error:
            print(f"edge-relay: {error}", file=sys.stderr)
            return 2

    return told(answered)


def source_of(text: str, path: Path) -> "SourceConfig":
    """Give the source that is meant: `tcp://192.168.1.5:502`, or one of the configuration by its name.

    Raises:
        MistypedError: there is none, or the url is none.
        ConfigError: the configuration has errors.
    """
    scheme = _URL.match(text)
    if scheme is not None:
        return _by_url(text, scheme[1])
    if text.startswith("/dev/"):
        raise MistypedError(f"{text} is a serial port: write it as a url, rtu://{text}?baudrate=9600")
    from agent.config.messages import did_you_mean

    if _ADDRESS.fullmatch(text):
        raise MistypedError(
            f"{text} does not say what is spoken there: write tcp://{text} for Modbus, opc.tcp://{text}, mqtt://{text}"
        )
    name = text.removeprefix("source:")
    configuration = without_secrets(path)
    if name not in configuration.sources:
        guess = (
            did_you_mean(name, configuration.sources)
            if configuration.sources
            else ": the configuration has none, write an address such as tcp://HOST"
        )
        raise MistypedError(f"there is no source {name}{guess}")
    return with_secrets(path, configuration, [name])[name]


def _by_url(url: str, scheme: str) -> "SourceConfig":
    from pydantic import TypeAdapter, ValidationError

    from agent.config.messages import findings
    from agent.sources import SourceConfig

    kind = _TYPES.get(scheme)
    if kind is None:
        raise MistypedError(f"{scheme}:// is nothing to read from: expected {_SCHEMES}")
    adapter: TypeAdapter[SourceConfig] = TypeAdapter(SourceConfig)
    data: dict[Key, Plain] = {"type": kind, "url": url, **_BARE[kind]}
    try:
        config = adapter.validate_python(data)
    except ValidationError as error:
        raise MistypedError("; ".join(each.text for each in findings(error, data, adapter))) from None
    return config.model_copy(update={"tags": {}})


def without_secrets(path: Path) -> "Configuration":
    """Load the configuration as it is on a machine that has none of its secrets.

    Raises:
        ConfigError: with all that is wrong.
    """
    from agent.config.load import load
    from agent.config.secrets import NOT_NEEDED

    return load(path, NOT_NEEDED)


def with_secrets(
    path: Path, configuration: "Configuration", names: Collection[str]
) -> dict[str, "SourceConfig"]:
    """Give these sources with their own secrets, which must be there; those of destinations need not.

    Raises:
        ConfigError: a secret is missing.
    """
    from agent.config.secrets import Secret
    from agent.config.templates import SOURCE, Expanding
    from agent.config.walk import texts_in

    sources = {name: configuration.sources[name] for name in names}
    secret = [
        name
        for name, source in sources.items()
        if any(isinstance(text, Secret) for _, text in texts_in(source, ()))
    ]
    if not secret:
        return sources
    loading = Expanding(path, os.environ)
    loading.context = replace(loading.context, data_dir=configuration.agent.data_dir)
    loading.expand_sources()
    for name in secret:
        config = loading.validate(("sources", name), loading.named("sources")[name], SOURCE)
        if config is not None:
            sources[name] = config
    if any(problem.severity == "error" for problem in loading.problems):
        raise ConfigError(loading.problems)
    return sources


@asynccontextmanager
async def closing(found: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close what an explorer gives, and with it the connection, however much of it was wanted."""
    try:
        yield found
    finally:
        if isinstance(found, AsyncGenerator):
            await found.aclose()


async def hint_of_pause(data_dir: Path, failures: Mapping[str, str]) -> list[str]:
    """What to do where a source refuses a second connection because the agent has the first."""
    if not failures:
        return []
    try:
        states = await states_of(data_dir)
    except NoAgentError:
        return []
    except EdgeRelayError:
        states = dict.fromkeys(failures, "up")  # it runs, and does not tell us more
    return [
        f"{source}: the running agent is connected to it, and the device may take one connection only: "
        f"`edge-relay pause source:{source} 10m` frees it"
        for source in failures
        if states.get(source) == "up"
    ]


async def states_of(data_dir: Path) -> dict[str, str]:
    """What the running agent says of its sources: up, down or paused, by name.

    Raises:
        NoAgentError: none runs.
        EdgeRelayError: it does not answer us.
    """
    status = await ask(data_dir, "GET", "/api/status")
    sources = status["sources"] if isinstance(status, dict) else None
    rows = sources.items() if isinstance(sources, dict) else ()
    return {name: str(row["state"]) for name, row in rows if isinstance(row, dict)}


@asynccontextmanager
async def hinting(source: str, path: Path) -> AsyncIterator[None]:
    """Add to the error of a source that cannot be reached what frees it, if the agent may hold it.

    Raises:
        SourceError: as it came, with the hint.
    """
    try:
        yield
    except SourceError as error:
        if _URL.match(source):
            raise
        from agent.config.agent_section import load_agent

        hints = await hint_of_pause(load_agent(path).data_dir, {source.removeprefix("source:"): ""})
        raise SourceError("\nedge-relay: ".join([str(error), *hints])) from None


# --- how things are shown ------------------------------------------------------------------------------


def shown(value: Value | None) -> str:
    """A value as a person reads it: seven digits of a float are what a sensor can mean."""
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.7g}"
        case _:
            return str(value)


def flow(value: Json) -> str:
    """A value as one line of YAML, such as `{address: "40011", type: int16}`."""
    match value:
        case dict():
            return f"{{{', '.join(f'{flow(key)}: {flow(each)}' for key, each in value.items())}}}"
        case list():
            return f"[{', '.join(map(flow, value))}]"
        case str() if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


class Progress:
    """What is told on the terminal while nothing is found: how much was, and that work goes on."""

    def __init__(self, what: str, done: str) -> None:
        self.count = 0
        self._what, self._done = what, done
        self._shown = False

    def clear(self) -> None:
        """Make room for a row."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False

    async def show(self) -> None:
        """Redraw until cancelled."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(_REDRAWN_EVERY)
            text = f"{self._what}: {self.count} {self._done}, {loop.time() - began:.0f} s (Ctrl-C ends it)"
            fits = text[: shutil.get_terminal_size().columns - 1]  # a line that goes on below is not redrawn
            print(f"\r\x1b[K{fits}", end="", file=sys.stderr, flush=True)
            self._shown = True


@asynccontextmanager
async def progress(what: str, done: str = "found") -> AsyncIterator[Progress]:
    """Show progress on stderr if that is a terminal."""
    counted = Progress(what, done)
    if not sys.stderr.isatty():
        yield counted
        return
    task = asyncio.create_task(counted.show(), name="progress")
    try:
        yield counted
    finally:
        task.cancel()
        await asyncio.wait([task])
        counted.clear()
