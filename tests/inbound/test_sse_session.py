"""A session with a channel of server-sent events, over real connections to one that misbehaves."""

import asyncio
import gzip
from random import Random

import pytest
from prometheus_client import REGISTRY
from pydantic import TypeAdapter
from rigs.relay_session import NAME, Session, until
from rigs.sse_channel import FLAVOURS, TOKEN, Written, gosmee_data, gosmee_event, sse_channel, stream_id

from agent.clock import SystemClock
from agent.inbound.base import LARGEST_BODY
from agent.inbound.config import RelayConfig
from agent.inbound.sse.messages import write_cursor
from agent.inbound.sse.session import USUAL, Timing, run
from agent.model import SECOND

SECTION = TypeAdapter(RelayConfig)
ANY_LENGTH = Timing(shortest=0)
SHORT = SECOND  # of silence
BODY = b'{"type": "order.created",\n "data": {"n": 1.0}}'
PARSED = b'{"type":"order.created","data":{"n":1.0}}'
HTML = b"HTTP/1.1 200 X\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 4\r\n\r\n<p/>"
STREAM = b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n"


class StillClock:
    """A clock that a test moves; while it stands, no proof of life stands in the way of messages."""

    now = 0

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now


class Listening(Session):
    """A session with this channel; `timing` of its own."""

    def __init__(self, channel, cursor=None, *, timing=USUAL, silence=30 * SECOND, clock=None) -> None:
        super().__init__(cursor)
        section = {"type": "sse", "url": channel.url, "verify": "none", "token": TOKEN}
        self._config = SECTION.validate_python(section).model_copy(update={"silence": silence})
        self._clock = clock or SystemClock()
        self._timing = timing

    async def __aenter__(self):
        session = run(NAME, self._config, self.accept, self._clock, self.cursor, timing=self._timing)
        self.task = asyncio.create_task(session, name="session")
        self.task.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.cancel()


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_channel_is_asked_in_the_words_that_it_compares(flavour):
    """smee.io compares `Accept` as a text; of what is kept a first session asks for everything."""
    async with sse_channel(flavour, token=TOKEN) as channel, Listening(channel) as session:
        await session.until(lambda: session.answers)

    [asked] = channel.asked
    assert asked["accept"] == "text/event-stream"
    assert asked["accept-encoding"] == "identity"
    assert asked["authorization"] == f"Bearer {TOKEN}"
    assert asked["last-event-id"] == "0-0"


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_messages_are_taken_however_they_are_cut(flavour, bytewise):
    """Raw from gosmee, with the id of Redis; parsed from smee.io, whose ids mean nothing: no cursor is kept."""
    async with sse_channel(flavour) as channel, Listening(channel) as session:
        await session.until(lambda: session.answers)
        channel.bytewise = bytewise
        for number in range(3):
            channel.put(BODY, {"Webhook-Id": f"msg_{number}"})
        await session.until(lambda: len(session.taken) >= 3)

    raw = flavour != "smee"
    assert session.bodies == [BODY if raw else PARSED] * 3
    assert [message.headers["webhook-id"] for message in session.taken] == ["msg_0", "msg_1", "msg_2"]
    assert {message.raw for message in session.taken} == {raw}
    kept = flavour == "redis"
    assert [message.relay_id for message in session.taken] == [stream_id(n) if kept else "" for n in range(3)]
    assert session.cursor == (write_cursor(stream_id(2), channel.url) if kept else None)


async def test_what_was_kept_is_handed_over_together_and_in_order():
    """Not one by one: each hand-over is a commit."""
    async with sse_channel() as channel:
        for number in range(500):
            channel.put(b"%d" % number)
        session = Listening(channel)
        session.gate.clear()
        async with session:
            await until(lambda: channel.written > 500 * 100)
            session.gate.set()
            await session.until(lambda: len(session.taken) >= 500)

    assert session.bodies == [b"%d" % number for number in range(500)]
    assert session.offers < 50


