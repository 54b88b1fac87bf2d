"""One command: the file and the tokens are written, what to do next is said, and it serves."""

import json
import os
import re
import ssl
import stat
import subprocess
import sys
import urllib.request

import pytest
from rigs.authority import Authority
from rigs.relay_process import ROOT, RelayProcess

from agent.cli import main
from agent.config.listening import Listen
from agent.config.load import load
from agent.inbound.poll.config import PollRelay
from agent.relay.first_start import Access, is_reachable, write_first
from agent.relay.load import load_relay

AGENT = """
agent: {site: plant, name: edge}
sources: {s: {type: simulated, tags: {t: {signal: sine}}}}
destinations: {}
"""


def start(folder, *arguments):
    """Run it where it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "agent", "relay", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """The command within this process, for what never comes to serving: status, stdout, stderr."""
    before = os.umask(0)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status = main(["relay", *arguments])
        return (status, *capsys.readouterr())

    yield run
    os.umask(before)


@pytest.fixture
def relay(tmp_path):
    """A relay whose first start has ended as far as its monitoring's port, which may be taken."""
    with RelayProcess(tmp_path) as process:
        yield process


def token(relay, side):
    return (relay.folder / f"plant-7.{side}-token").read_text().strip()


def test_one_command_writes_all_and_serves_and_a_second_start_just_serves(relay):
    """What is printed works as it stands; no token is printed; the files are for their owner alone."""
    arguments = ("--channel", "plant-7", "--listen", f"127.0.0.1:{relay.port}")
    relay.start(*arguments)
    said = (relay.folder / "out").read_text()
    curl = next(line for line in said.splitlines() if line.strip().startswith("curl"))
    done = subprocess.run(
        ["sh", "-c", curl], cwd=relay.folder, capture_output=True, text=True, timeout=60, check=False
    )

    assert json.loads(done.stdout).keys() == {"id"}
    [message] = relay.poll("plant-7", token(relay, "poll")).json["data"]
    assert message["eventType"] == "order.created"
    for side in ("post", "poll"):
        assert token(relay, side) not in said + relay.text()
        assert stat.S_IMODE((relay.folder / f"plant-7.{side}-token").stat().st_mode) == 0o600
    written = relay.file.read_text()
    relay.stop()
    relay.start(*arguments)
    assert (relay.folder / "out").read_text() == ""
    assert relay.file.read_text() == written
    assert relay.poll("plant-7", token(relay, "poll")).ids == [message["id"]]


def test_with_a_certificate_of_its_own_it_serves_and_the_section_for_the_plant_loads_in_the_agent(relay):
    """Pasted as it is, with the two secrets in their place, it is a configuration without an error."""
    authority = Authority(relay.folder)
    arguments = map(str, authority.issue("localhost"))
    relay.start("--channel", "plant-7", "--listen", f"127.0.0.1:{relay.port}", "--json", "--tls", *arguments)
    told = json.loads((relay.folder / "out").read_text())
    trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority.certificate))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust)
    assert told["post_url"] == f"https://127.0.0.1:{relay.port}/in/plant-7"
    with opener.open(f"{told['post_url']}?token={token(relay, 'post')}", b"1", timeout=60) as response:
        assert response.status == 202
    relay.kill()
    plant = relay.folder / "plant"
    (plant / "secrets").mkdir(parents=True)
    for name, text in (("poll-token", token(relay, "poll")), ("sender-secret", "whsec_" + "A" * 43 + "=")):
        (plant / "secrets" / f"plant-7.{name}").write_text(text)
        (plant / "secrets" / f"plant-7.{name}").chmod(0o600)
    (plant / "agent.yaml").write_text(AGENT + told["inbound"])

    configuration = load(plant)

    section = configuration.inbound["plant-7"]
    assert isinstance(section, PollRelay)
    assert section.url == told["poll_url"] == f"https://127.0.0.1:{relay.port}/out/plant-7"
    assert section.token.reveal() == token(relay, "poll")
    assert [str(warning) for warning in configuration.warnings if "inbound" in str(warning)] == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--listen", "0.0.0.0:8471"], "tokens would travel in clear: add --tls"),
        (["--listen", "relay.example.com:8471"], "expected an IP address before the port"),
        (["--listen", "0.0.0.0:8471", "--tls", "no.pem", "no.key"], "there is no file"),
        (["--url", "ftp://relay.example.com"], "expected https://HOST"),
        (["--url", "https://relay.example.com/?token=1"], "expected https://HOST"),
        (["--channel", "a b"], "1 to 64 letters, digits"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(tmp_path, command, arguments, text):
    """A sentence, status 2, an empty folder."""
    status, said, wrong = command("--channel", "plant-7", *arguments)

    assert (status, said, list(tmp_path.iterdir())) == (2, "", [])
    assert text in wrong


def test_addresses_that_are_printed_are_those_from_outside(tmp_path):
    """Behind a proxy: the URL that was given; the file says why it may listen everywhere, and loads."""
    file = tmp_path / "etc" / "relay.yaml"
    access = Access(Listen("0.0.0.0", 8471), behind_proxy=True, url="https://hooks.example.org/")
    told = write_first(file, "plant-7", tmp_path / "else where, here", access).text(
        file, reachable=is_reachable(access)
    )

    assert set(re.findall(r"https?://[^\s?]+(?:in|out)/plant-7", told)) == {
        "https://hooks.example.org/in/plant-7",
        "https://hooks.example.org/out/plant-7",
    }
    assert "Only this machine" not in told
    loaded = load_relay(file, {}).relay
    assert (loaded.behind_proxy, str(loaded.listen)) == (True, "0.0.0.0:8471")
    assert loaded.data_dir == tmp_path / "else where, here"


def test_a_channel_that_the_file_does_not_have_is_named(tmp_path, command):
    """Nothing is added behind somebody's back."""
    RelayProcess(tmp_path, "a:\nb:")
    status, _, wrong = command("--channel", "c")

    assert status == 2
    assert "has no channel c (it has a, b): add it under `channels:`" in wrong


def test_a_file_that_is_not_there_is_told_with_the_command_that_writes_it(tmp_path, command):
    """And `--check` says good or all that is wrong."""
    status, _, wrong = command("nothing.yaml")
    assert status == 2
    assert "edge-relay relay --channel NAME" in wrong
    port = RelayProcess(tmp_path, "a:").port
    status, said, wrong = command("--check", "relay.yaml")
    assert (status, said) == (0, f"good: 1 channel on 127.0.0.1:{port}\n")
    assert wrong.count("warning: channels, a.") == 2


def test_what_another_relay_has_ends_the_start_with_a_sentence(tmp_path):
    """Its folder, its address: status 1, for a service manager tries again; the other serves on."""
    with RelayProcess(tmp_path, "a:") as relay:
        relay.start()
        same = start(tmp_path, "relay.yaml")
        relay.file.write_text(relay.file.read_text().replace("data_dir: data", "data_dir: other"))
        elsewhere = start(tmp_path, "relay.yaml")

        assert (same.returncode, elsewhere.returncode) == (1, 1)
        assert "another edge-relay is using it" in same.stderr
        assert f"cannot listen on 127.0.0.1:{relay.port} (Address already in use)" in elsewhere.stderr
        assert "Traceback" not in same.stderr + elsewhere.stderr
        assert relay.post().status == 202
