"""What certificates a configuration names is tried by `check`, before the first alarm needs them."""

from pathlib import Path

from agent.config.load import load

CONFIGURATION = """\
agent: {site: dresden, name: line-4}
sources:
  furnace:
    type: modbus
    url: tls://furnace.plant
    tls: {ca: nowhere.pem}
    tags: {T: {address: "40011", type: int16}}
destinations:
  cmms: {url: "https://cmms.example.com/hooks", signing: none, tls: {ca: nowhere.pem}}
  log: {type: nats, servers: ["tls://nats.plant"], tls: {ca: agent.yaml}}
  panels: {type: mqtt, url: "mqtts://broker.plant", tls: {certificate: agent.yaml}}
  pinned: {url: "https://cmms.example.com/hooks", signing: none, tls: {pin: sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=}}
inbound:
  cloud:
    type: poll
    url: https://relay.example.com/out/x
    verify: none
    tls: {ca: nowhere.pem}
    routes: {a: {forward: {url: "http://mes/"}}}
"""


def test_files_that_cannot_be_used_are_told(tmp_path, monkeypatch):
    """Each with its line, of every kind; they are warnings, for the others are told what they are to be told."""
    monkeypatch.chdir(tmp_path)
    Path("agent.yaml").write_text(CONFIGURATION)
    missing = "the file nowhere.pem cannot be used (No such file or directory): tls: ca: wants a PEM file"

    warnings = load(Path("agent.yaml"), {}, now_wall=0).warnings

    assert [warning.line for warning in warnings] == [6, 9, 10, 11, 18]
    assert f"source furnace, tls: {missing}; nothing is read until it can be used" == warnings[0].text
    assert f"destination cmms, tls: {missing}; nothing is sent until it can be used" == warnings[1].text
    assert (
        "the file agent.yaml cannot be used (no certificate or crl found): tls: ca: wants" in warnings[2].text
    )
    assert "certificate: and key: want PEM files that belong together" in warnings[3].text
    assert f"relay cloud, tls: {missing}; nothing comes in until it can be used" == warnings[4].text
    assert not any("_ssl.c" in warning.text for warning in warnings)


def test_an_agent_that_starts_looks_at_them_when_it_connects(tmp_path):
    """A file that is just renewed keeps nothing from starting, and the start waits for no disk."""
    Path(tmp_path, "agent.yaml").write_text(CONFIGURATION)

    assert load(tmp_path, {}).warnings == ()
