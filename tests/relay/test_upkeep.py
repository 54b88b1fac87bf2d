"""What the relay sees to by itself: a certificate that somebody renews."""

import asyncio
import ssl

import pytest
from rigs.authority import Authority
from rigs.stores import eventually

from agent.config.served import ServerTls
from agent.model import SECOND
from agent.relay.channel import Channel
from agent.relay.config import ChannelSection
from agent.relay.upkeep import Calendar, keep_up
from agent.store.mailbox import Mailbox
from agent.store.mailbox_rows import Message
from agent.web.certificate import Certificate

DAY = 86_400 * SECOND


class Clocks:
    """Both clocks, each moved by itself."""

    def __init__(self):
        self.elapsed, self.shown = 5 * SECOND, 20_000 * DAY

    def monotonic(self):
        return self.elapsed

    def wall(self):
        return self.shown

    def pass_by(self, duration):
        self.elapsed += duration
        self.shown += duration


class Rounds:
    """In the place of a certificate: counts the rounds of the upkeep."""

    seen = 0

    def renew(self):
        self.seen += 1


def test_a_clock_that_leaps_ahead_ages_nothing_for_a_day(caplog):
    """It is told once; a clock that is set back, or by less than an hour, is believed at once."""
    clock = Clocks()
    calendar = Calendar(clock, 0)
    began = clock.shown
    clock.pass_by(DAY)
    assert calendar.now() == began + DAY
    clock.shown += 40 * DAY
    clock.pass_by(60 * SECOND)
    assert calendar.now() == began + DAY + 60 * SECOND
    clock.pass_by(DAY - 60 * SECOND)
    assert calendar.now() == began + 2 * DAY
    clock.pass_by(59 * SECOND)
    assert calendar.now() == began + 2 * DAY + 59 * SECOND
    clock.pass_by(SECOND)
    assert calendar.now() == clock.shown
    assert caplog.text.count("has leapt ahead") == 1

    clock.shown -= 40 * DAY
    assert calendar.now() == clock.shown
    clock.shown += 3_000 * SECOND
    assert calendar.now() == clock.shown


def test_a_leap_that_is_taken_back_is_forgotten():
    """The next one is doubted for a whole day again."""
    clock = Clocks()
    calendar = Calendar(clock, 0)
    clock.shown += 40 * DAY
    calendar.now()
    clock.pass_by(DAY // 2)
    clock.shown -= 40 * DAY
    assert calendar.now() == clock.shown
    clock.pass_by(DAY)
    clock.shown += 40 * DAY
    assert calendar.now() == clock.shown - 40 * DAY


def test_a_relay_that_was_away_gives_plants_a_day_to_ask(caplog):
    """What came before the time of its clock came long ago, or the clock is wrong: it is not removed at once."""
    clock = Clocks()
    last = clock.shown - 40 * DAY
    calendar = Calendar(clock, last)
    assert calendar.now() == last
    clock.pass_by(DAY)
    assert calendar.now() == clock.shown
    assert "leapt" not in caplog.text


async def served(certificate, authority):
    """The certificate that a client is shown, as bytes."""
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=certificate.context
    )
    async with server:
        context = ssl.create_default_context(cafile=authority.certificate)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return shown


async def test_what_waits_outlives_a_leap_of_the_clock(tmp_path):
    """Of a running relay's, and of one that starts with a clock that is wrong."""
    clock = Clocks()
    section = ChannelSection(post_token="none", poll_token="poll-token-0123456789")
    path = tmp_path / "m.db"
    for _ in range(2):
        mailbox = await Mailbox.open(path, {"a": 1_000_000}, 1_000_000_000, clock)
        box = mailbox.boxes["a"]
        rounds = Rounds()
        upkeep = asyncio.create_task(keep_up(mailbox, [Channel(box, section)], rounds, clock))
        await eventually(lambda rounds=rounds: rounds.seen)
        await mailbox.put(box, Message("msg", clock.wall(), b"{}", b"1"))
        clock.shown += 40 * DAY
        upkeep.cancel()
        await asyncio.wait([upkeep])
        await mailbox.close()
    assert box.level.waiting == 2


async def test_what_was_too_old_before_is_removed_when_a_round_is_due(tmp_path, monkeypatch):
    """Round by round; a leap in between removes nothing."""
    monkeypatch.setattr("agent.relay.upkeep._EVERY_S", 0.001)
    clock = Clocks()
    section = ChannelSection(post_token="none", poll_token="poll-token-0123456789")
    mailbox = await Mailbox.open(tmp_path / "m.db", {"a": 1_000_000}, 1_000_000_000, clock)
    box, rounds = mailbox.boxes["a"], Rounds()
    await mailbox.put(box, Message("msg", clock.wall(), b"{}", b"1"))
    upkeep = asyncio.create_task(keep_up(mailbox, [Channel(box, section)], rounds, clock))
    await eventually(lambda: rounds.seen > 2)
    clock.shown += 40 * DAY
    seen = rounds.seen
    await eventually(lambda: rounds.seen > seen + 2)
    assert box.level.waiting == 1
    clock.pass_by(DAY)
    await eventually(lambda: box.level.waiting == 0)
    upkeep.cancel()
    await asyncio.wait([upkeep])
    await mailbox.close()


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path, caplog):
    """What cannot be used is told once, and the one before serves on."""
    authority = Authority(tmp_path)
    files = authority.issue("relay")
    certificate = Certificate(ServerTls(certificate=files[0], key=files[1]))
    first = await served(certificate, authority)
    certificate.renew()
    assert await served(certificate, authority) == first

    key = files[1].read_bytes()
    files[1].write_bytes(b"half a key")
    certificate.renew()
    certificate.renew()
    assert await served(certificate, authority) == first
    assert caplog.text.count("cannot be used") == 1

    files[1].write_bytes(key)
    authority.issue("relay")
    certificate.renew()
    assert await served(certificate, authority) != first


async def test_half_a_renewal_does_not_spoil_what_serves(tmp_path, caplog):
    """The certificate is written, its key is not yet: the pair of before serves on."""
    authority = Authority(tmp_path)
    files = authority.issue("relay")
    certificate = Certificate(ServerTls(certificate=files[0], key=files[1]))
    first, key = await served(certificate, authority), files[1].read_bytes()
    authority.issue("relay")
    files[1].write_bytes(key)
    certificate.renew()

    assert "cannot be used" in caplog.text
    assert await served(certificate, authority) == first


def test_a_key_with_a_password_is_refused_and_not_asked_for(tmp_path):
    """Nobody sits at the terminal."""
    files = Authority(tmp_path).issue("relay", password="secret")

    with pytest.raises(ssl.SSLError):
        Certificate(ServerTls(certificate=files[0], key=files[1]))
