"""One task kept alive for years, on virtual time: waits, resets, what is told and what is logged."""

import asyncio
import logging

import pytest
from rigs.virtual_time import VirtualClock

from agent.errors import SourceError, StoreUnavailable
from agent.model import SECOND
from agent.supervise import Backoff, Supervisor

DOWN = "press: no answer from 10.0.0.5:502; look at the cable"


@pytest.mark.parametrize(
    ("failures", "expected"),
    [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (1_000_000, 30)],
)
def test_the_ceiling_doubles_from_a_second_to_thirty(failures, expected):
    """And stays there, whatever the number: an outage lasts as long as it lasts."""
    assert Backoff().ceiling(failures) == expected * SECOND


@pytest.mark.parametrize(
    ("failures", "dice", "expected"),
    [(1, 0.0, 0.5), (1, 0.5, 0.75), (3, 0.0, 2), (3, 1.0, 4), (9, 0.5, 22.5)],
)
def test_the_wait_lies_between_half_the_ceiling_and_the_ceiling(failures, dice, expected):
    """The dice spread a fleet over half of it; no wait is nearly nothing."""
    assert Backoff().wait(failures, dice) == expected * SECOND


class Rig:
    """A supervised session that follows a script, and all that was seen of it.

    A line of the script is (seconds the session takes, whether it proves itself first, its end).
    After the last line the session holds for ever.
    """

    def __init__(self, script, *, patience=None, down_fails=None) -> None:
        self.script = list(script)
        self.begun = []
        self.told = []
        self.down_fails = down_fails
        self.supervisor = Supervisor(
            "source press",
            self.session,
            on_down=self.on_down,
            clock=VirtualClock(),
            random=lambda: 1.0,
            patience=patience,
        )

    async def session(self):
        self.begun.append(asyncio.get_running_loop().time())
        if not self.script:
            await asyncio.sleep(10**9)
        seconds, proven, end = self.script.pop(0)
        if proven:
            self.supervisor.alive()
        await asyncio.sleep(seconds)
        if end is not None:
            raise end

    async def on_down(self, reason):
        self.told.append(reason)
        self.supervisor.alive()  # as an emit does that serves both: must count for nothing here
        if self.down_fails is not None:
            raise self.down_fails

    async def play(self, seconds):
        task = asyncio.create_task(self.supervisor.run(), name="supervised")
        await asyncio.sleep(seconds)
        still_runs = not task.done()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return still_runs


def messages(caplog):
    return [(record.levelno, record.getMessage()) for record in caplog.records]


@pytest.fixture(autouse=True)
def _all_levels(caplog):
    caplog.set_level(logging.DEBUG, logger="agent.supervise")


@pytest.mark.virtual_time
async def test_a_dead_device_is_asked_ever_more_rarely_and_logged_once(caplog):
    """Seven failures for one reason: waits of 1 2 4 8 16 30 30 s, each told on, one line in the log."""
    rig = Rig([(0, False, SourceError(DOWN))] * 7)

    assert await rig.play(200)
    assert rig.begun == [0, 1, 3, 7, 15, 31, 61, 91]
    assert rig.told == [DOWN] * 7
    assert messages(caplog) == [(logging.WARNING, f"source press is down: {DOWN}")]
    assert rig.supervisor.reason == DOWN


@pytest.mark.virtual_time
async def test_a_black_hole_backs_off_although_each_try_takes_long(caplog):
    """A connect that hangs for 10 s before it fails is no session that held: the waits grow all the same."""
    rig = Rig([(10, False, SourceError(DOWN))] * 5)
    await rig.play(200)

    assert rig.begun == [0, 11, 23, 37, 55, 81]
    assert len(caplog.records) == 1


@pytest.mark.virtual_time
async def test_a_new_reason_is_logged_and_so_is_the_recovery(caplog):
    """Three lines for five failures with two reasons and one return."""
    refused = SourceError("press: refused")
    rig = Rig([(0, False, SourceError(DOWN))] * 2 + [(0, False, refused)] * 3 + [(10**6, True, None)])
    await rig.play(100)

    assert messages(caplog) == [
        (logging.WARNING, f"source press is down: {DOWN}"),
        (logging.WARNING, "source press is down: press: refused"),
        (logging.INFO, "source press is up again"),
    ]
    assert rig.supervisor.reason == ""


