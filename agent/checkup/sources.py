"""Sources: whether each is reached, and answers in its protocol, without getting into the running agent's way.

Many a PLC takes one connection, and whoever comes second is refused, or throws the first one out. So while an
agent runs its word counts for Modbus, and for whatever it is connected to; a second connection is made only when
a person says `--connect`, or where no agent runs.

Rules for whoever changes this: of Modbus one connection, one request; of OPC UA what a server shows to anybody,
no session, and no certificate of ours is made for it; nothing is written, to no device.
"""

import asyncio
import os
import stat
from pathlib import Path
from typing import Final, assert_never

from cryptography import x509

from agent.checkup.brokers import examine_broker
from agent.checkup.case import Case
from agent.checkup.certificates import lifetime, shown
from agent.checkup.finding import Finding, Subject, Verdict, parted, worst
from agent.checkup.processes import holders
from agent.checkup.reach import HaltedError, Steps, connect, look_up
from agent.checkup.users import User, group_name
from agent.clock import Clock
from agent.errors import SourceError
from agent.model import SECOND, Json, Quality
from agent.sources import SourceConfig, reached
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.endpoint import Network, SerialPort
from agent.sources.mqtt.config import MqttSource
from agent.sources.mqtt.sparkplug_config import SparkplugSource
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.trust import ISSUERS, TRUSTED, TrustStore
from agent.sources.simulated import SimulatedSource

SOURCES: Final = Subject("sources")
_LOOK: Final = "look at the device, and at the network"
_WITHIN: Final = 5 * SECOND


async def examine_source(
    name: str, config: SourceConfig, case: Case, user: User, clock: Clock
) -> list[Finding]:
    """Say how it stands with one source."""
    if isinstance(config, SimulatedSource):
        return [SOURCES.good(name, "simulated: no connection")]
    told = _told(case, name)
    found = [] if told is None else [_word(name, told)]
    state = str(told["state"]) if told else ""
    modbus = isinstance(config, ModbusSource)
    if case.offline or (not case.connect and (state in {"up", "paused"} or (modbus and case.held))):
        return found or [SOURCES.skipped(name, *_not_asked(config, case))]
    secret = f"source {name}" in case.parts.without_secrets
    match config:
        case ModbusSource():
            asked = await _modbus(name, config, user, clock)
        case OpcUaSource():
            asked = await _opcua(name, config, clock)
        case MqttSource() | SparkplugSource():
            asked = await examine_broker(SOURCES, name, config, clock, secret=secret)
        case _:
            assert_never(config)
    # That it is down is said once: by the step that fails now, if one does, else by the agent alone.
    return asked if state == "down" and worst(asked) is Verdict.PROBLEM else [*found, *asked]


def _told(case: Case, name: str) -> dict[str, Json] | None:
    sources = case.told.get("sources")
    row = sources.get(name) if isinstance(sources, dict) else None
    return row if isinstance(row, dict) else None


def _not_asked(config: SourceConfig, case: Case) -> tuple[str, str]:
    place = reached(config)
    where = "" if place is None else f"{place.host}{f':{place.port}' if place.port else ''}: "
    if case.offline:
        return f"{where}not asked (--offline)", ""
    return (
        f"{where}not asked: an agent runs here that tells us nothing of it, and may have its only connection",
        "--connect asks all the same; `edge-relay pause source:NAME 10m` frees it before",
    )


def _word(name: str, told: dict[str, Json]) -> Finding:
    """Give what the running agent says of a source."""
    state, reason, bad = str(told["state"]), str(told.get("reason") or ""), told.get("bad")
    if state == "paused":
        return SOURCES.warning(
            name, reason or "paused", f"`edge-relay resume source:{name}`, when that is over"
        )
    if state != "up":
        said, remedy = parted(f"down, says the running agent: {reason}", _LOOK)
        return SOURCES.problem(name, said, remedy)
    if isinstance(bad, dict) and bad:
        tag, why = next(iter(bad.items()))
        said, remedy = parted(f"{len(bad)} of {told['tags']} tags are bad, first {tag}: {why}", _LOOK)
        return SOURCES.warning(name, said, remedy)
    return SOURCES.good(name, f"the running agent is connected, and reads {told['tags']} tags")


async def _modbus(name: str, config: ModbusSource, user: User, clock: Clock) -> list[Finding]:
    endpoint = config.endpoint
    place = f"{endpoint.host}:{endpoint.port}" if isinstance(endpoint, Network) else endpoint.device
    steps = Steps(SOURCES, name, place, clock)
    try:
        if isinstance(endpoint, Network):
            await look_up(endpoint.host, endpoint.port, steps)
        else:
            await asyncio.to_thread(_check_port, endpoint, user)
        steps.begin()
        return await _first_tag(config, steps, clock)
    except HaltedError as halted:
        return steps.bad(halted.said, halted.remedy)
    except SourceError as error:
        return steps.bad(*parted(str(error), _LOOK))


