"""Every open page shows what is, whatever comes, changes and goes, and whoever does not read."""

import asyncio
import socket

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.live import Tables, Told, pages, served
from rigs.stores import eventually

from agent.errors import StoreUnavailable
from agent.web import live as module
from agent.web import serve
from agent.web.live import MOST_PAGES, Live

KEYS = st.sampled_from(["A", "B", 'odd "key", ü'])
ROWS = st.one_of(st.none(), st.fixed_dictionaries({"x": st.integers(0, 3), "text": st.text(max_size=3)}))
TABLES = st.sampled_from(["alarms", "events", "values"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), TABLES, KEYS, ROWS),
        st.tuples(st.just("tell"), TABLES, KEYS, ROWS),
        st.tuples(st.just("round")),
        st.tuples(st.just("open")),
        st.tuples(st.just("sleep"), st.integers(0, 2)),
        st.tuples(st.just("wake"), st.integers(0, 2)),
    ),
    max_size=60,
)


class Reader:
    """A page in the test's hands: asleep, it reads nothing more."""

    def __init__(self, live) -> None:
        self.told = Told()
        self.awake = asyncio.Event()
        self.awake.set()
        self.page = live.open(lambda: True, lambda: None)
        self.task = asyncio.create_task(self._read())

    async def _read(self):
        while (message := await self.page.next()) is not None:
            await self.awake.wait()
            self.told.hear(message)

    async def done(self):
        """Return when it has read what it could."""
        for _ in range(40):
            await asyncio.sleep(0)


class Play:
    """Tables, pages and a broadcaster in the test's hands, whose rounds it begins itself."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.tables.shown["events"] = {}
        self.live = Live(self.tables, self.tables, lambda: 0)
        self.readers = []

    def open(self):
        self.readers.append(Reader(self.live))

    def sleep(self, number):
        for reader in self.readers[number : number + 1]:
            reader.awake.clear()

    def wake(self, number):
        for reader in self.readers[number : number + 1]:
            reader.awake.set()

    async def round(self):
        """Whoever is awake and current must show what is."""
        await self.live._round()
        for reader in self.readers:
            await reader.done()
            if reader.awake.is_set() and reader.page.current:
                assert reader.told.tables == self.tables.all

    async def all(self, steps):
        """Do all that with a page that is open; in the end everybody must show what is."""
        self.open()
        for step, *arguments in steps:
            if step in {"put", "tell"}:
                self.tables.put(*arguments)
            elif step != "round":
                getattr(self, step)(*arguments)
            if step in {"tell", "round"}:
                await self.round()
        for reader in self.readers:
            reader.awake.set()
            await reader.done()
        await self.round()
        assert all(reader.told.tables == self.tables.all for reader in self.readers)
        for reader in self.readers:
            reader.page.end()
            await reader.task


@settings(deadline=None, max_examples=100)
@given(STEPS)
def test_state_and_changes_in_order_are_the_tables_at_that_moment(steps):
    """Whatever rows come, change and go, whenever a page is opened, falls behind and reads again."""
    asyncio.run(Play().all(steps))


async def test_one_that_falls_behind_is_given_all_there_is_and_its_queue_does_not_grow(monkeypatch):
    """A hundred changes while it is asleep: a few wait for it; awake, it is told the state and goes on."""
    tables = Tables()
    live = Live(tables, tables, lambda: 0)
    made = []
    monkeypatch.setattr(tables, "rows", lambda: made.append(1) or dict(tables.values))
    reader = Reader(live)
    await live._round()
    await reader.done()
    reader.awake.clear()
    most = 0
    for number in range(100):
        tables.put("values", "T", {"value": number})
        await live._round()
        await reader.done()
        most = max(most, len(reader.page._messages))
    reader.awake.set()
    await reader.done()
    await live._round()
    await reader.done()

    assert most <= 8
    assert reader.told.states == len(made) == 2, "none is made for whoever would not read it"
    assert reader.told.tables == tables.all
    reader.page.end()
    await reader.task


async def test_a_row_that_has_not_changed_is_not_sent():
    """Of three the one that did, once for both pages: the very same bytes."""
    tables = Tables()
    for key in "ABC":
        tables.put("alarms", key, {"rule": key})
    live = Live(tables, tables, lambda: 7)
    one, two = (live.open(lambda: True, lambda: None) for _ in range(2))
    await live._round()
    await one.next(), await two.next()
    tables.put("alarms", "B", {"rule": "B", "level": "high"})
    tables.shown["agent"] = {"agent": {"site": "north"}}  # another object that says the same
    await live._round()
    first, second = await one.next(), await two.next()

    assert first is second
    told = b'{"now":7,"tables":{"alarms":{"B":{"rule":"B","level":"high"}}}}'
    assert first == b"event: change\ndata: " + told + b"\n\n"


async def test_what_cannot_be_had_stays_as_it_was(monkeypatch):
    """The store is unavailable, or does not answer: no row goes for that, and values come all the same."""
    monkeypatch.setattr(module, "_TABLES_WITHIN_S", 0.01)
    tables = Tables()
    live = Live(tables, tables, lambda: 0)
    reader = Reader(live)
    await live._round()

    async def unavailable():
        raise StoreUnavailable("the disk is full")

    for number, tables.tables in enumerate([unavailable, asyncio.Event().wait]):
        tables.put("values", "T", {"value": number})
        await live._round()
        await reader.done()
        assert reader.told.tables == tables.all
    reader.page.end()
    await reader.task


async def test_a_page_is_told_over_http():
    """The state at once, then what changes; an empty message from time to time while nothing does."""
    tables = Tables()
    async with served(tables) as (_, port), pages(port) as [(told, task)]:
        await eventually(lambda: told.tables == tables.all)
        assert told.now == 1_700_000_000_000
        tables.put("alarms", "press", {"rule": "press"})
        tables.put("values", "T", {"value": 1})
        await eventually(lambda: told.tables == tables.all)
        told.now, before = 0, told.changes
        await eventually(lambda: told.changes > before)

        assert told.now == 1_700_000_000_000
        assert (told.states, task.done()) == (1, False)


async def test_the_answer_is_a_stream_that_nobody_keeps():
    """Neither the browser nor a proxy on the way."""
    async with (
        served(Tables()) as (_, port),
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/api/live") as response,
    ):
        assert response.content_type == "text/event-stream"
        assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == (
            "no-store",
            "no",
        )


async def test_nothing_is_done_while_nobody_looks():
    """Not before the first page, and not after the last has gone."""
    tables = Tables()
    async with served(tables) as (live, port):
        await asyncio.sleep(1.2)
        assert tables.asked == 0
        async with pages(port) as [(told, _)]:
            await eventually(lambda: told.states)
        await eventually(lambda: not live.pages)
        await eventually(lambda: not live._sent)
        asked = tables.asked
        await asyncio.sleep(1.2)
        assert tables.asked == asked


async def test_as_many_pages_as_there_may_be_and_one_more():
    """All are told; the one more is told why not, and let in when another is closed."""
    tables = Tables()
    async with served(tables) as (live, port), aiohttp.ClientSession() as session:
        async with pages(port, MOST_PAGES) as opened:
            await eventually(lambda: all(told.states for told, _ in opened))
            tables.put("alarms", "press", {"rule": "press"})
            await eventually(lambda: all(told.tables == tables.all for told, _ in opened))
            async with session.get(f"http://127.0.0.1:{port}/api/live") as response:
                assert (response.status, "50 pages" in (await response.json())["error"]) == (503, True)
        await eventually(lambda: not live.pages)
        async with session.get(f"http://127.0.0.1:{port}/api/live") as response:
            assert response.status == 200


def wide():
    """Tables of half a megabyte of values."""
    tables = Tables()
    for number in range(5000):
        tables.put("values", f"T{number}", {"value": number, "quality": "good", "at": 1_700_000_000_000})
    return tables


def sleeping(port):
    """A socket that asks for the stream and never reads it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection


