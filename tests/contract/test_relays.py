"""What every relay of incoming webhooks guarantees (`agent.inbound.base`), over every kind of relay.

A test asks for the abilities that it needs of a kind; a kind without one says why in `rigs.relay_kinds`.
"""

import asyncio
import contextlib
import re
import traceback
from typing import get_args

import pytest
from rigs.census import census, settled
from rigs.deaf import deaf_port
from rigs.relay_kinds import ABILITIES, CANARY, KINDS, able
from rigs.relay_session import PATIENCE, Session, running

from agent.inbound.config import RelayConfig

REMEDY = re.compile(r"\b(check|look|raise|write|mend)\b")
BODIES = [
    b'{"type": "order.created",\n "data": {"n": 1.0}}',
    '{"ort":"Kläranlage"}'.encode(),
    b"\xff\x00not JSON",
]
CYCLES = 15


def of_kinds(*abilities: str):
    return pytest.mark.parametrize("kind", able(*abilities), indirect=True)


@pytest.fixture
def kind(request, tmp_path):
    return KINDS[request.param](tmp_path)


def test_every_kind_of_the_configuration_is_under_contract():
    """A relay that can be configured stands in the table, and says why of everything it cannot do."""
    union = get_args(get_args(RelayConfig)[0])
    configurable = {get_args(section.model_fields["type"].annotation)[0] for section in union}

    assert {each.type for each in KINDS.values()} == configurable
    for each in KINDS.values():
        assert set(each.cannot) <= ABILITIES
        assert all(each.cannot.values())


@of_kinds("raw")
async def test_a_message_is_what_its_sender_has_sent(kind):
    """Byte for byte, with its headers under lower-case names, in order, and said to be raw."""
    async with kind, running(kind.config()) as session:
        await session.until(lambda: session.answers)
        for number, body in enumerate(BODIES):
            await kind.put(body, {"Webhook-Id": f"msg_{number}", "webhook-signature": "v1,abc= v1a,def="})
        await session.until(lambda: len(session.taken) >= len(BODIES))

    assert session.bodies == BODIES
    assert [message.headers["webhook-id"] for message in session.taken] == ["msg_0", "msg_1", "msg_2"]
    assert {message.headers["webhook-signature"] for message in session.taken} == {"v1,abc= v1a,def="}
    assert all(message.raw for message in session.taken)
    assert all(name == name.lower() for message in session.taken for name in message.headers)


@of_kinds("keeps")
async def test_what_came_while_nobody_listened_is_handed_over_in_order(kind):
    """A hundred messages, each once."""
    bodies = [b'{"n":%d}' % number for number in range(100)]
    async with kind:
        async with running(kind.config()) as session:
            await session.until(lambda: session.answers)
        for body in bodies:
            await kind.put(body)
        async with running(kind.config(), session.cursor) as session:
            await session.until(lambda: len(session.taken) >= len(bodies))

    assert session.bodies == bodies


@of_kinds()
async def test_a_relay_that_has_nothing_is_alive(kind):
    """It has answered: `accept` is told so, with no message."""
    async with kind, running(kind.config()) as session:
        await session.until(lambda: session.answers >= 2)

    assert not session.taken


@of_kinds("keeps")
async def test_nothing_is_acknowledged_before_it_is_on_disk(kind):
    """While `accept` has not returned the relay keeps it; killed then, the next session is given it again."""
    async with kind:
        session = Session()
        session.begin(kind.config())
        await session.until(lambda: session.answers)
        session.gate.clear()
        await kind.put(BODIES[0])
        await session.until(lambda: session.offers)
        await asyncio.sleep(0.3)  # in which an acknowledgement would come
        assert await kind.acknowledged() == 0
        await session.cancel()
        session.gate.set()
        session.begin(kind.config())
        await session.until(lambda: session.taken)
        await session.cancel()

    assert session.bodies == BODIES[:1]


@of_kinds("keeps")
async def test_a_session_goes_on_where_the_last_one_stood(kind):
    """What was taken and acknowledged does not come again; what came meanwhile does."""
    async with kind:
        session = Session()
        session.begin(kind.config())
        await session.until(lambda: session.answers)
        await kind.put(BODIES[0])
        await session.until(lambda: session.taken)
        async with asyncio.timeout(PATIENCE):
            while "learns" not in kind.cannot and await kind.acknowledged() < 1:
                await asyncio.sleep(0.01)
        await session.cancel()
        await kind.put(BODIES[1])
        session.begin(kind.config())
        await session.until(lambda: len(session.taken) >= 2)
        await session.cancel()

    assert session.bodies == BODIES[:2]


@of_kinds()
async def test_what_the_store_does_not_take_is_offered_again(kind):
    """Nothing is acknowledged meanwhile, and then all of it comes, in order."""
    async with kind, running(kind.config()) as session:
        await session.until(lambda: session.answers)
        session.refusing = True
        await kind.put(BODIES[0])
        await session.offered(2)
        assert await kind.acknowledged() == 0
        await kind.put(BODIES[1])
        session.refusing = False
        await session.until(lambda: len(session.taken) >= 2)

    assert len(session.taken) == 2


