"""What an engineer may write about an OPC UA server, and what is refused with which words."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.config.load import load as load_file
from agent.config.secrets import SecretPlaces
from agent.model import SECOND, TagSpec
from agent.sources.opcua.config import OpcUaSource, OpcUaTag

TAGS = {"BOILER.STEAM": {"node": "nsu=urn:plant:boiler;s=Steam.Pressure"}}
PINNED = {"server_certificate": "boiler.der"}


def load(**changes: object):
    raw = {"type": "opcua", "url": "opc.tcp://192.168.10.30:4840", "security": "none", "tags": TAGS} | changes
    return OpcUaSource.model_validate({key: value for key, value in raw.items() if value is not ...})


def message(**changes: object):
    with pytest.raises(ValidationError) as refused:
        load(**changes)
    return "\n".join(error["msg"] for error in refused.value.errors())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("opc.tcp://plc", "opc.tcp://plc:4840"),
        ("opc.tcp://plc:48010/path", "opc.tcp://plc:48010/path"),
        ("opc.tcp://[fe80::1]", "opc.tcp://[fe80::1]:4840"),
    ],
)
def test_url_has_a_port(text, expected):
    """The port is IANA's: asyncua does not know the default port."""
    assert expected == load(url=text).url


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"url": "http://plc"}, "expected opc.tcp://HOST:PORT"),
        ({"url": "opc.tcp://plc:99999"}, "expected opc.tcp://HOST:PORT"),
        ({"url": f"opc.tcp://{'a' * 64}"}, "expected opc.tcp://HOST:PORT"),
        ({"url": "opc.tcp://u:p@plc"}, "write them as user: and password:"),
        ({"security": ...}, "`security: sign_and_encrypt` (then trust the server's certificate once"),
        ({"security": ...}, "`security: none`"),
        ({"security": "of course"}, "'none', 'sign' or 'sign_and_encrypt'"),
        ({"security": {**PINNED, "policy": "Basic128Rsa15"}}, "'Basic256Sha256', 'Aes128_Sha256_RsaOaep'"),
        ({"password": "x"}, "a password needs a user"),
        ({"user": "u", "password": "x"}, "would show the password to anyone on the network"),
        ({"user_certificate": "u.der"}, "user_certificate and user_key belong together"),
        (
            {"user": "u", "user_certificate": "u.der", "user_key": "u.pem", "security": PINNED},
            "either user and password, or user_certificate and user_key",
        ),
        (
            {"user_certificate": "u.der", "user_key": "u.pem"},
            "a user certificate needs a protected connection",
        ),
        ({"read": "poll"}, "'subscribe' or 'cyclic'"),
        ({"tags": {}}, "at least 1 item"),
        ({"queue_size": 0}, "greater than or equal to 1"),
        ({"publish_every": "0s"}, "greater than 0"),
    ],
)
def test_refused(changes, expected):
    """Each refusal says what to write instead."""
    assert expected in message(**changes)


def test_a_password_is_in_no_message():
    """Refusing a password does not print it."""
    assert "hunter2" not in message(user="u", password="hunter2")


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ({}, "name the variable by one of `node: nsu=urn:plant:boiler;s=Steam.Pressure` and `browse_path:"),
        ({"node": "i=1", "browse_path": "Objects/A"}, "name the variable by one of"),
        ({"browse_path": "Boiler/Steam"}, "it begins with Objects"),
        ({"node": "i=1", "index": -1}, "greater than or equal to 0"),
        (
            {"node": "i=1", "deadband": 0},
            "a number in the tag's unit, such as 0.5, or of its range, such as 1%",
        ),
        ({"node": "i=1", "deadband": True}, "expected a deadband"),
        ({"node": "i=1", "deadband": "one"}, "expected a deadband"),
        ({"node": "i=1", "deadband": "100%", "range": [0, 1]}, "between 0% and 100%"),
        ({"node": "i=1", "deadband": "1%"}, "a deadband of 1% needs a range: [low, high]"),
        ({"node": "i=1", "index": 0, "write": {}}, "an element of an array cannot be written"),
        ({"node": "i=1", "write": {"min": 0}}, "`min` and `max` belong together"),
        (
            {"node": "i=1", "write": {"min": -1, "max": 9}, "invalid": [-9999, 9]},
            "9 might be written, by which the device says that it has no value (`invalid`)",
        ),
        (
            {"node": "i=1", "write": {"min": 0, "max": 81}, "valid_range": [0, 80]},
            "write a min and max within valid_range [0, 80]",
        ),
        (
            {"node": "i=1", "write": {"min": -1, "max": 80}, "valid_range": [0, 80]},
            "within valid_range [0, 80]",
        ),
    ],
)
def test_a_tag_that_is_refused(tag, expected):
    """Each refusal says what to write instead."""
    assert expected in message(tags={"T": tag})


def test_a_variable_is_written_under_one_name():
    """Another would lead past its bounds; under how many names it is read is free."""
    node = {"node": "i=1"}
    load(tags={"A": node | {"write": {}}, "B": node})

    assert "tags A and B are both written to i=1" in message(tags=dict.fromkeys("AB", node | {"write": {}}))