async def test_while_the_agent_takes_nothing_the_relay_is_held_back():
    """By TCP: what has come is not read into the memory; all of it comes later, in order."""
    body = b'"' + b"x" * 700_000 + b'"'
    async with sse_channel() as channel, Listening(channel, clock=StillClock()) as session:
        await session.until(lambda: session.answers)
        session.gate.clear()
        for _ in range(30):  # 28 MB
            channel.put(body)
        await session.offered()
        before = -1
        while before != channel.written:
            before = channel.written
            await asyncio.sleep(0.5)  # in which a relay that nobody holds back goes on
        assert channel.written < 18_000_000  # what the two kernels hold for a connection
        session.gate.set()
        await session.until(lambda: len(session.taken) >= 30)

    assert session.bodies == [body] * 30


async def test_a_connection_without_a_word_is_dead():
    """Nobody has hung up, as behind a router that has forgotten it; what came meanwhile is there next time."""
    async with sse_channel(ping=0.05) as channel:
        async with Listening(channel, silence=SHORT) as session:
            await session.until(lambda: session.answers)
            await until(lambda: channel.pings > 30)  # longer than the silence, and not silent
            assert not session.task.done()
            channel.frozen = True
            channel.put(BODY)
            why = await session.error()
        channel.frozen = False
        async with Listening(channel, session.cursor) as session:
            await session.until(lambda: session.taken)

    assert "nothing came for 1 s" in why
    assert session.bodies == [BODY]


async def test_a_connection_that_is_reset_within_an_event_loses_nothing():
    """Half an event is none; the whole one comes on the next connection, once."""
    async with sse_channel() as channel:
        async with Listening(channel) as session:
            channel.put(b"1")
            await session.until(lambda: session.taken)
            event = gosmee_event(Written(gosmee_data(b"2", {}), id=stream_id(1)))
            channel.write(event[:-1])
            channel.reset()
            why = await session.error()
        channel.put(b"2")
        async with Listening(channel, session.cursor) as later:
            await later.until(lambda: later.taken)

    assert "look at" in why or "check" in why
    assert (session.bodies, later.bodies) == ([b"1"], [b"2"])
    assert channel.last_ids == ["0-0", stream_id(0)]


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_stream_that_ends_in_good_order_is_opened_anew_at_once(flavour):
    """Within the session, after the last message that is on disk: proxies end every stream some time."""
    async with sse_channel(flavour) as channel, Listening(channel, timing=ANY_LENGTH) as session:
        for number in range(3):
            await until(lambda n=number: len(channel.asked) > n and channel.streams == 1)
            channel.put(b"[%d]" % number)
            await session.until(lambda n=number: len(session.taken) > n)
            channel.end()

    assert session.bodies == [b"[0]", b"[1]", b"[2]"]
    last = [stream_id(number) for number in range(3)] if flavour == "redis" else ["0-0"] * 3
    assert channel.last_ids[:3] == ["0-0", *last][:3]


async def test_a_stream_that_ends_as_soon_as_it_begins_is_an_error():
    """Else the relay would be asked again and again, without a pause."""
    async with sse_channel() as channel, Listening(channel) as session:
        await session.until(lambda: session.answers)
        channel.end()
        why = await session.error()

    assert "as soon as it had begun" in why
    assert len(channel.asked) == 1


async def test_the_id_moves_on_only_when_the_messages_are_on_disk():
    """The connection is lost while `accept` is at it: the same comes again."""
    async with sse_channel() as channel:
        async with Listening(channel, clock=StillClock()) as session:
            await session.until(lambda: session.answers)
            session.gate.clear()
            channel.put(BODY)
            await session.offered()
        assert session.cursor is None
        async with Listening(channel, session.cursor) as later:
            await later.until(lambda: later.taken)

    assert (session.taken, later.bodies) == ([], [BODY])
    assert channel.last_ids == ["0-0", "0-0"]


