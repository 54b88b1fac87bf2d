"""The unit of the relay: what systemd itself says of it, offline."""

import subprocess

import pytest
from rigs.relay_process import ROOT

from agent.relay.load import load_relay

UNIT = ROOT / "systemd" / "edge-relay-relay.service"
PROGRAM = "/opt/edge-relay/bin/edge-relay"


def analyze(*arguments):
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def unit(tmp_path):
    """The unit as installed, but for the program's own path: verify wants one that is there."""
    installed = tmp_path / "edge-relay-relay.service"
    installed.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))
    return installed


def test_systemd_knows_every_key(unit):
    """Not one word of complaint; with a key that it does not know there is one."""
    silent = analyze("verify", "--man=no", str(unit))
    assert (silent.stdout, silent.stderr) == ("", "")

    unit.write_text(unit.read_text().replace("RestartSec=5", "RestartSec=5\nRestartSoon=5"))
    assert "RestartSoon" in analyze("verify", "--man=no", str(unit)).stderr


def test_the_exposure_is_at_most_1_2(unit):
    """As the agent's own; without one of its locks it is more."""
    assert analyze("security", "--offline=true", "--threshold=12", str(unit)).returncode == 0

    unit.write_text(unit.read_text().replace("PrivateDevices=yes\n", "").replace("PrivateUsers=yes\n", ""))
    assert analyze("security", "--offline=true", "--threshold=12", str(unit)).returncode != 0


def test_the_sample_loads_with_the_credentials_that_the_unit_gives(tmp_path):
    """Unit and sample agree on names, folder and file."""
    text = UNIT.read_text()
    for side in ("post", "poll"):
        assert f"\nLoadCredential=plant-7.{side}:" in text
        (tmp_path / f"plant-7.{side}").write_text(f"{side}-token-0123456789\n")
    sample = ROOT / "config" / "relay" / "relay.yaml"

    loaded = load_relay(sample, {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert loaded.warnings == ()
    assert loaded.channels["plant-7"].post_token.reveal() == "post-token-0123456789"
    assert f"StateDirectory={loaded.relay.data_dir.name}\n" in text
    assert f"ExecStart={PROGRAM} relay /etc/edge-relay-relay/{sample.name}\n" in text
