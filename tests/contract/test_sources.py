"""What every source guarantees (design: sources), over every kind of source.

A test asks for the abilities that it needs of a kind; a kind without one says why in
`rigs.source_kinds`.
"""

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
import time
import traceback
from typing import get_args

import pytest
from rigs.census import census, settled
from rigs.deaf import deaf_port
from rigs.source_kinds import ABILITIES, CANARY, KINDS, POLL, able
from rigs.source_session import NAME, Session, glance, running
from rigs.source_tree import ROOT

from agent.clock import SystemClock
from agent.model import SECOND, Alive, Link, Quality
from agent.sources import SourceConfig

NOTICED_WITHIN = 4.0  # seconds after a connection was cut
REMEDY = re.compile(r"\b(check|see|look|restarted|is the|is Modbus|raise|write)\b")
CYCLES = 30


def of_kinds(*abilities: str):
    return pytest.mark.parametrize("kind", able(*abilities), indirect=True)


@pytest.fixture
def kind(request):
    return KINDS[request.param](request)


def test_every_kind_of_the_configuration_is_under_contract():
    """A source that can be configured stands in the table, and says why of everything it cannot do."""
    union = get_args(get_args(SourceConfig)[0])
    sections = [get_args(get_args(one)[0])[0] if get_args(one) else one for one in union]  # MQTT has two
    configurable = {get_args(section.model_fields["type"].annotation)[0] for section in sections}

    assert configurable == set(KINDS)
    for each in KINDS.values():
        assert set(each.cannot) <= ABILITIES
        assert all(each.cannot.values())


@of_kinds()
async def test_the_link_is_told_before_the_first_reading_and_once(kind):
    """Whatever follows, `Link(up)` under the source's name comes first."""
    async with kind, running(kind.config()) as session:
        await session.until(lambda: session.values)

        assert session.seen[0] == session.links[0]
        assert [(link.source, link.up) for link in session.links] == [(NAME, True)]


@of_kinds()
async def test_the_first_value_is_a_baseline_and_a_change_is_not(kind):
    """A start is told apart from a change, and the changed value arrives."""
    async with kind, running(kind.config()) as session:
        await session.until(lambda: session.values)
        changed = await kind.change()
        await session.until(lambda: changed in session.values)

    good = [reading for reading in session.readings() if reading.quality is Quality.GOOD]
    first_changed = next(reading for reading in good if reading.value == changed)
    assert (good[0].value, good[0].baseline) == (0, True)
    assert not first_changed.baseline
    assert sum(reading.baseline for reading in good) == 1


class _AnotherClock(SystemClock):
    """Days away from the machine's, so that an instant of any other clock is seen."""

    def monotonic(self) -> int:
        return super().monotonic() + 10**15


@of_kinds()
async def test_instants_are_those_of_the_clock_that_was_passed_in(kind):
    """`received` and the link's `at` lie between start and end by that clock, and never run backwards."""
    clock = _AnotherClock()
    began = clock.monotonic()
    async with kind, running(kind.config(), clock=clock) as session:
        await session.until(lambda: session.values)
        for _ in range(3):
            changed = await kind.change()
            await session.until(lambda value=changed: value == session.values[-1])

    instants = [one.at if isinstance(one, Link | Alive) else one.received for one in session.seen]
    received = [reading.received for reading in session.readings()]
    assert began <= min(instants) <= max(instants) <= clock.monotonic()
    assert received == sorted(received)


@of_kinds("spoil")
async def test_a_tag_that_cannot_be_read_is_bad_alone(kind):
    """It has no value and a reason; its neighbour goes on being read."""
    async with kind, running(kind.config()) as session:
        await session.until(lambda: session.readings("SPOILED") and session.values)
        changed = await kind.change()
        await session.until(lambda: changed in session.values)

    for reading in session.readings("SPOILED"):
        assert (reading.value, reading.quality) == (None, Quality.BAD)
        assert reading.reason
    assert {reading.quality for reading in session.readings()} == {Quality.GOOD}


async def _stop(kind):
    await kind.stop()


async def _cut(kind):
    kind.line.cut()


