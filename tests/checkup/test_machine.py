"""The machine around the agent: its service, its limits, its memory, and who has its port."""

import os
import socket

import pytest

from agent.checkup.finding import Verdict, parted
from agent.checkup.machine import _port, judge_files, judge_memory, judge_unit
from agent.checkup.processes import holders, listeners, names_of_processes
from agent.config.listening import Listen

LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             15284                15284                processes
Max open files            {}                 524288               files
"""


def unit(**told):
    return {"LoadState": "loaded", "ActiveState": "active", "NRestarts": "0", "Result": "success", **told}


@pytest.mark.parametrize(
    ("told", "running", "verdicts"),
    [
        ({}, False, [Verdict.SKIPPED]),
        (unit(), True, [Verdict.GOOD]),
        (unit(), False, [Verdict.WARNING]),
        (unit(ActiveState="inactive"), False, [Verdict.WARNING]),
        (unit(ActiveState="failed", Result="exit-code"), False, [Verdict.PROBLEM]),
        (unit(ActiveState="activating", NRestarts="41"), False, [Verdict.PROBLEM]),
        (unit(NRestarts="3"), True, [Verdict.GOOD, Verdict.WARNING]),
    ],
)
def test_the_service_is_told_in_each_of_its_states(told, running, verdicts):
    """As `systemctl show` gives it."""
    found = list(judge_unit(told, running=running))

    assert [finding.verdict for finding in found] == verdicts
    assert all(finding.remedy for finding in found if finding.verdict in {Verdict.WARNING, Verdict.PROBLEM})


@pytest.mark.parametrize(
    ("soft", "parts", "verdict"),
    [(1024, 20, Verdict.GOOD), (1024, 400, Verdict.WARNING), ("unlimited", 400, Verdict.GOOD)],
)
def test_files_that_may_be_open_are_held_against_what_is_configured(soft, parts, verdict):
    """Four for each source, destination and relay."""
    assert judge_files(LIMITS.format(soft), parts).verdict is verdict


@pytest.mark.parametrize(
    ("available", "verdict"), [(3_000_000, Verdict.GOOD), (40_000, Verdict.WARNING), (None, Verdict.SKIPPED)]
)
def test_memory_that_is_left_is_told(available, verdict):
    """As /proc/meminfo has it, in kB."""
    rest = "" if available is None else f"MemAvailable:    {available} kB\n"

    assert judge_memory(f"MemTotal:        3884380 kB\n{rest}").verdict is verdict


def test_a_port_that_is_taken_is_a_problem_with_a_remedy():
    """A real listener; the page could not come up beside it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finding = _port(Listen("127.0.0.1", port))

    assert finding.verdict is Verdict.PROBLEM
    assert f"127.0.0.1:{port}" in finding.said
    assert "http" in finding.remedy
    assert _port(Listen("127.0.0.1", port)).verdict is Verdict.GOOD


def test_who_holds_a_file_or_listens_is_told_by_name(tmp_path):
    """By a /proc of the test, as the kernel lays it out."""
    (tmp_path / "77/fd").mkdir(parents=True)
    (tmp_path / "77/comm").write_text("minicom\n")
    (tmp_path / "77/fd/3").symlink_to("/dev/ttyUSB0")
    (tmp_path / "77/fd/4").symlink_to("socket:[4711]")
    (tmp_path / "net").mkdir()
    row = "   0: 0100007F:2116 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1"
    (tmp_path / "net/tcp").write_text(f"  sl  local_address rem_address st\n{row}\n")

    assert names_of_processes(tmp_path) == {"minicom"}
    assert holders("/dev/ttyUSB0", tmp_path) == ["minicom (77)"]
    assert listeners(8470, tmp_path) == ["minicom (77)"]
    assert listeners(8471, tmp_path) == []
    assert holders("/dev/ttyUSB1", tmp_path) == []


def test_this_process_is_not_told_as_the_one_that_holds_it(tmp_path):
    """The file is open here, by the very program that asks."""
    with (tmp_path / "file").open("w") as file:
        assert holders(os.path.realpath(file.name)) == []


@pytest.mark.parametrize(
    ("sentence", "said", "remedy"),
    [
        ("DNS: x is not found: check the name", "DNS: x is not found", "check the name"),
        (
            "the file has a key: that is wrong; write tls: {ca: FILE}",
            "the file has a key: that is wrong",
            "write tls: {ca: FILE}",
        ),
        ("refused (4): chmod o-rwx a: b", "refused (4)", "chmod o-rwx a: b"),
        ("no way is known", "no way is known", "look"),
    ],
)
def test_a_sentence_is_taken_apart_where_its_remedy_begins(sentence, said, remedy):
    """The house's messages hold both; whoever shows them one by one needs them apart."""
    assert parted(sentence, "look") == (said, remedy)
