"""The files that the agent's user needs, as they are: with real owners, modes and folders."""

import os
import stat

import pytest

from agent.checkup.case import Case, parts_of
from agent.checkup.files import examine_files
from agent.checkup.finding import Verdict
from agent.checkup.users import User, service_user

SOMEBODY = User("edge-relay", 64_123, frozenset({64_124}))
STRANGER = User("edge-relay", os.geteuid() + 1_000_000, frozenset({os.getegid() + 1_000_000}))
OWNER = User("edge-relay", os.geteuid(), frozenset())


@pytest.fixture
def site(tmp_path):
    """A configuration with a secret in a file, everything readable on the way."""
    folder = tmp_path
    while folder != folder.parent:
        if folder.stat().st_uid == os.geteuid() and stat.S_IMODE(folder.stat().st_mode) & 0o5 != 0o5:
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o5)
        folder = folder.parent
    (tmp_path / "token").write_text("canary")
    (tmp_path / "token").chmod(0o640)
    (tmp_path / "data").mkdir()
    (tmp_path / "agent.yaml").write_text("""
agent: {site: s, name: n, data_dir: data}
destinations:
  cmms: {url: "https://cmms.example/", signing: none, auth: {bearer: "${file:token}"}}
""")
    return tmp_path


def found(site, user=STRANGER, **more):
    case = Case(site, parts_of(site), **more)
    findings = list(examine_files(case, user))
    assert all("canary" not in f"{each.said}{each.remedy}" for each in findings)
    return {finding.thing: finding for finding in findings}


@pytest.mark.parametrize(
    ("mode", "owner", "group", "may"),
    [
        (0o640, 64_123, 0, True),
        (0o640, 0, 64_124, True),
        (0o640, 0, 0, False),
        (0o604, 0, 0, True),
        (0o044, 64_123, 64_124, False),  # its owner's bits count, and no other
        (0o604, 0, 64_124, False),
    ],
)
def test_who_may_read_is_told_from_owner_and_mode(mode, owner, group, may):
    """As the kernel does it; root may all."""
    assert SOMEBODY.is_allowed(mode, owner, group, os.R_OK) is may
    assert User("root", 0, frozenset()).is_allowed(mode, owner, group, os.R_OK)


def test_a_secret_that_the_agent_may_not_read_is_a_problem(site):
    """It starts in our hands, and not as the service: whose mode it is, and what to do."""
    finding = found(site)[str(site / "token")]

    assert finding.verdict is Verdict.PROBLEM
    assert "edge-relay, as whom the agent runs, may not read it" in finding.said
    assert f"chmod g+r {site}/token" in finding.remedy


def test_a_folder_on_the_way_is_named(site):
    """The file may be read, and nobody comes there."""
    (site / "token").chmod(0o604)
    site.chmod(0o700)

    assert f"because of the mode of {site}" in found(site)[str(site / "token")].said


def test_a_secret_of_the_agent_is_good(site):
    """With its mode."""
    (site / "token").chmod(0o600)

    assert found(site, OWNER)[str(site / "token")].said == "edge-relay may read it (mode 0600)"


@pytest.mark.parametrize(
    ("user", "mode", "verdict"),
    [(STRANGER, 0o750, Verdict.PROBLEM), (OWNER, 0o750, Verdict.GOOD), (OWNER, 0o777, Verdict.WARNING)],
)
def test_the_data_directory_must_be_the_agents_own(site, user, mode, verdict):
    """Its user writes there, and nobody else."""
    (site / "data").chmod(mode)

    assert found(site, user)[str(site / "data")].verdict is verdict


def test_a_store_larger_than_the_disk_is_a_warning(site):
    """The disk would be full before the store is."""
    path = site / "agent.yaml"
    path.write_text(path.read_text() + "store: {max_size: 900000GB}\n")
    finding = found(site)["room on the disk"]

    assert finding.verdict is Verdict.WARNING
    assert "max_size" in finding.remedy


@pytest.mark.parametrize(
    ("files", "running", "verdict", "word"),
    [
        ((), False, Verdict.SKIPPED, "no store yet"),
        ((), True, Verdict.PROBLEM, "was deleted"),
        (("events.db",), True, Verdict.GOOD, ""),
        (("events.db", "events.db-wal"), False, Verdict.GOOD, "did not end by itself"),
        (("events.db", "events.db-shm"), True, Verdict.WARNING, "another program"),
    ],
)
def test_what_lies_beside_the_store_tells_a_story(site, files, running, verdict, word):
    """It was killed; or somebody looks into it who must not."""
    for name in files:
        (site / "data" / name).write_bytes(b"x" * 100)
    finding = found(site, running=running)[str(site / "data/events.db")]

    assert finding.verdict is verdict
    assert word in finding.said


def test_the_agents_user_is_told_from_what_lies_there(tmp_path):
    """The owner of its socket, else the unit's user, else the owner of the data, else whoever asks."""
    data = tmp_path / "data"
    assert service_user(data, "").number == os.geteuid()
    data.mkdir()
    assert service_user(data, "").number == os.geteuid()
    assert service_user(data, "daemon").name == "daemon"
    assert service_user(data, "nobody-has-this-name").number == os.geteuid()
    (data / "control.sock").touch()
    assert service_user(data, "daemon").number == os.geteuid()
