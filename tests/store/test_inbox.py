"""Messages that came in are kept once, in their order, with the step that they belong to."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from rigs.stores import opened

from agent.model import Event, EventType, Priority
from agent.stamps import Reckoning, Standing
from agent.store import audit, inbox, salvage_messages
from agent.store.messages import Audited, AuditFilter, MessageState, Received, Settled
from agent.store.records import Addressed, MarkDead, MarkDelivered, Step

DAY = 86_400 * 10**9
WAITING, ACTING, SENT, SETTLED = MessageState


def message(number, state=WAITING, **more):
    key = number.to_bytes(16, "big")
    return Received(
        *(key, "cloud", f"msg_{number}", "setpoint.set", "standard:1", 1_000 + number, number, "set", state),
        **{"body": b'{"n": %d}' % number, **more},
    )


def carried(number):
    """A step with an event that carries a message, behind one that does not."""
    events = [
        Event(f"evt_{number}{of}", EventType.INBOUND_MESSAGE, number, "cloud/set", Priority.MEDIUM, {})
        for of in "ab"
    ]
    addressed = (Addressed(events[0], ()), Addressed(events[1], ("cloud/set",)))
    return Step(addressed, inbox=(message(number, SENT, event=1),))


async def test_a_message_is_taken_with_its_step(tmp_path):
    """It is there after a restart, with its body, in its order; settled, it is known and holds no body."""
    path = tmp_path / "events.db"
    async with opened(path) as store:
        await store.commit(Step(inbox=(message(1), message(2))))
        await store.commit(Step(inbox=(message(3, ACTING),)))
        await store.commit(Step(inbox=(Settled(message(2).key, SETTLED, "done", "why"),)))
    async with opened(path) as store:
        left = await store.inbox.unsettled()
        known = await store.inbox.known([message(n).key for n in (1, 2, 9)])

    assert [each.received for each in left] == [message(1), message(3, ACTING)]
    assert all(each.sound for each in left)
    assert known.keys() == {message(1).key, message(2).key}
    assert known[message(2).key].received == message(2, SETTLED, outcome="done", reason="why", body=None)


async def test_a_key_is_there_once(tmp_path):
    """Whoever takes a message twice without asking is refused, with all of its step."""
    async with opened(tmp_path / "events.db") as store:
        await store.commit(Step(inbox=(message(1),)))
        with pytest.raises(Exception, match="UNIQUE"):
            await store.commit(Step(states={"x": b"1"}, inbox=(message(1),)))
        assert "x" not in await store.states()


async def test_only_what_was_refused_makes_room_for_the_same_message(tmp_path):
    """What was done, or waits, stays: a second one of its key is refused by the file itself."""
    again = replace(message(1), again=True)
    async with opened(tmp_path / "events.db") as store:
        await store.commit(Step(inbox=(message(1, SETTLED, outcome="rejected"),)))
        await store.commit(Step(inbox=(again,)))
        with pytest.raises(Exception, match="UNIQUE"):
            await store.commit(Step(inbox=(again,)))
    async with opened(tmp_path / "events.db") as store:
        await store.commit(Step(inbox=(Settled(message(1).key, SETTLED, "done"),)))
        with pytest.raises(Exception, match="UNIQUE"):
            await store.commit(Step(inbox=(again,)))
        assert [each.received.outcome for each in await store.inbox.newest(9)] == ["done"]


async def test_a_message_that_an_event_carries_knows_its_number(tmp_path):
    """By it what became of the delivery finds the message, also after a restart in between."""
    path = tmp_path / "events.db"
    async with opened(path, "cloud/set") as store:
        for number in (1, 2, 3):
            await store.commit(carried(number))
        assert {seq: each.received.identity for seq, each in (await store.inbox.sent([2, 4])).items()} == {
            2: "msg_1",
            4: "msg_2",
        }
        assert await store.inbox.unreported() == []
        store.mark(MarkDelivered("cloud/set", 2, 5))
        store.mark(MarkDead("cloud/set", 6, 5, "404"))
    async with opened(path, "cloud/set") as store:
        ends = await store.inbox.unreported()
        assert [(each.received.identity, arrived, why) for each, arrived, why in ends] == [
            ("msg_1", True, ""),
            ("msg_3", False, "404"),
        ]
        await store.commit(Step(inbox=[Settled(each.received.key, SETTLED, "done") for each, _, _ in ends]))
        assert await store.inbox.unreported() == []


async def test_a_flipped_bit_asks_for_nothing(tmp_path):
    """A body that is not as it was verified is told apart."""
    path = tmp_path / "events.db"
    async with opened(path) as store:
        await store.commit(Step(inbox=(message(1), message(2))))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE inbox SET body = ? WHERE number = 1", (b'{"n": 9}',))
    async with opened(path) as store:
        assert [each.sound for each in await store.inbox.unsettled()] == [False, True]


async def test_what_is_forgotten_leaves_a_horizon(tmp_path):
    """Settled rows go by age; the newest stamp of theirs stays, and never falls, whatever the clock does."""
    path = tmp_path / "events.db"
    rows = [replace(message(n, SETTLED), at_wall=n * DAY) for n in (1, 2, 3)]
    rows += [replace(message(4), at_wall=1 * DAY), replace(message(5, SETTLED), at_wall=1 * DAY, stamp=None)]
    async with opened(path) as store:
        await store.commit(Step(inbox=rows))
        await store.inbox.prune(2 * DAY + inbox.REMEMBERED)
        assert store.inbox.horizon == 1_001
        assert len(await store.inbox.known([row.key for row in rows])) == 3
        await store.inbox.prune(0)
        await store.inbox.prune(9 * DAY + inbox.REMEMBERED)
    async with opened(path) as store:
        assert store.inbox.horizon == 1_003
        assert [each.received.identity for each in await store.inbox.newest(10)] == ["msg_4"]
        await store.commit(Step(inbox=[replace(message(6, SETTLED), stamp=7)]))
        await store.inbox.prune(9 * DAY + inbox.REMEMBERED)
        assert len(await store.inbox.newest(10)) == 1
        assert store.inbox.horizon == 1_003


async def test_there_are_never_more_than_there_is_room_for(tmp_path, monkeypatch):
    """A flood of messages makes the memory shorter, not the disk full."""
    monkeypatch.setattr(inbox, "_MOST_KEPT", 10)
    async with opened(tmp_path / "events.db") as store:
        await store.commit(Step(inbox=[message(n, SETTLED) for n in range(1, 31)]))
        await store.inbox.prune(0)
        assert len(await store.inbox.newest(100)) == 10
        assert store.inbox.horizon == 1_020
        await store.inbox.prune(0, 3 * 2_000)
        assert len(await store.inbox.newest(100)) == 3


async def test_what_is_not_settled_holds_up_nothing_that_is(tmp_path, monkeypatch):
    """Behind thousands that wait for a service that is down, the old ones go, all of them at once."""
    monkeypatch.setattr(inbox, "_BITE", 5)
    async with opened(tmp_path / "events.db") as store:
        waiting = [message(n, SENT) for n in range(1, 13)]
        await store.commit(Step(inbox=[*waiting, *(message(n, SETTLED) for n in range(13, 40))]))
        await store.inbox.prune(inbox.REMEMBERED + 30)
        left = [each.number for each in await store.inbox.newest(100)]
        assert left == [*range(1, 13), *range(30, 40)]


async def test_only_what_was_acted_on_leaves_a_horizon(tmp_path):
    """A stamp of the year 9999, on what was refused or only sent on, must not have all later messages refused."""
    async with opened(tmp_path / "events.db") as store:
        far = 253_402_300_000
        refused = replace(message(1, SETTLED, outcome="rejected"), stamp=far)
        sent = carried(2)
        await store.commit(Step(inbox=[refused, message(3, SETTLED, outcome="done")]))
        await store.commit(replace(sent, events=(), inbox=[replace(message(2, SENT, event=0), stamp=far)]))
        await store.commit(Step(inbox=[Settled(message(2).key, SETTLED, "done")]))
        await store.inbox.prune(inbox.REMEMBERED + 9)
        assert await store.inbox.newest(9) == []
        assert store.inbox.horizon == 1_003


async def test_nothing_is_written_while_nothing_goes(tmp_path):
    """A look at the memory, each minute for years, costs no flash."""
    path = tmp_path / "events.db"
    async with opened(path) as store:
        await store.commit(Step(inbox=[message(1, SETTLED), line(1)]))
        log = path.with_name(path.name + "-wal")
        before = log.read_bytes()
        await store.inbox.prune(0)
        await store.audit.prune(0, Reckoning(0))
        assert log.read_bytes() == before


def line(number, outcome="acting", **more):
    key = number.to_bytes(16, "big")
    return Audited(key, number, "cloud", f"msg_{number}", "k", "write", "speed", 1, 2.5, outcome, **more)


async def test_an_audit_line_is_made_and_then_completed(tmp_path):
    """What became of it takes the place of `acting`; when it began stays."""
    async with opened(tmp_path / "events.db") as store:
        await store.commit(Step(inbox=(line(1), line(2))))
        await store.commit(Step(inbox=(replace(line(1, "done", reason="read back"), at_wall=99),)))
        assert await store.audit.one(line(1).key) == line(1, "done", reason="read back")
        assert await store.audit.newest(AuditFilter(outcome="acting"), 10) == [line(2)]
        assert await store.audit.newest(AuditFilter(since_wall=2), 10) == [line(2)]


async def test_a_line_that_refusals_share_is_as_young_as_the_last_of_them(tmp_path):
    """Whoever asks what was refused in the last minute finds it."""
    async with opened(tmp_path / "events.db") as store:
        first = line(1, "rejected", reason="one")
        await store.commit(Step(inbox=(first,)))
        last = replace(first, at_wall=99, reason="two", count=2)
        await store.commit(Step(inbox=(last,)))
        assert await store.audit.newest(AuditFilter(since_wall=90), 10) == [last]


async def test_the_audit_goes_by_age_alone_and_by_a_believed_clock(tmp_path, monkeypatch):
    """A clock that jumps years ahead takes nothing from whoever asks what was done; full is full."""
    monkeypatch.setattr(audit, "ROOM", 1_000)
    path = tmp_path / "events.db"
    async with opened(path) as store:
        assert not store.audit.full
        await store.commit(Step(inbox=[line(n) for n in range(1, 9)]))
        assert store.audit.full
        await store.audit.prune(401 * DAY, Reckoning(0, Standing.UNPROVEN))
        assert len(await store.audit.newest(AuditFilter(), 100)) == 8
    async with opened(path) as store:
        assert store.audit.full
        await store.audit.prune(400 * DAY + 8, Reckoning(0))
        assert len(await store.audit.newest(AuditFilter(), 100)) == 1
        assert not store.audit.full


async def test_refusals_that_share_a_line_fill_nothing(tmp_path):
    """A stranger who is refused all day must not have what is genuine refused because the audit were full."""
    path = tmp_path / "events.db"
    async with opened(path) as store:
        for count in range(1, 50):
            await store.commit(Step(inbox=(line(1, "rejected", count=count),)))
        size = store.audit.size
    async with opened(path) as store:
        assert store.audit.size == size


async def test_old_lines_of_the_audit_go_in_bites(tmp_path, monkeypatch):
    """However many: the oldest first, and none that is young."""
    monkeypatch.setattr(audit, "_FORGET", audit._FORGET.replace("LIMIT 500", "LIMIT 3"))
    async with opened(tmp_path / "events.db") as store:
        await store.commit(Step(inbox=[line(n) for n in range(1, 20)]))
        await store.audit.prune(400 * DAY + 15, Reckoning(0))
        left = [each.at_wall for each in await store.audit.newest(AuditFilter(), 100)]
        assert left == [15, 16, 17, 18, 19]


async def test_a_damaged_store_believes_that_all_was_seen(tmp_path):
    """Readable rows are taken over; what was signed before that day moves nothing any more."""
    path = tmp_path / "events.db"
    async with opened(path, "cloud/set") as store:
        for number in range(1, 200):
            await store.commit(carried(number))
        await store.commit(Step(inbox=(message(500), line(7))))
    raw = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'attempt'")
    raw[(root - 1) * 4096 : root * 4096] = bytes(4096)
    path.write_bytes(raw)
    async with opened(path, "cloud/set") as store:
        assert store.inbox.horizon > 1_700_000_000
        assert [each.received for each in await store.inbox.unsettled()] == [message(500)]
        assert await store.audit.one(line(7).key) == line(7)
        waiting = await store.waiting("cloud/set", 0, 1000)
        assert (await store.inbox.sent([each.stored.seq for each in waiting])).keys() == {
            each.stored.seq for each in waiting
        }


async def test_what_stands_behind_a_damaged_page_is_taken_over(tmp_path, monkeypatch):
    """From both ends, whatever the bite: what was seen there is known, and what waits there is acted on."""
    monkeypatch.setattr(salvage_messages, "_BITE", 7)
    path = tmp_path / "events.db"
    async with opened(path) as store:
        await store.commit(Step(inbox=[message(n) for n in range(1, 301)]))
    raw = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'attempt'")
    for page in (root - 1, raw.index(b"msg_150") // 4096):
        raw[page * 4096 : (page + 1) * 4096] = bytes(4096)
    path.write_bytes(raw)
    async with opened(path) as store:
        left = [each.number for each in await store.inbox.unsettled()]
        assert left[0] == 1
        assert left[-1] == 300
        assert 150 not in left
        assert 200 < len(left) < 300
