"""What the running agent says of itself, sorted into findings."""

from pathlib import Path

import pytest

from agent import __version__
from agent.checkup.case import Case, parts_of
from agent.checkup.finding import Verdict
from agent.checkup.running import examine_agent
from agent.paths import STORE

SITE = """
agent: {site: s, name: n, data_dir: data}
sources:
  plc: {type: simulated, tags: {T: {signal: sine}}}
"""


@pytest.fixture
def parts(tmp_path):
    (tmp_path / "agent.yaml").write_text(SITE)
    return parts_of(tmp_path)


def found(parts, silence="", *, running=True, version=__version__, problems=(), attention=()):
    told = {"agent": {"version": version}, "problems": list(problems), "attention": list(attention)}
    case = Case(Path(), parts, running=running, told=told)
    return [(each.thing, each.verdict, each.said) for each in examine_agent(case, silence)]


def test_an_agent_that_does_its_work_is_good(parts):
    """With its version."""
    assert found(parts) == [("agent", Verdict.GOOD, f"version {__version__} runs, and does all of its work")]


def test_its_problems_and_what_wants_attention_are_told_once(parts):
    """What is told with its source or its certificate is left out here; nothing else is."""
    problems = [
        "source plc is down: it is off: check it",
        "source removed is down: gone",
        "nothing can be stored: full",
    ]
    attention = [
        "source plc: nothing comes of T",
        "a certificate of destination x expires on 2027-01-01, renew it",
        "odd",
    ]

    assert found(parts, problems=problems, attention=attention) == [
        ("agent", Verdict.PROBLEM, "source removed is down: gone"),
        ("agent", Verdict.PROBLEM, "nothing can be stored: full"),
        ("agent", Verdict.WARNING, "odd"),
    ]


def test_an_upgrade_that_was_not_followed_by_a_restart_is_a_warning(parts):
    """The program on disk is newer than the one that runs."""
    [(thing, verdict, said), _] = found(parts, version="0.0.9")

    assert (thing, verdict) == ("version", Verdict.WARNING)
    assert "0.0.9" in said
    assert __version__ in said


def test_before_the_first_start_no_agent_is_missed(parts):
    """Whoever commissions a plant has not started it yet."""
    [(_, verdict, _)] = found(parts, running=False)

    assert verdict is Verdict.SKIPPED


@pytest.mark.parametrize(("log", "how"), [(b"", "stopped"), (b"x", "killed")])
def test_an_agent_that_is_gone_is_a_problem(parts, log, how):
    """Nothing is watched any more; what it left tells whether somebody stopped it."""
    parts.agent.data_dir.mkdir()
    (parts.agent.data_dir / STORE).write_bytes(b"x")
    (parts.agent.data_dir / f"{STORE}-wal").write_bytes(log)
    [(_, verdict, said)] = found(parts, running=False)

    assert verdict is Verdict.PROBLEM
    assert f"was {how}" in said


@pytest.mark.parametrize(("hangs", "verdict"), [(True, Verdict.PROBLEM), (False, Verdict.WARNING)])
def test_an_agent_that_hangs_is_a_problem_and_one_that_we_may_not_ask_is_not(parts, hangs, verdict):
    """Whose control socket we may not use may be well."""
    case = Case(Path(), parts, running=True, hangs=hangs)
    [finding] = examine_agent(case, "it does not answer: `systemctl restart edge-relay`")

    assert finding.verdict is verdict
    assert finding.remedy == "`systemctl restart edge-relay`"
