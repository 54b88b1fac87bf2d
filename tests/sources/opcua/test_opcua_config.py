"""What an engineer may write about an OPC UA server, and what is refused with which words."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.config.secrets import SecretPlaces
from agent.model import SECOND, TagSpec
from agent.sources.opcua.config import OpcUaSource, split_node

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
        ("nsu=urn:plant:boiler;s=Steam.Pressure", ("urn:plant:boiler", "s=Steam.Pressure")),
        ("nsu=http://plant/%3Ba%25;s=a;b=c", ("http://plant/;a%", "s=a;b=c")),
        ("ns=2;s=Steam", (2, "s=Steam")),
        ('ns=3;s="DB1"."T"', (3, 's="DB1"."T"')),
        ("ns=4;i=1001", (4, "i=1001")),
        ("i=2258", (0, "i=2258")),
        (
            "ns=2;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            (2, "g=09087e75-8e5e-499b-954f-f2a9603db28a"),
        ),
        ("ns=2;b=M/RbKBsRVkePCePcx24oRA==", (2, "b=M/RbKBsRVkePCePcx24oRA==")),
    ],
)
def test_split_node(text, expected):
    """A node id is a namespace, by URI or index, and an identifier."""
    assert expected == split_node(text)


@pytest.mark.parametrize(
    "text",
    [
        "Steam.Pressure",
        "2;s=Steam",
        "ns=;s=a",
        "ns=2;s=",
        "ns=2;i=abc",
        "i=4294967296",
        "ns=2;g=1",
        "ns=2;b=%",
        "nsu=;s=a",
        "",
    ],
)
def test_what_is_no_node_id_is_refused_with_examples(text):
    """The message shows the forms, the one that survives a restart first."""
    with pytest.raises(ValueError, match=r"expected a node id: nsu=urn:plant:boiler;s=Steam.Pressure"):
        split_node(text)


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
        ({"security": ...}, "`security: {server_certificate: boiler.der}`"),
        ({"security": ...}, "`security: none`"),
        ({"security": "sign"}, "mode sign needs server_certificate: export"),
        ({"security": {}}, "mode sign_and_encrypt needs server_certificate"),
        ({"security": "of course"}, "'none', 'sign' or 'sign_and_encrypt'"),
        ({"security": {**PINNED, "policy": "Basic128Rsa15"}}, "'Basic256Sha256', 'Aes128_Sha256_RsaOaep'"),
        ({"password": "x"}, "a password needs a user"),
        ({"user": "u", "password": "x"}, "would show the password to anyone on the network"),
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


def test_editors_may_offer_none():
    """The schema for editors takes the short form as well."""
    schema = OpcUaSource.model_json_schema()["properties"]["security"]

    assert {"const": "none", "type": "string"} in schema["anyOf"]
