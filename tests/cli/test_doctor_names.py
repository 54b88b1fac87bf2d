"""`edge-relay doctor` where names are not found: by a real name server that is silent, broken, or knows no such name."""

import json

import pytest
from rigs.name_server import run

SITE = """\
agent: {site: dresden, name: line-4, data_dir: data}
http: {listen: "127.0.0.1:8470"}
sources:
  broker: {type: mqtt, url: "mqtt://broker.plant", client_id: me, tags: {F: {topic: a/b}}}
  plc: {type: modbus, url: "tcp://plc.plant:502", tags: {A: {address: "40001", type: int16}}}
destinations:
  cmms: {url: "https://cmms.plant/hooks?key=canary", signing: none}
"""


@pytest.mark.parametrize(
    ("kind", "word", "remedy"),
    [
        ("unknown", "does not exist", "spelling"),
        ("silent", "in time", "/etc/resolv.conf"),
        ("broken", "is not found", "/etc/resolv.conf"),
    ],
)
def test_what_the_name_server_does_is_told_apart(tmp_path, kind, word, remedy):
    """Of each thing that has a name: DNS failed, and how, and which server was asked; all at the same time."""
    (tmp_path / "site.yaml").write_text(SITE)
    done = run(kind, tmp_path, "doctor", "--json", "-c", str(tmp_path / "site.yaml"))
    told = {each["thing"]: each for each in json.loads(done.stdout)["findings"]}

    assert (done.returncode, done.stderr) == (1, "")
    for thing in ("broker", "plc", "cmms"):
        assert told[thing]["verdict"] == "problem"
        assert "DNS: " in told[thing]["said"]
        assert word in told[thing]["said"]
        assert "asked: 127.0.0.1" in told[thing]["said"]
        assert remedy in told[thing]["remedy"]
    assert "canary" not in done.stdout


def test_a_name_that_is_found_is_not_the_trouble(tmp_path):
    """DNS has its time, and what fails is the next step."""
    (tmp_path / "site.yaml").write_text(SITE)
    done = run("knows", tmp_path, "doctor", "--json", "-c", str(tmp_path / "site.yaml"))
    told = {each["thing"]: each["said"] for each in json.loads(done.stdout)["findings"]}

    assert "(DNS " in told["cmms"]
    assert "TCP: cmms.plant:443: connection refused" in told["cmms"]