@of_kinds("link")
@pytest.mark.parametrize("hurt", [_stop, _cut])
async def test_a_lost_device_ends_the_session_and_the_next_one_works(kind, hurt):
    """At once, with address and remedy; the next begins with the link and a baseline, of the newest value."""
    async with kind:
        async with running(kind.config()) as session:
            await session.until(lambda: session.values)
            await hurt(kind)
            why = await session.error(NOTICED_WITHIN)
        if hurt is _stop:
            await kind.start()
        newest = await kind.change()
        async with running(kind.config()) as again:
            await again.until(lambda: newest in again.values)

    assert f"127.0.0.1:{kind.port}" in why
    assert REMEDY.search(why), why
    assert again.seen[0] == again.links[0]
    assert next(reading for reading in again.readings() if reading.value is not None).baseline


@of_kinds("link")
async def test_a_device_that_moved_is_found_where_its_name_leads(kind, monkeypatch):
    """It was given another address: each connect asks for the name anew, no old answer is remembered."""
    addresses = iter(["127.0.0.9", "127.0.0.1"])  # nobody listens at the first
    usual, asked = socket.getaddrinfo, []

    def name_server(host, *rest: object, **named: object):
        if host != "device.plant":
            return usual(host, *rest, **named)
        asked.append(next(addresses))
        return usual(asked[-1], *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", name_server)
    async with kind:
        config = kind.config(host="device.plant")
        async with running(config) as session:
            assert "device.plant" in await session.error(NOTICED_WITHIN)
        await glance(config)

    assert asked == ["127.0.0.9", "127.0.0.1"]


@of_kinds("link")
async def test_a_line_that_goes_silent_ends_the_session(kind):
    """A half-open connection is noticed though nobody closes it."""
    async with kind, running(kind.config(), session=kind.impatient(kind.config())) as session:
        await session.until(lambda: session.values)
        kind.line.dead = True
        why = await session.error(kind.silence)

    assert f"127.0.0.1:{kind.port}" in why
    assert REMEDY.search(why), why


@of_kinds("link")
async def test_a_connection_alone_is_no_proof_of_the_device(kind, caplog):
    """Whoever accepts and never answers has not proved itself: no link, an error in time, no password told."""
    caplog.set_level("DEBUG")
    async with kind:
        kind.line.dead = True
        async with running(kind.config(password=CANARY)) as session:
            why = await session.error(NOTICED_WITHIN)

    assert CANARY not in "".join(traceback.format_exception(session.task.exception()))
    assert CANARY not in caplog.text
    assert not session.links
    assert f"127.0.0.1:{kind.port}" in why
    assert REMEDY.search(why), why


@contextlib.contextmanager
def _nobody_listens(kind):
    yield {"port": kind.device_port}


@contextlib.contextmanager
def _packets_are_dropped(kind):
    with deaf_port() as port:
        yield {"port": port}


@contextlib.contextmanager
def _the_name_is_unknown(kind):
    yield {"host": "no-such-plc.invalid", "port": 4711}  # RFC 2606: never resolves


UNREACHABLE = [_nobody_listens, _packets_are_dropped, _the_name_is_unknown]


@of_kinds("link")
@pytest.mark.parametrize("reason", UNREACHABLE)
async def test_a_device_that_cannot_be_reached_is_told_in_time(kind, reason):
    """An error that names host and remedy, and no hang."""
    async with kind:
        await kind.stop()
        with reason(kind) as address:
            async with running(kind.config(**address)) as session:
                why = await session.error(NOTICED_WITHIN)

    assert address.get("host", f"127.0.0.1:{address['port']}") in why
    assert REMEDY.search(why), why
    assert not session.seen


@of_kinds("secret")
async def test_a_refused_password_is_not_told(kind, caplog):
    """Neither by the error with all its causes nor by any log (node-red-contrib-opcua#508)."""
    caplog.set_level("DEBUG")
    async with kind, running(kind.config(password=CANARY)) as session:
        await session.error(NOTICED_WITHIN)

    assert CANARY not in "".join(traceback.format_exception(session.task.exception()))
    assert CANARY not in caplog.text


@of_kinds()
@pytest.mark.parametrize("from_the_start", [True, False])
async def test_a_store_that_takes_nothing_breaks_nothing(kind, from_the_start):
    """The session goes on, and once the store takes it again, the newest value arrives, after the link."""
    async with kind, running(kind.config()) as session:
        session.refusing = from_the_start
        if not from_the_start:
            await session.until(lambda: session.values)
        session.refusing = True
        newest = await kind.change()
        await session.offered(1)
        session.refusing = False
        await session.until(lambda: newest in session.values)

    assert session.seen[0] == session.links[0]
    assert next(reading for reading in session.readings() if reading.value is not None).baseline
    assert len(session.links) == 1


@of_kinds()
async def test_a_stall_is_survived_and_not_made_up_for(kind):
    """Two seconds in which `emit` does not return: no burst of stale readings follows, and reading goes on."""
    async with kind, running(kind.config()) as session:
        await session.until(lambda: session.values)
        session.gate.clear()
        await kind.change()
        await session.offered(1)
        await asyncio.sleep(2)  # the stall itself
        released, before = time.monotonic(), len(session.seen)
        session.gate.set()
        changed = await kind.change()
        await session.until(lambda: session.values[-1] == changed)
        await asyncio.sleep(4 * POLL)  # a burst would fall into it

    late = [reading for reading in session.readings() if reading in session.seen[before:]]
    stale = [reading for reading in late if reading.received < (released - POLL) * SECOND]
    soon = [at for at in session.taken_at if released <= at < released + 4 * POLL]
    assert len(stale) <= 1  # the one that was held up
    assert len(soon) <= 8  # forty were missed
    assert len(session.links) == 1


async def _before_it_ran(kind, session):
    session.begin(kind.config())


async def _while_it_connects(kind, session):
    kind.line.dead = True
    session.begin(kind.config())
    async with asyncio.timeout(30):
        while not kind.line.open:
            await asyncio.sleep(0)


async def _in_the_first_emit(kind, session):
    session.gate.clear()
    session.begin(kind.config())
    await session.offered(1)


async def _in_a_later_emit(kind, session):
    session.begin(kind.config())
    await session.until(lambda: session.values)
    session.gate.clear()
    await kind.change()
    await session.offered(1)


async def _while_it_waits(kind, session):
    session.begin(kind.config())
    await session.until(lambda: session.values)


async def _on_a_silent_line(kind, session):
    session.begin(kind.config())
    await session.until(lambda: session.values)
    kind.line.dead = True


async def _while_the_store_refuses(kind, session):
    session.refusing = True
    session.begin(kind.config())
    await session.offered(1)


ANYWHERE = [_before_it_ran, _in_the_first_emit, _in_a_later_emit, _while_it_waits, _while_the_store_refuses]
MOMENTS = [
    *((kind, moment) for kind in KINDS for moment in ANYWHERE),
    *((kind, moment) for kind in able("link") for moment in (_while_it_connects, _on_a_silent_line)),
]


@pytest.mark.parametrize(("kind", "moment"), MOMENTS, indirect=["kind"])
async def test_cancelled_at_any_moment_it_ends_and_leaves_nothing(kind, moment):
    """Within two seconds, and no task, descriptor or thread is left."""
    async with kind:
        await glance(kind.config())
        await _quiet(kind)
        before = census()
        session = Session()
        await moment(kind, session)
        await session.cancel()
        await settled(before)


@of_kinds()
async def test_cancelled_while_it_starts_it_leaves_nothing(kind):
    """At forty instants from the first step on to well behind the first value."""
    async with kind:
        began = time.monotonic()
        await glance(kind.config())
        took = time.monotonic() - began
        await _quiet(kind)
        before = census()
        for step in range(40):
            session = Session()
            session.begin(kind.config())
            await asyncio.sleep(took * step / 30)
            await session.cancel()
        await settled(before)


@of_kinds()
async def test_short_sessions_leave_nothing(kind):
    """Thirty sessions, each up to its first value: the counts are what they were."""
    async with kind:
        await glance(kind.config())
        await _quiet(kind)
        before = census()
        for _ in range(CYCLES):
            await glance(kind.config())
        await settled(before)


async def _quiet(kind):
    """Wait until the device has noticed that the last session is gone."""
    while "link" not in kind.cannot and kind.line.open:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_imports_no_library_of_another(name, request):
    """An agent that reads one kind pays for that kind alone, even in a session."""
    kind = KINDS[name](request)
    libraries = {each.library for each in KINDS.values()} - {None}
    code = f"""
import asyncio, contextlib, sys
from agent.clock import SystemClock
from agent.errors import SourceError
from agent.sources import SourceConfig, session
from agent.sources.writing import Door
from pydantic import TypeAdapter

async def emit(seen):
    raise SourceError("enough")

config = TypeAdapter(SourceConfig).validate_python({kind.section(port=1)!r})
with contextlib.suppress(SourceError):
    asyncio.run(session(config, Door())("plant", emit, SystemClock()))
print(sorted({libraries!r} & set(sys.modules)))
"""
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )

    assert (child.stderr, child.stdout.strip()) == ("", str([kind.library] if kind.library else []))
