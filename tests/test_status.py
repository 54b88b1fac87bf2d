"""What monitoring is told: every reason why the agent does not keep its promise."""

from types import SimpleNamespace

from agent.attention import warnings
from agent.paths import STORE
from agent.status import health


def agent(folder, unavailable=None):
    return SimpleNamespace(
        configuration=SimpleNamespace(agent=SimpleNamespace(data_dir=folder)),
        store=SimpleNamespace(unavailable=unavailable),
        intakes=SimpleNamespace(at_work={}),
        timekeeper=SimpleNamespace(problems=list),
        outlets=SimpleNamespace(problems=list),
        relays=SimpleNamespace(problems=lambda _: []),
    )


def test_a_deleted_store_is_a_problem(tmp_path):
    """SQLite goes on writing into a file that has no name any more: it would be gone with the process."""
    (tmp_path / STORE).touch()
    before = health(agent(tmp_path))
    (tmp_path / STORE).unlink()
    (problem,) = health(agent(tmp_path))

    assert before == []
    assert f"{tmp_path / STORE} was deleted" in problem
    assert "restart" in problem


def test_a_store_that_takes_nothing_is_a_problem_with_its_reason(tmp_path):
    """A full disk, say: reading goes on, and monitoring must know why nothing is announced."""
    (tmp_path / STORE).touch()

    assert health(agent(tmp_path, "the disk is full")) == ["nothing can be stored: the disk is full"]


def looked_after(folder, *, bad=(), delayed=(), refused="", rejected=(), full=False, losses=(0, ""), dead=0):
    """An agent in which nothing needs anybody, but what is said here."""
    intake = SimpleNamespace(pause=None, late={}, bad=dict(bad), tags=len(bad) + 1, losses=losses)
    return SimpleNamespace(
        configuration=SimpleNamespace(agent=SimpleNamespace(data_dir=folder)),
        intakes=SimpleNamespace(at_work={"plc": intake}, expiring=[]),
        outlets=SimpleNamespace(
            delayed=lambda: list(delayed),
            holding=SimpleNamespace(warnings=list),
            renewals=SimpleNamespace(expiring=[]),
        ),
        store=SimpleNamespace(
            dead_count=lambda: dead, room=SimpleNamespace(ballast=SimpleNamespace(spent=full))
        ),
        site=SimpleNamespace(refused=refused),
        reloader=SimpleNamespace(rejected=list(rejected)),
    )


def test_who_looks_is_told_what_does_not_stop_the_agent(tmp_path):
    """A tag that cannot be read, a page whose port is taken, a receiver in trouble: none is a problem, none is silent."""
    assert warnings(looked_after(tmp_path)) == []
    assert warnings(looked_after(tmp_path, bad={"T": "no such register"}, delayed=["d"], refused="r")) == [
        "source plc cannot read T: no such register",
        "d",
        "r",
    ]
    bad = {"T": "T is out of its range", "U": "no such register"}
    assert warnings(looked_after(tmp_path, bad=bad)) == [
        "source plc: 2 of 3 tags cannot be read, first T is out of its range"
    ]


def test_a_connection_that_comes_and_goes_is_told_while_it_is_there(tmp_path):
    """Two agents with one client id throw each other out each second: at any look one is connected."""
    assert warnings(looked_after(tmp_path, losses=(2, "another client uses the client_id"))) == []
    (told,) = warnings(looked_after(tmp_path, losses=(3, "another client uses the client_id")))

    assert "plc has lost its connection 3 times" in told
    assert "another client uses the client_id" in told


def test_what_was_given_up_is_told_until_somebody_has_seen_to_it(tmp_path):
    """A dead letter is an alarm that nobody was told of."""
    (told,) = warnings(looked_after(tmp_path, dead=2))

    assert told.startswith("2 events were given up (dead letters): `edge-relay deadletters`")


def test_a_full_disk_is_told_while_the_store_can_still_write(tmp_path):
    """There is time to make room before anything is lost, for whoever knows."""
    (told,) = warnings(looked_after(tmp_path, full=True))

    assert told.startswith(f"the disk of {tmp_path} is full")
    assert "edge-relay doctor" in told


def test_a_store_that_was_damaged_is_told_until_somebody_has_seen_to_it(tmp_path):
    """The old file lies there for as long as nobody knows."""
    aside = tmp_path / f"{STORE}.damaged-20261122T010653Z"
    aside.touch()
    (told,) = warnings(looked_after(tmp_path))

    assert str(aside) in told
    assert "delete the file" in told
    aside.unlink()
    assert warnings(looked_after(tmp_path)) == []


def test_a_refused_configuration_says_how_the_corrected_one_is_taken_up(tmp_path):
    """And how many errors there are."""
    (told,) = warnings(looked_after(tmp_path, rejected=["a.yaml:3:1: error: odd", "b"]))

    assert "a.yaml:3:1: error: odd, and 1 more; `edge-relay check`" in told
    assert "`edge-relay reload`" in told