async def test_the_id_of_what_is_no_message_is_kept_too():
    """The next session goes on behind it."""
    async with sse_channel() as channel, Listening(channel) as session:
        await session.until(lambda: session.answers)
        channel.write(Written("{}", "ping", id=stream_id(7)))
        await session.until(lambda: session.cursor == write_cursor(stream_id(7), channel.url))

    assert not session.taken


async def test_a_cursor_of_another_channel_is_not_used():
    """Its ids would leave out what is older here."""
    elsewhere = write_cursor(stream_id(7), "https://gosmee.example.com/events/other-channel")
    async with sse_channel() as channel:
        channel.put(BODY)
        async with Listening(channel, elsewhere) as session:
            await session.until(lambda: session.taken)

    assert channel.last_ids == ["0-0"]


def gaps():
    return REGISTRY.get_sample_value("edge_relay_relay_gaps_total", {"relay": NAME})


async def test_lost_history_is_told_and_the_rest_is_taken():
    """With both ids and what to do, and counted; a first session, which has missed nothing, says nothing."""
    async with sse_channel() as channel:
        for number in range(5):
            channel.put(b"%d" % number)
        channel.trimmed = 2
        async with Listening(channel) as session:
            await session.until(lambda: len(session.taken) >= 3)
        assert not any(message.unusable for message in session.taken)
        before = gaps()
        channel.put(b"5")
        channel.trimmed = 5
        behind = write_cursor(stream_id(2), channel.url)
        async with Listening(channel, behind) as session:
            await session.until(lambda: len(session.taken) >= 2)

    told, message = session.taken
    assert told.lost
    assert stream_id(2) in told.unusable
    assert stream_id(5) in told.unusable
    assert "have it sent again" in told.unusable
    assert message.body == b"5"
    assert gaps() == before + 1


async def test_what_is_too_large_is_handed_over_in_its_place_with_the_reason():
    """Whether it fits into an event or not; it holds up nothing, and is not asked for again."""
    async with sse_channel() as channel, Listening(channel) as session:
        for size in (LARGEST_BODY, LARGEST_BODY + 1, 2 * LARGEST_BODY):
            channel.put(b"x" * size)
        channel.post('{"future":true}')
        await session.until(lambda: session.cursor == write_cursor(stream_id(3), channel.url))

    assert [len(body) for body in session.bodies] == [LARGEST_BODY, 0, 0, 0]
    whole, too_large, far_too_large, foreign = (message.unusable for message in session.taken)
    assert not whole
    assert f"message {stream_id(1)} has 5,000,001 bytes" in too_large
    assert f"message {stream_id(2)} is too large" in far_too_large
    assert f"message {stream_id(3)} has neither bodyB nor body" in foreign


async def test_bytes_without_end_are_no_stream():
    """They fill no memory, and end the session."""
    async with sse_channel() as channel, Listening(channel) as session:
        await session.until(lambda: session.answers)
        for _ in range(72):
            channel.write(b"x" * 1_000_000)
        why = await session.error()

    assert "without end" in why
    assert "check `url`" in why


async def test_an_encrypted_message_ends_the_session_and_stays_where_it_is():
    """With what to do; nothing of it is acknowledged."""
    encrypted = '{"encrypted":true,"version":1,"epk":"x","nonce":"y","ciphertext":"z"}'
    async with sse_channel() as channel, Listening(channel) as session:
        channel.put(BODY)
        await session.until(lambda: session.taken)
        channel.post(encrypted)
        why = await session.error()

    assert "encrypted" in why
    assert "name a channel" in why
    assert session.cursor == write_cursor(stream_id(0), channel.url)


