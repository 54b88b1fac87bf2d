"""What `init` writes runs at once, shows every option, and is right in every line of it."""

import re
import shutil
from pathlib import Path

import pytest
from rigs.authority import Authority
from rigs.nats_operator import Operator

from agent.config.load import load
from agent.config.schema import json_schema
from agent.config.starter import write_starter
from agent.config.yaml_text import read_yaml
from agent.delivery.keys import encode_signing_key, signing_key

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = {
    "CHAT_URL": "https://chat.example.com/hooks/T1",
    "CLOUD_KEY": encode_signing_key(signing_key(bytes(32))),
    "NATS_CREDENTIALS": Operator().credentials,
    "NATS_SEED": "SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY",
}
SHIPPED = Path(__file__).parents[2] / "config"
OPTION = re.compile(r"^( *)#(?=(?:- )?[A-Za-z0-9_.{}-]+:(?: |$))", re.MULTILINE)


@pytest.fixture
def starter(tmp_path):
    """The folder as `init` writes it."""
    write_starter(tmp_path / "plant")
    return tmp_path / "plant"


def take_in_every_option(folder):
    """Write the certificates that they name, and give the environment that they need."""
    Authority(folder, "plant-ca").issue("agent")
    for path in folder.glob("*.yaml"):
        path.write_text(OPTION.sub(r"\1", path.read_text()))
    names = re.findall(r"\$\{env:(\w+)\}", "".join(path.read_text() for path in folder.glob("*.yaml")))
    return dict.fromkeys(names, SECRET) | SECRETS


def test_it_loads_as_it_is_written(starter):
    """No environment, no file, no plant is needed; and nothing is warned of."""
    configuration = load(starter, {})

    assert list(configuration.sources) == ["trial"]
    assert len(configuration.rules) == 4
    assert (configuration.destinations, configuration.warnings) == ({}, ())
    assert configuration.agent.data_dir == starter / "data"


def test_it_loads_with_every_option_taken_in(starter):
    """A line that is shown is a line that works."""
    configuration = load(starter, take_in_every_option(starter))

    assert list(configuration.sources) == [
        "press",
        "trial",
        "plc-line1",
        "boiler",
        "turbine",
        "shop-floor",
        "edge-nodes",
        "drive-1",
    ]
    assert list(configuration.destinations) == [
        "cmms",
        "chat",
        "build-server",
        "cloud",
        "plant-log",
        "plant-log-by-token",
        "plant-log-by-nkey",
        "panels",
    ]
    assert list(configuration.inbound) == ["cloud", "channel", "fleet"]
    assert configuration.warnings == ()


def test_every_option_that_can_be_written_is_shown(starter):
    """A new key without its line and its sentence is noticed here."""
    shown = {
        key
        for path in starter.glob("*.yaml")
        for key in re.findall(r"^ *#?(?:- )?([\w-]+):", path.read_text(), re.MULTILINE)
    }
    keys = {
        f"{name}.{key}"
        for name, section in json_schema()["$defs"].items()
        for key in section.get("properties", ())
        if key not in shown
    }

    assert keys == set()