@pytest.mark.virtual_time
async def test_a_session_that_proved_itself_starts_the_waits_anew():
    """After four failures one short good session: the next wait is the first again."""
    down = SourceError(DOWN)
    rig = Rig([(0, False, down)] * 4 + [(5, True, down), (0, False, down)])
    await rig.play(60)

    assert rig.begun == [0, 1, 3, 7, 15, 21, 23]


@pytest.mark.virtual_time
async def test_a_session_that_held_for_long_counts_as_good_untold(caplog):
    """A relay's quiet poll tells nothing for 31 s, then fails: first wait, and a line of its own."""
    down = SourceError(DOWN)
    rig = Rig([(0, False, down)] * 4 + [(31, False, down)])
    await rig.play(60)

    assert rig.begun == [0, 1, 3, 7, 15, 47]
    assert len(caplog.records) == 2


@pytest.mark.virtual_time
async def test_a_bug_in_an_adapter_is_told_with_its_traceback_once_and_survived(caplog):
    """The exception's own text stays in the log: it may hold a password."""
    rig = Rig([(0, False, KeyError("mqtt://user:hunter2@broker"))] * 5)

    assert await rig.play(30)
    assert set(rig.told) == {"an internal error (KeyError), see the agent's log"}
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is not None
    assert "hunter2" not in caplog.records[0].getMessage()


@pytest.mark.virtual_time
async def test_a_session_that_just_ends_is_run_again():
    """A return is no success: something that should read for ever has stopped."""
    rig = Rig([(0, False, None)])
    await rig.play(10)

    assert rig.begun == [0, 1]
    assert rig.told == ["it ended without an error"]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("error", "lines"), [(StoreUnavailable("disk full"), 1), (ZeroDivisionError(), 2)], ids=["store", "bug"]
)
async def test_a_down_that_cannot_be_told_stops_nothing_and_is_told_again(error, lines, caplog):
    """The store's own trouble is the store's to log; a bug is logged once."""
    rig = Rig([(0, False, SourceError(DOWN))] * 3, down_fails=error)

    assert await rig.play(20)
    assert rig.told == [DOWN] * 3
    assert len(caplog.records) == lines


@pytest.mark.virtual_time
async def test_a_stuck_session_is_cancelled_and_run_again():
    """It proved itself, then nothing for its patience: cancelled, with a reason that says so."""
    rig = Rig([(10**6, True, None)], patience=60 * SECOND)
    await rig.play(100)

    assert rig.begun == [0, 61]
    assert rig.told == [
        "nothing came of it for 60 s; it was started anew: look at the device and the network"
    ]


@pytest.mark.virtual_time
async def test_a_session_that_keeps_proving_itself_outlives_its_patience():
    """Alive every 50 s with a patience of 60: one session, for ever."""
    rig = Rig([], patience=60 * SECOND)
    playing = asyncio.create_task(rig.play(1000), name="play")
    for _ in range(19):
        await asyncio.sleep(50)
        rig.supervisor.alive()

    assert await playing
    assert rig.begun == [0]


@pytest.mark.virtual_time
async def test_a_timeout_that_the_session_let_out_is_a_bug_not_a_stuck_session():
    """An adapter must say which device did not answer; a bare TimeoutError says nothing."""
    rig = Rig([(0, False, TimeoutError())], patience=60 * SECOND)
    await rig.play(10)

    assert rig.told == ["an internal error (TimeoutError), see the agent's log"]


@pytest.mark.virtual_time
async def test_cancellation_goes_through_while_it_waits_and_while_it_runs():
    """Stopping the agent waits for no back-off (`play` checks that the task ends cancelled)."""
    waiting = Rig([(0, False, SourceError(DOWN))] * 10)
    running = Rig([])
    await waiting.play(40)
    await running.play(40)

    assert running.told == []


@pytest.mark.virtual_time
async def test_a_session_that_cancels_itself_is_started_anew():
    """A library's own cancellation that escapes is an end like any other; the supervisor's own still ends it."""
    began = []

    async def session():
        began.append(asyncio.get_running_loop().time())
        raise asyncio.CancelledError

    async def on_down(reason):
        pass

    supervisor = Supervisor(
        "source press", session, on_down=on_down, clock=VirtualClock(), random=lambda: 0.0
    )
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(5)
    task.cancel()
    await asyncio.wait([task])

    assert len(began) > 1
    assert task.cancelled()
