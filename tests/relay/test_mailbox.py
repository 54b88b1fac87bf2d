"""The mailbox on disk: group commit, room, age, damage, and whose file it is."""

import asyncio
import shutil
import sqlite3
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY
from rigs.stores import HandClock, Rebooted, eventually, transactions

from agent.errors import StoreRefused, StoreUnavailable
from agent.model import SECOND
from agent.relay.channel import Channel
from agent.relay.config import ChannelSection
from agent.relay.upkeep import Condition, expire
from agent.store.mailbox import Mailbox
from agent.store.mailbox_box import Put
from agent.store.mailbox_rows import Message, last_received

LARGE = 1_000_000_000
DAY = 86_400 * SECOND


@asynccontextmanager
async def opened(path, clock=None, bound=LARGE, **bounds: int):
    box = await Mailbox.open(path, bounds or {"a": LARGE}, bound, clock or HandClock())
    try:
        yield box
    finally:
        await box.close()


def message(number, received=1, size=100):
    return Message(f"msg_{number}", received, b"{}", b"%d " % number + b"x" * size)


async def put(mailbox, *numbers: int, channel="a", **how: int):
    box = mailbox.boxes[channel]
    return await asyncio.gather(*(mailbox.put(box, message(number, **how)) for number in numbers))


async def kept(mailbox, channel="a", after=0):
    part = await mailbox.read(mailbox.boxes[channel], after, 0, most=100_000, size=LARGE)
    return [int(each.id[4:]) for each in part.messages]


async def test_many_senders_share_a_transaction(tmp_path):
    """A thousand messages that are offered at once cost two commits at the most."""
    async with opened(tmp_path / "m.db") as mailbox, transactions(mailbox) as commits:
        assert set(await put(mailbox, *range(1000))) == {Put.STORED}
        assert len(commits) <= 2
        assert await kept(mailbox) == list(range(1000))


