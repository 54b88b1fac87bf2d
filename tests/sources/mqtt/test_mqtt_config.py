"""What an engineer may write about a broker; what cannot work is refused with the remedy."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.config.secrets import SecretPlaces
from agent.model import SECOND, Kind, TagSpec
from agent.server_url import ServerUrl
from agent.sources.mqtt.config import MqttSource

TAGS = {"COMP1.CURRENT": {"topic": "plant/compressor/1", "value": "$.current_a", "time": "$.ts", "unit": "A"}}


def parse(**keys: object) -> MqttSource:
    section = {"type": "mqtt", "url": "mqtt://broker", "client_id": "relay", "tags": TAGS} | keys
    return MqttSource.model_validate(section, context=SecretPlaces({"PW": "canary"}, Path("/etc/edge-relay")))


def test_the_short_form_has_the_defaults_that_keep_messages():
    """Without a word about it: 3.1.1, QoS 1, a kept session, a tested line."""
    config = parse()

    assert (config.protocol, config.qos, config.keep_session) == ("3.1.1", 1, True)
    assert config.keepalive == 10 * SECOND


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", ServerUrl("broker", 1883, tls=False)),
        ("mqtts://broker.plant", ServerUrl("broker.plant", 8883, tls=True)),
        ("mqtt://10.0.0.5:1884/", ServerUrl("10.0.0.5", 1884, tls=False)),
        ("mqtt://[fe80::1]:1883", ServerUrl("fe80::1", 1883, tls=False)),
    ],
)
def test_a_url_names_host_port_and_tls(url, expected):
    """Ports have their defaults."""
    assert parse(url=url).url == expected


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"url": "tcp://broker"}, "expected mqtt://HOST"),
        ({"url": "broker:1883"}, "expected mqtt://HOST"),
        ({"url": "mqtt://"}, "expected mqtt://HOST"),
        ({"url": "mqtt://broker:99999"}, "expected mqtt://HOST"),
        ({"url": 1883}, "expected mqtt://HOST"),
        ({"url": "mqtt://relay:canary@broker"}, "no user or password belongs in the url"),
        ({"url": "mqtt://broker/plant/1"}, "a topic does not belong into the url"),
        ({"protocol": "3.1"}, "Input should be '3.1.1' or '5'"),
        ({"qos": 2}, "write qos: 1: with QoS 2 a message is confirmed before it is stored"),
        ({"qos": 3}, "Input should be 0 or 1"),
        ({"client_id": ""}, "keep_session needs a client_id"),
        ({"password": "${env:PW}", "url": "mqtts://broker"}, "a password needs a user"),
        ({"user": "relay", "password": "${env:PW}"}, "mqtt:// shows the password to anyone on the network"),
        ({"tls": {"ca": "ca.pem"}}, "tls: has no effect on mqtt://"),
        ({"url": "mqtts://broker", "tls": {"key": "k.pem"}}, "a key needs its certificate"),
        ({"keepalive": "1s"}, "expected 5s to 10m"),
        ({"timeout": "0s"}, "expected 1s to 60s"),
        ({"tags": {}}, "at least 1 item"),
        (
            {"tags": {"T{1}": {"topic": "plant/comp+/a"}}},
            "`+` stands for a whole level, alone between slashes",
        ),
        (
            {"tags": {"T{1}": {"topic": "plant/#/a"}}},
            "`#` stands for all further levels, alone and as the last",
        ),
        ({"tags": {"T{1}": {"topic": "plant/a#"}}}, "`#` stands for all further levels"),
        ({"tags": {"T{1}": {"topic": "/".join("+" * 10)}}}, "nine wildcards at most"),
        ({"tags": {"T": {"topic": "$share/g/t"}}}, "a shared subscription spreads"),
        ({"tags": {"T": {"topic": ""}}}, "expected a topic"),
        ({"tags": {"T": {"topic": None}}}, "Input should be a valid string"),
        ({"tags": {"T": {"topic": "t", "value": "$.a[*]"}}}, "expected a path to one value"),
        (
            {"tags": {"T": {"topic": "t", "payload": "sparkplug_b"}}},
            "Input should be 'json', 'plain' or 'binary'",
        ),
        (
            {"tags": {"T": {"topic": "t", "payload": "plain", "value": "$.a"}}},
            "plain has no names in it: `value`",
        ),
        (
            {"tags": {"T": {"topic": "t", "payload": "binary"}}},
            "`type` says how a binary payload is packed: expected one of",
        ),
        (
            {"tags": {"T": {"topic": "t", "payload": "binary", "type": "number"}}},
            "how a binary payload is packed",
        ),
        ({"tags": {"T": {"topic": "t", "type": "float32"}}}, "is for packed bytes: write `payload: binary`"),
        (
            {"tags": {"T": {"topic": "t", "at": 4}}},
            "a payload that is plain has no bytes to be counted: `at`",
        ),
        ({"tags": {"T": {"topic": "t", "type": "bool", "scale": 0.1}}}, "`type: bool` is no number: `scale`"),
        ({"tags": {"T": {"topic": "t", "scale": 0.0}}}, "`scale: 0` would make every value the same"),
        ({"tags": {"T": {"topic": "t", "scale": 1e200}}}, "the scaling is beyond any measurement"),
        ({"payload": "binary"}, "a payload that is binary has no names in it"),
        ({"payload": "xml"}, "unknown word: expected one of json, plain, binary, sparkplug_b"),
        ({"retained": "never"}, "Input should be 'baseline', 'ignore' or 'use'"),
    ],
)
def test_what_cannot_work_is_refused_with_the_remedy(keys, message):
    """At load, not when the broker is met; and no secret is shown."""
    with pytest.raises(ValidationError) as caught:
        parse(**keys)

    assert message in str(caught.value)
    assert "canary" not in "".join(error["msg"] for error in caught.value.errors())


@pytest.mark.parametrize(
    ("name", "topic", "problem"),
    [
        (
            "A",
            "a/+",
            "every wildcard of a/+ has its place in the name, or several topics would be one tag: {1} is missing",
        ),
        ("A{1}", "a/+/#", "{2} is missing: A{1}.{2}"),
        ("A{1}", "a/b", "{1} stands for what wildcard 1 of the topic matched, and a/b has none"),
        ("A{2}", "a/+", "and a/+ has only 1"),
        ("A{1}{2}", "a/+/+", "something has to stand between }{"),
        ("A{1}.{1}", "a/+", "each {1} stands once in a name"),
        ("{1}.{2}", "a/+/+", "the name needs letters of its own, or every misspelt name"),
        ("A7", "a/seven", "A{1} makes a tag of this name as well"),
        ("X{2}.{1}", "y/+/+", "it makes the same names as X{1}.{2}"),
    ],
)
def test_a_name_goes_with_its_topic_and_is_made_once(name, topic, problem):
    """Told at the name when the configuration is loaded, not when the first message comes."""
    known = {"A{1}": {"topic": "b/+"}, "X{1}.{2}": {"topic": "x/+/+"}, "GOOD": {"topic": "good"}}
    wrong = list(parse(tags=known | {name: {"topic": topic}}).wrong_names())

    assert [wrong_name for wrong_name, _ in wrong] == [name]
    assert problem in wrong[0][1]
    assert not list(parse(tags=known).wrong_names())


def test_a_rule_may_name_a_tag_that_a_wildcard_makes():
    """The most fixed text wins, so that a name always means the same tag; no pattern is a tag itself."""
    tags = {
        "LINE{1}.TEMP": {"topic": "plant/+/temp", "unit": "°C"},
        "LINE{1}.{2}.TEMP": {"topic": "plant/+/+/temp", "unit": "K", "stale_after": "5s", "time": "$.ts"},
        "ALL.{1}": {"topic": "other/#", "type": "bool"},
        "ONE": {"topic": "one"},
    }
    config = parse(tags=tags)

    assert [spec.name for spec in config.tag_specs("floor")] == ["ONE"]
    assert config.tag_named("floor", "LINE1.TEMP") == TagSpec("LINE1.TEMP", "floor", "°C")
    assert config.tag_named("floor", "LINE1.A.TEMP") == TagSpec(
        "LINE1.A.TEMP", "floor", "K", stale_after=5 * SECOND, timed=True
    )
    assert config.tag_named("floor", "ALL.a.b").kind is Kind.SWITCH
    assert config.tag_named("floor", "LINE.TEMP") is None
    assert config.tag_named("floor", "ONE") is None
    assert config == parse(tags=tags), "what was looked up makes it no other configuration"


def test_what_the_source_says_of_the_payload_holds_for_tags_that_say_nothing():
    """And a tag without a word of anybody is JSON where it names a value in it, else plain."""
    binary = {"topic": "b", "type": "int16"}
    config = parse(payload="binary", tags={"A": binary, "B": {"topic": "p", "payload": "plain"}})

    assert [tag.holds for tag in config.tags.values()] == ["binary", "plain"]
    assert [tag.holds for tag in parse(tags=TAGS | {"P": {"topic": "p"}}).tags.values()] == ["json", "plain"]


@pytest.mark.parametrize(
    "keys",
    [
        {"protocol": 5},
        {"protocol": "5"},
        {"keep_session": False, "client_id": ""},
        {"url": "mqtt://localhost", "user": "relay", "password": "${env:PW}"},
        {"url": "mqtts://broker", "user": "relay", "password": "${env:PW}"},
        {"user": "relay", "password": "${env:PW}", "insecure_password": True},
        {"qos": 0},
    ],
)
def test_what_works_is_taken(keys):
    """The other side of the refusals."""
    parse(**keys)


@pytest.mark.parametrize(
    ("theirs", "ours"), [("REAL", "float32"), ("Word", "uint16"), ("FLOAT32", "float32")]
)
def test_packed_bytes_may_have_the_types_of_plc_programmers(theirs, ours):
    """IEC 61131-3, as in a Modbus tag."""
    config = parse(tags={"T": {"topic": "t", "payload": "binary", "type": theirs}})

    assert config.tags["T"].type == ours


def test_certificates_lie_beside_the_configuration():
    """A relative path is relative to the configuration's folder."""
    tls = parse(url="mqtts://broker", tls={"ca": "ca.pem", "certificate": "/c.pem"}).tls

    assert tls is not None
    assert (tls.ca, tls.certificate) == (Path("/etc/edge-relay/ca.pem"), Path("/c.pem"))


def test_tags_stay_fresh_while_connected_unless_written():
    """The nearest `stale_after` wins; a tag with `time` drops what is not newer."""
    config = parse(tags=TAGS | {"T": {"topic": "t", "stale_after": "5s", "range": [0, 10]}})
    first, second = config.tag_specs("floor")

    assert (first.name, first.source, first.unit, first.stale_after, first.timed) == (
        "COMP1.CURRENT",
        "floor",
        "A",
        None,
        True,
    )
    assert (second.stale_after, second.timed, second.range) == (5 * SECOND, False, (0, 10))
    assert parse(stale_after="1m").tag_specs("floor")[0].stale_after == 60 * SECOND


def test_the_configuration_needs_no_mqtt_library():
    """A command that only reads the file does not pay for paho."""
    code = "import sys, agent.sources.mqtt.config; sys.exit(any(name.startswith('paho') for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