def test_a_default_that_is_shown_is_the_default(starter):
    """For every option of agent, store, page, destination, source and relay that was not in use before."""
    definitions = json_schema()["$defs"]
    before = {path.name: read_yaml(path.read_bytes(), "").data for path in starter.glob("*.yaml")}
    take_in_every_option(starter)
    after = {path.name: read_yaml(path.read_bytes(), "").data for path in starter.glob("*.yaml")}
    agent, sources = after["agent.yaml"], after["sources.yaml"]["sources"]
    destinations = after["destinations.yaml"]["destinations"]
    cmms, cloud = destinations["cmms"], destinations["cloud"]
    relays = after["inbound.yaml"]["inbound"]
    sections = [
        (definitions["AgentSection"], agent["agent"]),
        (definitions["StoreSection"], agent["store"]),
        (definitions["HttpSection"], agent["http"]),
        (definitions["WebhookDestination"], cmms),
        (definitions["StandardSigning"], cmms["signing"]),
        (definitions["BatchSection"], cmms["batch"]),
        (definitions["agent__destinations__base__RateSection"], cmms["rate_limit"]),
        (definitions["TlsSection"], cmms["tls"]),
        (definitions["HexSigning"], destinations["build-server"]["signing"]),
        (definitions["Ed25519Signing"], cloud["signing"]),
        (definitions["OAuth2"], cloud["auth"]["oauth2"]),
        (definitions["ProxySection"], cloud["proxy"]),
        (definitions["NatsDestination"], destinations["plant-log"]),
        (definitions["MqttDestination"], destinations["panels"]),
        (definitions["SimulatedSource"], sources["trial"]),
        (definitions["ModbusSource"], sources["plc-line1"]),
        (definitions["OpcUaSource"], sources["boiler"]),
        (definitions["OpcUaSecurity"], sources["boiler"]["security"]),
        (definitions["MqttSource"], sources["shop-floor"]),
        (definitions["SparkplugSource"], sources["edge-nodes"]),
        (definitions["WriteSection"], sources["plc-line1"]["tags"]["R1.SP"]["write"]),
        (definitions["PollRelay"], relays["cloud"]),
        (definitions["SseRelay"], relays["channel"]),
        (definitions["NatsRelay"], relays["fleet"]),
        (definitions["Ed25519Verification"], relays["cloud"]["verify"]),
        (definitions["ForwardSection"], relays["cloud"]["routes"]["mes-orders"]["forward"]),
        (definitions["PublishSection"], relays["cloud"]["routes"]["mes-recipes"]["publish"]),
    ]
    in_use = before["agent.yaml"]["agent"]
    names = {"client_id", "user"}  # their default is none at all
    wrong = [
        f"{section['title']}.{key}: {field['default']!r} is shown as {shown[key]!r}"
        for section, shown in sections
        for key, field in section["properties"].items()
        if "default" in field and key in shown and key not in in_use and key not in names
        and field["default"] != shown[key]
    ]  # fmt: skip

    assert wrong == []


def test_every_option_has_its_sentence(starter):
    """Where a key is shown first, a comment stands above it."""
    seen, silent = {"tags", "type"}, []
    for path in sorted(starter.glob("*.yaml")):
        above = ""
        for line in path.read_text().splitlines():
            key = re.match(r" +#?(?:- )?([a-z_]+):", line)
            if key and key[1] not in seen and not above.lstrip().startswith("# "):
                silent.append(f"{path.name}: {line.strip()}")
            seen |= {key[1]} if key else set()
            above = line

    assert silent == []


def test_nothing_is_ever_overwritten(starter):
    """A folder with any configuration in it is left as it is."""
    (starter / "sources.yaml").unlink()
    (starter / "rules.yaml").write_text("mine")
    with pytest.raises(FileExistsError, match=r"agent\.yaml is there already: nothing was written"):
        write_starter(starter)

    assert (starter / "rules.yaml").read_text() == "mine"
    assert not (starter / "sources.yaml").exists()


def test_the_sample_in_the_repository_loads():
    """`config/` is what the unit installs; its secrets come from outside."""
    configuration = load(SHIPPED, {"CMMS_SECRET": SECRET, "BOILER_PASSWORD": "x"})

    assert {source.type for source in configuration.sources.values()} == {"modbus", "opcua", "mqtt"}
    assert list(configuration.destinations) == ["cmms"]
    assert len(configuration.rules) > 8
    assert configuration.warnings == ()


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("inbound/*.yaml")), ids=lambda path: path.stem)
def test_every_sample_of_a_relay_loads(tmp_path, path):
    """Beside the sample, as it is copied there; its credentials are systemd's."""
    for each in (*SHIPPED.glob("*.yaml"), path):
        shutil.copy(each, tmp_path)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "plant-7.poll").write_text("a-token-of-the-relay")
    (credentials / "nats").write_text(SECRETS["NATS_CREDENTIALS"])
    environment = {"CMMS_SECRET": SECRET, "BOILER_PASSWORD": "x", "CREDENTIALS_DIRECTORY": str(credentials)}
    configuration = load(tmp_path, environment)

    assert [relay.type for relay in configuration.inbound.values()] == [path.stem]
    assert configuration.warnings == ()


def test_the_example_beside_it_loads():
    """`config/example` has a rule of every kind and the tags they need; it is all good, and nothing is doubted."""
    configuration = load(SHIPPED / "example", {})
    specs = {spec.name: spec for spec in configuration.rules}

    assert len(configuration.written_rules) == 22
    assert {"MCC3-faults/emergency stop", "pumps-bearing/P102", "plc-line1.communication"} & set(specs) == {
        "MCC3-faults/emergency stop", "pumps-bearing/P102",
    }  # fmt: skip
    assert configuration.warnings == ()
    assert configuration.flood.more_than == 10
    assert specs["line1-comm"].chattering.raises == 3
