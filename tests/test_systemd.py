"""The unit that plants install: what systemd itself says of it, offline."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent / "systemd"
AGENT = "/opt/edge-relay/bin/edge-relay"


def analyze(arguments):
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def unit(tmp_path):
    """The unit as installed, but for the agent's own path: verify wants a program that is there."""
    installed = tmp_path / "edge-relay.service"
    text = (SYSTEMD / "edge-relay.service").read_text()
    assert AGENT in text
    installed.write_text(text.replace(AGENT, "/bin/true"))
    return installed


@pytest.fixture
def unit_with_serial_ports(unit):
    """The unit with the drop-in for serial PLCs beside it."""
    drop_in = unit.parent / "edge-relay.service.d"
    drop_in.mkdir()
    shutil.copy(SYSTEMD / "serial-ports.conf", drop_in)
    return unit


def verify(unit):
    """What `systemd-analyze verify` prints; it exits 0 on keys it does not know, so only silence is good."""
    result = analyze(["verify", "--man=no", str(unit)])
    return result.stdout + result.stderr


def test_systemd_knows_every_key_of_the_unit(unit):
    """Not one word of complaint."""
    assert verify(unit) == ""


def test_systemd_knows_every_key_of_the_drop_in_for_serial_ports(unit_with_serial_ports):
    """And it still is a whole unit with it."""
    assert verify(unit_with_serial_ports) == ""


def test_verify_would_have_complained(unit):
    """The silence above means something: a key from a newer systemd, or a typing error, is told."""
    unit.write_text(unit.read_text().replace("RestartSec=5", "RestartSec=5\nRestartSoon=5"))

    assert "RestartSoon" in verify(unit)


def test_the_exposure_is_at_most_1_2(unit):
    """P1: the threshold is the exposure times ten."""
    result = analyze(["security", "--offline=true", "--threshold=12", str(unit)])

    assert result.returncode == 0, result.stdout[-2000:]


def test_the_sandbox_is_what_keeps_the_exposure_low(unit):
    """Without one of its locks the same check fails, so nobody takes one out unseen."""
    unit.write_text(unit.read_text().replace("PrivateDevices=yes\n", ""))

    assert analyze(["security", "--offline=true", "--threshold=12", str(unit)]).returncode != 0


def test_it_comes_back_for_ever_but_not_with_a_faulty_configuration():
    """The keys that decide over years of running, as the design sets them."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(SYSTEMD / "edge-relay.service")

    service = unit["Service"]
    expected = {
        "Type": "notify",
        "WatchdogSec": "30",
        "Restart": "always",
        "RestartSec": "5",
        "RestartPreventExitStatus": "2",
        "TimeoutStopSec": "10",
        "StateDirectory": "edge-relay",
        "User": "edge-relay",
        "ExecStart": f"{AGENT} run -c /etc/edge-relay",
        "ExecReload": f"{AGENT} reload",
    }
    assert {key: service[key] for key in expected} == expected
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert {"AF_INET", "AF_INET6", "AF_UNIX"} == set(service["RestrictAddressFamilies"].split())


def test_the_user_can_be_made():
    """systemd-sysusers reads its file and would create user and group."""
    result = subprocess.run(
        ["systemd-sysusers", "--dry-run", str(SYSTEMD / "sysusers.conf")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (result.returncode, "edge-relay" in result.stderr + result.stdout) == (0, True)