async def keep_changing(tables):
    """All values, again and again."""
    number = 0
    while True:
        number += 1
        for key in tables.values:
            tables.put("values", key, {"value": number, "quality": "good", "at": 1_700_000_000_000})
        await asyncio.sleep(0.1)


async def test_one_that_does_not_read_is_closed_in_the_end_and_keeps_nobody(monkeypatch):
    """Its neighbour is told all the time; it is let go of when it has read nothing for long."""
    monkeypatch.setattr(serve, "_UNREAD_S", 2.0)
    tables = wide()
    changing = asyncio.create_task(keep_changing(tables))
    async with served(tables) as (live, port), pages(port) as [(told, task)]:
        with sleeping(port):
            await eventually(lambda: any(page.stuck for page in live.pages))
            before = told.changes
            await eventually(lambda: told.changes > before + 1)
            await eventually(lambda: len(live.pages) == 1)
        assert not task.done()
    changing.cancel()


@pytest.mark.parametrize("asleep", [False, True])
async def test_the_stop_of_the_agent_ends_all_pages_at_once(asleep):
    """Also one that does not read: the handlers are over before the server's own patience is."""
    tables = wide()
    changing = asyncio.create_task(keep_changing(tables))
    async with served(tables) as (live, port), pages(port, 3) as opened:
        with sleeping(port) if asleep else socket.socket():
            await eventually(lambda: all(told.states for told, _ in opened))
            if asleep:
                await eventually(lambda: any(page.stuck for page in live.pages))
            live.task.cancel()
            async with asyncio.timeout(30):
                await asyncio.wait([task for _, task in opened])
            await eventually(lambda: not live.pages)
            assert all(task.exception() is None for _, task in opened), "each stream has its proper end"
    changing.cancel()


async def test_a_token_that_was_revoked_ends_its_pages():
    """The others go on."""
    tables, revoked = Tables(), []

    def allowed(request):
        name = request.headers["Authorization"]
        return lambda: name not in revoked

    async with served(tables, allowed) as (live, port), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}/api/live"
        async with (
            session.get(url, headers={"Authorization": "one"}) as one,
            session.get(url, headers={"Authorization": "two"}) as two,
        ):
            await eventually(lambda: len(live.pages) == 2)
            revoked.append("one")
            async with asyncio.timeout(30):
                await one.read()
            assert len(live.pages) == 1
            before = tables.asked
            await eventually(lambda: tables.asked > before + 1)
            assert not two.content.is_eof()


async def test_one_that_has_gone_is_forgotten_soon(monkeypatch):
    """A page that was closed counts no more, though nothing changes that it would be told."""
    monkeypatch.setattr(module, "_SILENT_FOR_S", 1e9)
    async with served(Tables()) as (live, port):
        connection = sleeping(port)
        await eventually(lambda: len(live.pages) == 1)
        connection.close()
        await eventually(lambda: not live.pages)


async def test_a_row_that_has_no_json_form_stops_nobody_for_long(caplog):
    """It is a bug of ours: told once, the pages come again, and are served once it is gone."""
    tables = Tables()
    async with served(tables) as (live, port):
        async with pages(port) as [(told, task)]:
            await eventually(lambda: told.states)
            tables.put("alarms", "press", {"value": 2**70})
            await eventually(task.done)
            assert not live.task.done()
        tables.put("alarms", "press", {"value": 2})
        async with pages(port) as [(told, _)]:
            await eventually(lambda: told.tables == tables.all)
    assert "the page is down: an internal error (TypeError)" in caplog.text
