"""What monitoring is told: every reason why the agent does not keep its promise."""

from types import SimpleNamespace

from agent.paths import STORE
from agent.status import health


def test_a_deleted_store_is_a_problem(tmp_path):
    """SQLite goes on writing into a file that has no name any more: it would be gone with the process."""
    agent = SimpleNamespace(
        configuration=SimpleNamespace(agent=SimpleNamespace(data_dir=tmp_path)),
        store=SimpleNamespace(unavailable=None),
        intakes=SimpleNamespace(at_work={}),
        timekeeper=SimpleNamespace(problems=list),
        outlets=SimpleNamespace(problems=list),
    )
    (tmp_path / STORE).touch()
    before = health(agent)
    (tmp_path / STORE).unlink()
    (problem,) = health(agent)

    assert before == []
    assert f"{tmp_path / STORE} was deleted" in problem
    assert "restart" in problem
