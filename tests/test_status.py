"""What monitoring is told: every reason why the agent does not keep its promise."""

from types import SimpleNamespace

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