@of_kinds()
async def test_a_lost_relay_ends_the_session_and_the_next_one_goes_on(kind):
    """With the relay's place and a remedy; once it is there again, messages come."""
    async with kind:
        async with running(kind.config()) as session:
            await session.until(lambda: session.answers)
            await kind.stop()
            why = await session.error(kind.silence)
        await kind.start()
        async with running(kind.config(), session.cursor) as session:
            await session.until(lambda: session.answers)
            await kind.put(BODIES[0])
            await session.until(lambda: session.taken)

    assert f"127.0.0.1:{kind.port}" in why
    assert REMEDY.search(why), why


@of_kinds()
@pytest.mark.parametrize("from_the_start", [True, False])
async def test_a_relay_that_goes_silent_ends_the_session(kind, from_the_start):
    """Nobody hangs up, and it is noticed; whoever only takes the connection has not proved itself."""
    async with kind:
        if from_the_start:
            await kind.freeze()
        async with running(kind.config()) as session:
            if not from_the_start:
                await session.until(lambda: session.answers)
                await kind.freeze()
            before = session.answers
            why = await session.error(kind.silence)

    assert f"127.0.0.1:{kind.port}" in why
    assert REMEDY.search(why), why
    assert not from_the_start or before == session.answers == 0


@contextlib.contextmanager
def _nobody_listens(port):
    yield {"port": port}


@contextlib.contextmanager
def _packets_are_dropped(port):
    with deaf_port() as deaf:
        yield {"port": deaf}


@contextlib.contextmanager
def _the_name_is_unknown(port):
    yield {"host": "no-such-relay.invalid", "port": 4711}  # RFC 2606: never resolves


@of_kinds()
@pytest.mark.parametrize("reason", [_nobody_listens, _packets_are_dropped, _the_name_is_unknown])
async def test_a_relay_that_cannot_be_reached_is_told_in_time(kind, reason, caplog):
    """An error that names host and remedy, and no secret; no hang."""
    caplog.set_level("DEBUG")
    async with kind:
        await kind.stop()
        with reason(kind.port) as address:
            async with running(kind.config(**address, token=CANARY)) as session:
                why = await session.error()

    assert address.get("host", f"127.0.0.1:{address['port']}") in why
    assert REMEDY.search(why), why
    assert not session.answers
    assert CANARY not in "".join(traceback.format_exception(session.task.exception())) + caplog.text


@of_kinds("token")
async def test_a_refused_token_is_named_and_not_told(kind, caplog):
    """Neither by the error with all its causes nor by any log."""
    caplog.set_level("DEBUG")
    async with kind, running(kind.config(token=CANARY)) as session:
        why = await session.error()

    assert "token" in why
    assert REMEDY.search(why), why
    assert CANARY not in "".join(traceback.format_exception(session.task.exception())) + caplog.text


async def _before_it_ran(kind, session):
    session.begin(kind.config())


async def _while_nobody_answers(kind, session):
    await kind.freeze()
    session.begin(kind.config())
    await asyncio.sleep(0.1)  # the wait that is cut short


async def _in_the_first_accept(kind, session):
    session.gate.clear()
    session.begin(kind.config())
    await kind.put(BODIES[0])
    await asyncio.sleep(0.1)  # as above


async def _in_a_later_accept(kind, session):
    session.begin(kind.config())
    await session.until(lambda: session.answers)
    session.gate.clear()
    await kind.put(BODIES[0])
    await session.until(lambda: session.offers)


async def _while_it_waits(kind, session):
    session.begin(kind.config())
    await session.until(lambda: session.answers >= 2)


async def _while_the_store_refuses(kind, session):
    session.begin(kind.config())
    await session.until(lambda: session.answers)
    session.refusing = True
    await kind.put(BODIES[0])
    await session.until(lambda: session.offers)


@of_kinds()
@pytest.mark.parametrize(
    "moment",
    [
        _before_it_ran,
        _while_nobody_answers,
        _in_the_first_accept,
        _in_a_later_accept,
        _while_it_waits,
        _while_the_store_refuses,
    ],
)
async def test_cancelled_at_any_moment_it_ends_and_leaves_nothing(kind, moment):
    """Within two seconds, and no task, descriptor or thread is left."""
    async with kind:
        await _glance(kind)
        await _quiet(kind)
        before = census()
        session = Session()
        await moment(kind, session)
        await session.cancel()
        await settled(before)


@of_kinds()
async def test_cancelled_while_it_starts_it_leaves_nothing(kind):
    """After none to sixty turns of the loop, from the first step to well behind the first answer."""
    async with kind:
        await _glance(kind)
        await _quiet(kind)
        before = census()
        for turns in range(0, 61, 2):
            session = Session()
            session.begin(kind.config())
            for _ in range(turns):
                await asyncio.sleep(0)
            await session.cancel()
        await settled(before)


@of_kinds()
async def test_short_sessions_leave_nothing(kind):
    """Each up to its first answer: the counts are what they were."""
    async with kind:
        await _glance(kind)
        await _quiet(kind)
        before = census()
        for _ in range(CYCLES):
            await _glance(kind)
        await settled(before)


async def _glance(kind):
    """A session up to its first answer."""
    async with running(kind.config()) as session:
        await session.until(lambda: session.answers)


async def _quiet(kind):
    """Wait until the relay has noticed that the last session is gone."""
    async with asyncio.timeout(PATIENCE):
        while not await kind.idle():
            await asyncio.sleep(0.005)