async def test_what_is_acknowledged_makes_room_and_what_waits_never_goes(tmp_path):
    """The channel's bound holds whatever comes; it is exact over a restart."""
    path = tmp_path / "m.db"
    size = message(0, size=10_000).size
    async with opened(path, a=20 * size + size // 2) as mailbox:
        told = await put(mailbox, *range(10, 35), size=9_999)
        assert told == [Put.STORED] * 20 + [Put.CHANNEL_FULL] * 5
        mailbox.acknowledge(mailbox.boxes["a"], 4)
        mailbox.acknowledge(mailbox.boxes["a"], 3)
        await eventually(lambda: mailbox.boxes["a"].level.waiting == 16)
        assert await kept(mailbox) == list(range(10, 30))
        assert await put(mailbox, *range(40, 46), size=9_999) == [Put.STORED] * 4 + [Put.CHANNEL_FULL] * 2
        assert await kept(mailbox) == [*range(14, 30), *range(40, 44)]
        level = mailbox.boxes["a"].level
    async with opened(path, a=20 * size + size // 2) as mailbox:
        assert mailbox.boxes["a"].level == level
        assert await put(mailbox, 50, size=9_999) == [Put.CHANNEL_FULL]


async def test_the_file_has_a_bound_of_its_own_and_channels_do_not_take_each_others_messages(tmp_path):
    """What one plant took goes for what comes to another; what the other waits for stays."""
    async with opened(tmp_path / "m.db", bound=10_000_000, a=LARGE, b=LARGE) as mailbox:
        await put(mailbox, *range(40), size=100_000)
        told = await put(mailbox, *range(80), channel="b", size=100_000)
        assert Put.MAILBOX_FULL in told
        waiting = await kept(mailbox, "b")
        mailbox.acknowledge(mailbox.boxes["a"], 30)
        await eventually(lambda: mailbox.boxes["a"].level.waiting == 10)
        assert set(await put(mailbox, *range(100, 110), channel="b", size=100_000)) == {Put.STORED}
        assert (await kept(mailbox))[-10:] == list(range(30, 40))
        assert await kept(mailbox, "b") == [*waiting, *range(100, 110)]
        assert mailbox.used <= 10_000_000


def expired():
    return REGISTRY.get_sample_value("edge_relay_relay_expired_total", {"channel": "a"}) or 0


async def test_what_is_too_old_goes_and_what_the_plant_never_had_is_counted(tmp_path):
    """By the time at which it came; in steps, so that more than a thousand go as well; numbers go on."""
    clock, before = HandClock(), expired()
    async with opened(tmp_path / "m.db", clock) as mailbox:
        section = ChannelSection(post_token="none", poll_token="poll-token-0123456789", keep="30d")
        channel = Channel(mailbox.boxes["a"], section)
        await put(mailbox, *range(2500), received=clock.wall())
        mailbox.acknowledge(channel.box, 100)
        clock.instant += 20 * DAY
        await put(mailbox, 3000, received=clock.wall())
        assert await last_received(mailbox._turns.connection) == clock.wall()
        [warning] = Condition(mailbox, [channel], clock).warnings()
        assert "2401 messages wait for its plant, the oldest is removed in 10.0 days" in warning
        await expire(mailbox, [channel], clock.wall())
        assert len(await kept(mailbox)) == 2501
        clock.instant += 11 * DAY
        await expire(mailbox, [channel], clock.wall())
        assert await kept(mailbox) == [3000]
        assert expired() - before == 2400
        assert (channel.box.level.waiting, channel.box.level.waiting_since) == (1, clock.wall() - 11 * DAY)
        clock.instant += 30 * DAY
        await expire(mailbox, [channel], clock.wall())
        assert await kept(mailbox) == []
        assert await put(mailbox, 4000) == [Put.STORED]
        assert channel.box.level.newest == 2502


async def test_numbers_are_never_used_twice(tmp_path):
    """Not after everything is gone, nor over a restart: an iterator means one place."""
    path = tmp_path / "m.db"
    async with opened(path) as mailbox:
        await put(mailbox, *range(5))
        await mailbox.expire(mailbox.boxes["a"], 2)
        epoch = mailbox.boxes["a"].epoch_of(5)
    async with opened(path) as mailbox:
        box = mailbox.boxes["a"]
        assert (box.epoch_of(5), box.level.newest, box.level.oldest, box.level.waiting) == (epoch, 5, 6, 0)
        await put(mailbox, 7)
        assert await kept(mailbox, after=5) == [7]


async def test_a_number_that_is_used_twice_has_two_epochs(tmp_path):
    """The file is put back from a backup: what was taken since is told from what comes now, what was taken before is not."""
    path, backup = tmp_path / "m.db", tmp_path / "backup"
    async with opened(path) as mailbox:
        await put(mailbox, 1, 2)
    async with opened(path):
        pass  # a start of which nothing came
    shutil.copy(path, backup)
    async with opened(path) as mailbox:
        await put(mailbox, 3, 4)
        before = [mailbox.boxes["a"].epoch_of(number) for number in range(5)]
    shutil.copy(backup, path)
    async with opened(path) as mailbox:
        await put(mailbox, 5, 6)
        now = [mailbox.boxes["a"].epoch_of(number) for number in range(5)]
        assert [old == new for old, new in zip(before, now, strict=True)] == [True] * 3 + [False] * 2
        assert len(set(now)) == 3


async def test_epochs_are_bounded_and_every_number_has_one(tmp_path):
    """A thousand starts and no more; what was before shares one, and a start without messages leaves none."""
    path = tmp_path / "m.db"
    async with opened(path) as mailbox:
        await put(mailbox, *range(5_000))
    with sqlite3.connect(path) as other:
        other.executemany(
            "INSERT INTO run VALUES (1, ?, ?, 'a')", [(number, f"{number}") for number in range(2, 4_000)]
        )
    other.close()
    async with opened(path) as mailbox:
        box = mailbox.boxes["a"]
        runs = box.runs
        assert len(runs) == 1_001
        assert (box.epoch_of(3_500), box.epoch_of(1), box.epoch_of(2)) == (
            "3500",
            box.epoch_of(0),
            box.epoch_of(0),
        )
    async with opened(path) as mailbox:
        assert [first for first, _ in mailbox.boxes["a"].runs] == [first for first, _ in runs]


async def test_what_is_refused_is_not_stored(tmp_path, monkeypatch):
    """Whatever fails of a transaction fails before COMMIT: no number is given twice within a run."""
    path = tmp_path / "m.db"
    async with opened(path) as mailbox:

        async def fail(_):
            raise sqlite3.OperationalError("disk I/O error")

        with monkeypatch.context() as patch:
            patch.setattr("agent.store.mailbox.used_bytes", fail)
            with pytest.raises(StoreUnavailable):
                await put(mailbox, 1)
        used = mailbox.used
        with monkeypatch.context() as patch:
            patch.setattr(mailbox._turns.connection, "commit", lambda: fail(None))
            with pytest.raises(StoreUnavailable):
                await put(mailbox, 1, size=100_000)
        assert mailbox.used == used
        await put(mailbox, 2)
        assert await kept(mailbox) == [2]


async def test_what_waits_to_be_written_is_counted_when_its_sender_is_gone(tmp_path):
    """Who posts and hangs up while the disk is slow fills no memory that nobody counts."""
    async with opened(tmp_path / "m.db") as mailbox:
        posting = asyncio.create_task(mailbox.put(mailbox.boxes["a"], message(1)))
        await asyncio.sleep(0)
        posting.cancel()
        await asyncio.wait([posting])
        assert mailbox.queued == message(1).size
        await eventually(lambda: mailbox.queued == 0)
        assert await kept(mailbox) == [1]


async def test_a_channel_that_left_the_file_keeps_its_messages_and_is_told(tmp_path):
    """It comes back with them; the room of what its plant took is given back."""
    path = tmp_path / "m.db"
    async with opened(path, a=LARGE, b=LARGE) as mailbox:
        await put(mailbox, 0, 1, 2, channel="b", size=10_000)
        mailbox.acknowledge(mailbox.boxes["b"], 1)
        await eventually(lambda: mailbox.boxes["b"].level.waiting == 2)
        used = mailbox.used
    async with opened(path, a=LARGE) as mailbox:
        assert mailbox.left == {"b": 2}
        assert mailbox.used < used
        [warning] = Condition(mailbox, [], HandClock()).warnings()
        assert "channel b is not in the file" in warning
        assert "add it again" in warning
    async with opened(path, b=LARGE) as mailbox:
        assert await kept(mailbox, "b") == [1, 2]


async def test_the_database_of_another_program_is_left_alone(tmp_path):
    """Also an agent's own store."""
    path = tmp_path / "m.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match="is the database of another program: move it aside"):
        await Mailbox.open(path, {"a": LARGE}, LARGE, HandClock())
    assert path.read_bytes() == before


async def test_a_damaged_file_is_moved_aside_and_what_can_be_read_goes_on(tmp_path):
    """The same numbers, epochs and acknowledgements; what lay in the damaged place is what is missing."""
    path, clock = tmp_path / "m.db", Rebooted(1_795_000_000 * SECOND)
    async with opened(path, clock) as mailbox:
        for start in range(0, 400, 100):
            await put(mailbox, *range(start, start + 100), size=3_000)
        mailbox.acknowledge(mailbox.boxes["a"], 50)
        await eventually(lambda: mailbox.boxes["a"].level.waiting == 350)
        epoch = mailbox.boxes["a"].epoch_of(400)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 3 * 4096] = b"\xa5" * 3 * 4096
    path.write_bytes(content)

    async with opened(path, clock) as mailbox:
        box = mailbox.boxes["a"]
        left = await kept(mailbox)
        assert (box.epoch_of(400), box.level.newest, box.level.acknowledged) == (epoch, 400, 50)
        assert 380 <= len(left) < 400
        assert left == sorted(set(left))
        await put(mailbox, 999)
        assert (await kept(mailbox))[-1] == 999
    [aside] = tmp_path.glob("m.db.damaged-20261118T*Z")
    assert aside.read_bytes()[middle : middle + 4096] == b"\xa5" * 4096


async def test_the_page_that_names_the_channels_takes_no_message_with_it(tmp_path):
    """Each is known again, by what else is there: all that is kept is handed over, and no number means two messages."""
    path, clock = tmp_path / "m.db", Rebooted(1_795_000_000 * SECOND)
    async with opened(path, clock, a=LARGE, b=LARGE) as mailbox:
        await put(mailbox, *range(20))
        await put(mailbox, 100, channel="b")
        mailbox.acknowledge(mailbox.boxes["a"], 5)
        await eventually(lambda: mailbox.boxes["a"].level.waiting == 15)
        before = mailbox.boxes["a"].epoch_of(20)
    with sqlite3.connect(path) as other:
        [(page,)] = other.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'channel'")
    other.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)

    async with opened(path, clock, a=LARGE, b=LARGE) as mailbox:
        assert (await kept(mailbox), await kept(mailbox, "b")) == (list(range(20)), [100])
        await put(mailbox, 999)
        box = mailbox.boxes["a"]
        assert (box.epoch_of(20) == before, box.epoch_of(21) != before, box.level.waiting) == (True, True, 21)


async def test_a_flipped_bit_is_never_handed_over(tmp_path):
    """The message is left out and counted; those around it go on."""
    path = tmp_path / "m.db"
    async with opened(path) as mailbox:
        await put(mailbox, *range(10))
    content = path.read_bytes()
    assert content.count(b"5 xxx") == 1
    path.write_bytes(content.replace(b"5 xxx", b"5 xxy"))
    async with opened(path) as mailbox:
        part = await mailbox.read(mailbox.boxes["a"], 0, 0, most=100, size=LARGE)
        assert [each.id for each in part.messages] == [f"msg_{number}" for number in range(10) if number != 5]
        assert (part.last, part.damaged) == (10, 1)