async def _first_tag(config: ModbusSource, steps: Steps, clock: Clock) -> list[Finding]:
    """Read the first tag over one connection: the first that a device sees of us is what it must answer.

    Raises:
        SourceError: there is no connection.
    """
    from agent.sources.modbus.explore import look  # noqa: PLC0415 - the protocol's library, loaded when it is spoken

    impatient = config.model_copy(update={"timeout": min(config.timeout, _WITHIN), "retries": 0})
    tag = next((point.tag for point in config.points()), "")
    async for each in look(impatient, clock, [tag]):
        reading = each.reading
        steps.end("TCP and Modbus" if isinstance(config.endpoint, Network) else "Modbus")
        if reading.quality is Quality.BAD:
            return steps.bad(*parted(f"tag {tag}: {reading.reason}", _LOOK))
        return steps.good(f"it answers: tag {tag} was read")
    return steps.good("")


def _check_port(port: SerialPort, user: User) -> None:
    """Look at a serial port of this machine without opening it.

    Raises:
        HaltedError: it is not there, the agent's user may not use it, or somebody else does.
    """
    path = Path(port.device)
    try:
        found = path.stat()
    except OSError as error:
        remedy = "is the adapter plugged in? `ls -l /dev/serial/by-id` lists those that are"
        raise HaltedError(f"there is no such port ({error.strerror})", remedy) from None
    if not stat.S_ISCHR(found.st_mode):
        raise HaltedError("this is no serial port", "look at `url`")
    if not user.may(path, os.R_OK | os.W_OK):
        group = group_name(found.st_gid)
        remedy = f"`usermod -aG {group} {user.name}`, then restart the agent; under systemd see systemd/serial-ports.conf"
        raise HaltedError(f"{user.name}, as whom the agent runs, may not use it (group {group})", remedy)
    if who := holders(str(path.resolve())):
        raise HaltedError(
            f"another program has it: {', '.join(who)}", "end that program; a line has one master"
        )


async def _opcua(name: str, config: OpcUaSource, clock: Clock) -> list[Finding]:
    place = reached(config)
    host, port = (place.host, place.port or 0) if place else ("", 0)
    steps = Steps(SOURCES, name, f"{host}:{port}", clock)
    try:
        await connect(host, port, steps)
        steps.begin()
        presented = await _presented(config)
        steps.end("OPC UA")
    except HaltedError as halted:
        return steps.bad(halted.said, halted.remedy)
    except SourceError as error:
        return steps.bad(*parted(str(error), _LOOK))
    if presented is None:
        return steps.good("the server offers what is configured, without security")
    steps.more += shown(SOURCES, name, presented, clock.wall())
    steps.done.append(f"certificate {lifetime(presented, clock.wall())}")
    if not await asyncio.to_thread(_is_trusted, config, presented):
        remedy = f"`edge-relay trust {name}` shows it, to be compared, and trusts it"
        return steps.bad("the server's certificate is not trusted", remedy)
    return steps.good("the server offers what is configured")


async def _presented(config: OpcUaSource) -> x509.Certificate | None:
    """Ask a server for the certificate that it would use; None: without security it uses none.

    Raises:
        SourceError: it cannot be asked, or does not offer what is configured.
    """
    # The protocol's library, loaded when it is spoken.
    from agent.sources.opcua.discovery import FAILURES, offers, shown, wanted  # noqa: PLC0415 - see above
    from agent.sources.opcua.refusals import explain  # noqa: PLC0415 - see above

    impatient = config.model_copy(update={"timeout": min(config.timeout, _WITHIN)})
    if config.security.mode != "none":
        return (await shown(impatient)).certificates[0]
    try:
        wanted(config, await offers(impatient))
    except FAILURES as error:
        raise SourceError(explain(error, config)) from error
    return None


def _is_trusted(config: OpcUaSource, presented: x509.Certificate) -> bool:
    """Whether a person, or perhaps an authority, has trusted it; what cannot be read from here is not judged."""
    security = config.security
    try:
        readable = not security.pki.exists() or os.access(security.pki, os.R_OK | os.X_OK)
    except PermissionError:
        readable = False
    if security.server_certificate is not None or not readable:
        return True
    store = TrustStore(security.pki)
    return bool(store.kept(ISSUERS)) or presented in [each.certificate for each in store.kept(TRUSTED)]
