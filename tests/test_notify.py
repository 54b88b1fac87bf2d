"""What systemd hears, on real datagram sockets, and when the watchdog goes unfed."""

import asyncio
import logging
import socket

import pytest
from rigs.virtual_time import VirtualClock

from agent.model import SECOND
from agent.notify import Systemd, ask_for_patience, feed_watchdog, stuck, watchdog_interval

PID = 4711


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A service manager's socket and the NOTIFY_SOCKET that names it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        if request.param == "path":
            address = str(tmp_path / "notify")
            listening.bind(address)
        else:
            address = f"@{tmp_path}/notify"
            listening.bind("\0" + address[1:])
        yield listening, {"NOTIFY_SOCKET": address}


def test_every_word_arrives_in_the_form_of_sd_notify(manager):
    """Each call is one datagram, on a path and in the abstract namespace alike."""
    listening, environ = manager
    systemd = Systemd.from_environment(environ, PID)

    systemd.ready()
    systemd.reloading(1_234_567_891_234)
    systemd.status("3 sources,\n2 destinations")
    systemd.alive()
    systemd.stopping()
    systemd.be_patient()

    heard = [listening.recv(1000).decode() for _ in range(6)]
    assert heard == [
        "READY=1",
        "RELOADING=1\nMONOTONIC_USEC=1234567891",
        "STATUS=3 sources, 2 destinations",
        "WATCHDOG=1",
        "STOPPING=1",
        "EXTEND_TIMEOUT_USEC=60000000\nWATCHDOG=1",
    ]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_service_manager_nothing_happens(environ, caplog):
    """In a container or a terminal every word is silently nobody's."""
    Systemd.from_environment(environ, PID).ready()

    assert not caplog.records


def test_a_manager_that_went_away_costs_a_warning_and_no_more(tmp_path, caplog):
    """The socket is gone: the agent goes on, the log has one line with the reason."""
    Systemd(str(tmp_path / "gone")).ready()

    assert [record.getMessage() for record in caplog.records] == [
        "systemd was not told READY: [Errno 2] No such file or directory"
    ]


def test_a_manager_that_does_not_read_never_blocks_the_loop(manager, caplog):
    """With its queue full the word is dropped at once."""
    _, environ = manager
    systemd = Systemd.from_environment(environ, PID)

    for _ in range(2000):
        systemd.alive()
        if caplog.records:
            break

    assert "Resource temporarily unavailable" in caplog.text


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 10 * SECOND),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 10 * SECOND),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ],
)
def test_the_watchdog_is_fed_three_times_in_its_limit(environ, expected):
    """None when nobody watches this process."""
    assert watchdog_interval(environ, PID) == expected


def test_a_slow_disk_is_progress_and_a_hung_one_is_not():
    """20 s in one fsync is at work; past the patience it is stuck, and says so; an answer ends it."""
    seen = [stuck(since, 100 * SECOND) for since in (None, 80 * SECOND, 55 * SECOND)]

    assert seen == ["", "", "the store has waited 45 s for the disk; look for a failing or hung disk"]


@pytest.mark.virtual_time
async def test_the_watchdog_starves_while_the_writer_is_stuck_and_only_then(caplog):
    """Fed every 10 s; nothing from the instant it is stuck; again when the disk answers. One line in the log."""
    times = []

    class Fed(Systemd):
        def alive(self):
            times.append(asyncio.get_running_loop().time())

    clock, since = VirtualClock(), None
    async with asyncio.TaskGroup() as group:
        feeding = group.create_task(
            feed_watchdog(Fed(feed_every=10 * SECOND), lambda: stuck(since, clock.monotonic())),
            name="watchdog",
        )
        await asyncio.sleep(15)
        since = clock.monotonic()  # at 15: patience ends at 45
        await asyncio.sleep(60)
        since = None  # at 75
        await asyncio.sleep(20)
        feeding.cancel()

    assert times == [0, 10, 20, 30, 40, 80, 90]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_without_a_watchdog_nothing_is_fed():
    """The task ends at once instead of idling for ever."""
    await asyncio.wait_for(feed_watchdog(Systemd(), lambda: ""), 5)


@pytest.mark.virtual_time
async def test_while_a_store_is_opened_the_manager_is_asked_to_wait():
    """Every ten seconds for a minute more, which feeds the watchdog too; a disk that hangs is not borne for ever."""
    times = []

    class Asked(Systemd):
        def be_patient(self):
            times.append(asyncio.get_running_loop().time())

    await ask_for_patience(Asked())

    assert times == list(range(0, 600, 10))