def test_what_may_be_written_is_granted_tag_by_tag():
    """Off until a tag says it; bounds may reach as far as what is believed, and leave out the codes for no value."""
    node = {"node": "i=1"}
    setpoint = {"write": {"min": 0, "max": 80}, "valid_range": [0, 80], "invalid": [-9999, 81]}
    source = load(
        tags={"PV": node, "SP": node | setpoint, "PUMP": {"node": "i=2", "write": {}, "invalid": [0]}}
    )

    grants = source.writes()

    assert {name: (grant.min, grant.max, grant.of_number) for name, grant in grants.items()} == {
        "SP": (0, 80, True),
        "PUMP": (None, None, False),
    }


@pytest.mark.parametrize(
    ("tag", "place", "least_change"),
    [
        ({"node": "ns=2;s=a"}, "ns=2;s=a", None),
        ({"browse_path": "Objects/2:Boiler", "deadband": 0.5}, "Objects/2:Boiler", 0.5),
        (
            {"node": 'ns=3;s="DB"."a"[3]', "index": 0, "deadband": "2 %", "range": [-50, 150]},
            'ns=3;s="DB"."a"[3][0]',
            4.0,
        ),
    ],
)
def test_a_tag(tag, place, least_change):
    """A deadband in percent is of the tag's own range; square brackets of a node id are the server's."""
    section = OpcUaTag.model_validate(tag)

    assert (section.place, section.least_change) == (place, least_change)


@pytest.mark.parametrize("security", ["sign_and_encrypt", {}, {"policy": "Aes256_Sha256_RsaPss"}])
def test_without_a_pinned_certificate_the_trust_store_decides(security):
    """`security: sign_and_encrypt` is all there is to write; `edge-relay trust` does the rest."""
    config = load(security=security)

    assert (config.security.mode, config.security.server_certificate) == ("sign_and_encrypt", None)


def test_security_is_on_by_default():
    """Naming the server's certificate is all it takes to be signed and encrypted."""
    security = load(security=PINNED, user="u", password="x").security

    assert (security.mode, security.policy) == ("sign_and_encrypt", "Basic256Sha256")


def test_an_insecure_password_must_be_called_so():
    """There are plants with no other way; the key says what it does."""
    config = load(security={"mode": "none", "insecure_password": True}, user="u", password="x")

    assert config.security.insecure_password


def test_files_lie_beside_the_configuration():
    """A relative certificate is looked for where the configuration is; an absolute one where it says."""
    raw = {"type": "opcua", "url": "opc.tcp://plc", "security": PINNED, "tags": TAGS}
    security = OpcUaSource.model_validate(raw, context=SecretPlaces(folder=Path("/etc/edge-relay"))).security

    assert Path("/etc/edge-relay/boiler.der") == security.server_certificate
    assert Path("/var/lib/edge-relay/pki") == security.pki


def test_certificates_lie_beside_the_store(tmp_path, monkeypatch):
    """`pki` follows the agent's data directory, so that two agents on a machine are two identities."""
    (tmp_path / "sources.yaml").write_text(f"""
agent: {{site: s, name: n, data_dir: data}}
sources:
  boiler: {{type: opcua, url: "opc.tcp://plc", security: sign, tags: {{T: {{node: i=2258}}}}}}
  other: {{type: opcua, url: "opc.tcp://plc", security: {{pki: {tmp_path}/x}}, tags: {{U: {{node: i=2258}}}}}}
""")
    sources = load_file(tmp_path, {}).sources

    assert sources["boiler"].security.pki == tmp_path / "data" / "pki"
    assert sources["other"].security.pki == tmp_path / "x"
    monkeypatch.chdir(tmp_path.parent)
    assert load_file(Path(tmp_path.name), {}).sources["boiler"].security.pki == tmp_path / "data" / "pki"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 10),
        ({"sample_every": "100ms", "publish_every": "5s"}, 100),
        ({"sample_every": "300ms", "publish_every": "2s"}, 14),
        ({"queue_size": 3}, 3),
    ],
)
def test_the_server_keeps_what_it_samples_between_two_publishes(changes, expected):
    """Twice over; a queue of one, the protocol's default, loses pulses (opcua-asyncio#1184)."""
    assert expected == load(**changes).server_queue


def test_tag_specs():
    """A value stays fresh by keep-alives unless the tag or the source says how long."""
    tags = {
        "a": {"node": "ns=2;s=a", "unit": "bar", "range": [0, 16]},
        "b": {"node": "ns=2;s=b", "stale_after": "3s"},
    }

    assert load(tags=tags, publish_every="2s").tag_specs("boiler") == [
        TagSpec("a", "boiler", "bar", (0, 16), every=2 * SECOND),
        TagSpec("b", "boiler", stale_after=3 * SECOND, every=2 * SECOND),
    ]
    assert [spec.stale_after for spec in load(tags=tags, stale_after="9s").tag_specs("boiler")] == [
        9 * SECOND,
        3 * SECOND,
    ]


def test_read_on_a_timer_a_value_is_stale_after_three_periods():
    """No keep-alives prove it, so freshness follows the period, as with Modbus."""
    tags = {"a": {"node": "ns=2;s=a"}, "b": {"node": "ns=2;s=b", "stale_after": "9s"}}
    specs = load(tags=tags, read="cyclic", sample_every="2s", publish_every="5s").tag_specs("boiler")

    assert [(spec.stale_after, spec.every) for spec in specs] == [
        (6 * SECOND, 2 * SECOND),
        (9 * SECOND, 2 * SECOND),
    ]


def test_editors_may_offer_none():
    """The schema for editors takes the short forms as well."""
    schema = OpcUaSource.model_json_schema()["properties"]["security"]

    assert {"enum": ["none", "sign", "sign_and_encrypt"], "type": "string"} in schema["anyOf"]