def says(status, **headers):
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (HTML, "a web page, no stream of events: check `url` (gosmee's channels are at /events/CHANNEL)"),
        (says(200, Content_Type="application/json"), "no stream of events: check `url`"),
        (says(200), "no stream of events: check `url`"),
        (says(204), "204: check `url`"),
        (says(302, Location="https://elsewhere.example.com/?key=canary4713"), "302, a redirect"),
        (says(400), "400: check `url`"),
        (says(401), "401: check `token`"),
        (says(403), "403: check `token`"),
        (says(404), "404: check `url`"),
        (says(503), "503: look at the relay"),
        (
            STREAM + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"data: {}\n\n"),
            "compressed",
        ),
        (STREAM.replace(b"200", b"500") + b"\r\n", "500: look at the relay"),
        (b"220 mail.plant ESMTP\r\n\r\n", "not HTTP"),
        (b"", "closed the connection"),
        (STREAM + b"Content-Length: 99\r\n\r\ndata", "broke off"),
    ],
)
async def test_an_answer_that_is_no_stream_is_told(answer, why):
    """With the relay's place and a remedy; nothing of the address, or of where it leads."""
    async with sse_channel() as channel, Listening(channel) as session:
        channel.next_answers = [answer, answer]
        told = await session.error()

    assert told.startswith(f"127.0.0.1:{channel.port}: ")
    assert why in told
    assert "canary" not in told
    assert "plant-7" not in told
    assert len(channel.asked) == (1 if answer else 2)  # a connection closed without a word is tried once more


async def test_the_relay_is_proved_alive_once_a_second():
    """Not with every ping: each proof goes through the whole agent."""
    clock = StillClock()
    async with sse_channel("smee", ping=0.01) as channel, Listening(channel, clock=clock) as session:
        await session.until(lambda: session.answers)
        for proofs in range(1, 4):
            pings = channel.pings
            await until(lambda n=pings: channel.pings >= n + 5)
            assert session.answers == proofs
            clock.now += SECOND
            await session.until(lambda n=proofs: session.answers > n)


async def test_what_the_store_does_not_take_is_offered_again_and_then_the_rest():
    """In order, each once; the id moves on with them."""
    often = Timing(offer_again=SECOND // 50)
    async with sse_channel() as channel, Listening(channel, timing=often) as session:
        await session.until(lambda: session.answers)
        session.refusing = True
        channel.put(b"0")
        await session.offered(3)
        channel.put(b"1")
        assert session.cursor is None
        session.refusing = False
        await session.until(lambda: len(session.taken) >= 2)

    assert session.bodies == [b"0", b"1"]
    assert session.cursor == write_cursor(stream_id(1), channel.url)


async def _put_some(channel, posted, dice):
    for _ in range(dice.randrange(4)):
        posted.append(b"%d" % len(posted))
        channel.put(posted[-1])
        await asyncio.sleep(dice.choice([0, 0, 0.002]))


async def _disturb(channel, session, dice):
    """One of the things that happen to a connection."""
    match dice.randrange(5):
        case 0:
            channel.write(gosmee_event(Written(gosmee_data(b"half", {}), id=stream_id(99)))[:-1])
            channel.reset()
        case 1:
            channel.end()
        case 2:
            session.gate.clear()
            await asyncio.sleep(0.005)
            session.task.cancel()
        case 3:
            session.refusing = True
            await asyncio.sleep(0.005)
            session.task.cancel()
        case _:
            channel.bytewise = not channel.bytewise


@pytest.mark.parametrize("seed", range(3))
async def test_of_what_the_relay_keeps_nothing_is_lost(seed):
    """Whatever happens to forty connections, at whatever moment: each message is taken once, in order."""
    dice = Random(seed)
    posted = []
    timing = Timing(shortest=0, offer_again=SECOND // 500)
    async with sse_channel(ping=0.005) as channel:
        session = Listening(channel, timing=timing)
        for _ in range(40):
            async with session:
                await _put_some(channel, posted, dice)
                if dice.random() < 0.8:
                    await until(lambda: channel.streams)
                await _disturb(channel, session, dice)
                await _put_some(channel, posted, dice)
            session.refusing = False
            session.gate.set()
        async with session:
            await session.until(lambda: len(session.taken) >= len(posted))

    assert session.bodies == posted
    assert len(posted) > 50
