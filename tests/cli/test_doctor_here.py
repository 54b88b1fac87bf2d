"""`edge-relay doctor` and this machine: secrets, the data directory and its disk, the page's port, as they really are."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rigs.doctor import AGENT, CANARY, TRIAL, doctor, verdicts, write
from rigs.source_tree import ROOT


async def test_a_secret_that_everybody_may_read_is_a_problem(tmp_path, capsys):
    """With the command that mends it; one that the agent's user alone may read is good."""
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (tmp_path / name).write_text(CANARY)
        (tmp_path / name).chmod(mode)
    text = f"{TRIAL}destinations:\n"
    for name in ("open", "closed"):
        text += (
            f"  {name}: {{url: 'http://127.0.0.1:1/', signing: none, auth: {{bearer: '${{file:{name}}}'}}}}\n"
        )
    _, document = await doctor(capsys, "--offline", "-c", write(tmp_path, text))
    [problem] = [each for each in document["findings"] if each["verdict"] == "problem"]

    assert "readable by everyone" in problem["said"]
    assert f"chmod o-rwx {tmp_path}/open" in problem["remedy"]
    assert verdicts(document)["files", f"{tmp_path}/closed"] == "good"


@pytest.fixture
def memory():
    """A folder in memory."""
    folder = Path("/dev", "shm", f"doctor-{os.getpid()}")
    folder.mkdir()
    yield folder
    folder.rmdir()


async def test_a_data_directory_in_memory_is_a_problem(capsys, tmp_path, memory):
    """A tmpfs takes everything, and has nothing after a power cut; nothing is left there."""
    agent = f"agent: {{site: s, name: n, data_dir: {memory}}}\n"
    status, document = await doctor(capsys, "--offline", "-c", write(tmp_path, agent=agent))

    assert status == 1
    assert verdicts(document)["disk", "file system"] == "problem"


async def test_a_data_directory_that_is_not_there_is_told_with_what_follows(tmp_path, capsys):
    """Before the first start; the disk below is looked at all the same."""
    agent = AGENT.replace("data_dir: data", "data_dir: later")
    status, document = await doctor(capsys, "--offline", "-c", write(tmp_path, agent=agent))

    assert status == 0
    assert verdicts(document)["files", f"{tmp_path}/later"] == "warning"
    assert ("disk", "sync") in verdicts(document)
    assert not (tmp_path / "later").exists()


def test_a_disk_that_is_mounted_read_only_is_a_problem(tmp_path):
    """A real mount in a namespace: neither options nor the sync let it pass.

    Where none may be made, /proc stands for it, which is no disk either, and takes no file.
    """
    mount = 'mount -t tmpfs -o ro none "$1" && shift && exec "$@"'
    namespace = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        mount,
        "sh",
        tmp_path / "data",
    ]
    path = write(tmp_path)
    possible = not subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode
    if not possible:
        write(tmp_path, agent=AGENT.replace("data_dir: data", "data_dir: /proc"))
    command = [sys.executable, "-m", "agent", "doctor", "--json", "--offline", "-c", path]
    whole = [*namespace, *command] if possible else command
    done = subprocess.run(whole, cwd=ROOT, capture_output=True, check=False, text=True)
    found = verdicts(json.loads(done.stdout))

    assert done.returncode == 1
    assert found["disk", "mount options" if possible else "file system"] in {"problem", "warning"}
    assert found["disk", "sync"] == "problem"


async def test_a_port_of_the_page_that_is_taken_is_a_problem(tmp_path, capsys):
    """By whatever it is."""
    path = write(tmp_path)
    port = int((tmp_path / "agent.yaml").read_text().partition("127.0.0.1:")[2].partition("'")[0])
    with socket.create_server(("127.0.0.1", port)):
        status, document = await doctor(capsys, "--offline", "-c", path)

    assert (status, verdicts(document)["machine", "port"]) == (1, "problem")
