"""Relays in the configuration: what would be refused of every message is refused when the file is loaded."""

import pytest
from rigs.signed import PUBLIC_KEY, SECRET
from rigs.written_rules import WrittenRules

from agent.config.load import load
from agent.errors import ConfigError
from agent.incoming.message import Handle, Send, Write
from agent.model import SECOND, Action

PLANT = """\
agent: {site: dresden, name: line-4}
sources:
  plc:
    type: modbus
    url: tcp://127.0.0.1:502
    tags:
      speed: {address: "40001", type: uint16, write: {min: 0, max: 100}}
      level: {address: "40002", type: uint16}
  broker: {type: mqtt, url: "mqtt://127.0.0.1", client_id: line-4, tags: {x: {topic: x}}}
destinations:
  cmms: {url: "https://example.com/", signing: none}
rules:
  hot: {tag: level, high: 5}
"""
ED25519 = f"{{scheme: ed25519, key: {PUBLIC_KEY}}}"
STANDARD = f"{{secret: {SECRET}}}"
RELAY = """\
inbound:
  cloud:
    type: poll
    url: {url}
    verify: {verify}
    routes:
      one: {route}
"""


def loaded(folder, route, verify=ED25519, url="https://relay.example.com/out/line-4", more=""):
    path = folder / "edge-relay.yaml"
    path.write_text(PLANT + RELAY.format(url=url, verify=verify, route=route) + more)
    return load(path, {})


def refused(*arguments, **more):
    with pytest.raises(ConfigError) as caught:
        loaded(*arguments, **more)
    return [problem for problem in caught.value.problems if problem.severity == "error"]


def route(folder, text, **more):
    return loaded(folder, text, **more).inbound["cloud"].routes["one"].route("cloud", "one")


def test_a_route_as_it_is_written(tmp_path):
    """What moves something has an age of 60 s unless it says otherwise; what is sent on has none."""
    write = route(
        tmp_path, "{type: setpoint.*, fields: {/data/line: 7}, write: {tag: speed, value: /data/v}}"
    )
    assert (write.types, write.max_age) == (("setpoint.*",), 60 * SECOND)
    assert [(str(path), value) for path, value in write.fields] == [("/data/line", 7)]
    assert isinstance(write.deed, Write)
    assert (write.deed.tag, str(write.deed.value)) == ("speed", "/data/v")

    forward = route(tmp_path, '{forward: {url: "http://mes.plant/orders"}}', verify="none")
    assert (forward.types, forward.max_age, forward.deed) == ((), None, Send("forward", "cloud/one"))

    shelve = route(tmp_path, "{type: [a, b], max_age: 5m, shelve: {rule: hot, by: cloud}}", verify=STANDARD)
    assert (shelve.types, shelve.max_age) == (("a", "b"), 300 * SECOND)
    assert isinstance(shelve.deed, Handle)
    assert (shelve.deed.action, shelve.deed.rule, shelve.deed.by) == (Action.SHELVE, "hot", "cloud")
    assert str(shelve.deed.until) == "/data/until"


@pytest.mark.parametrize(
    "deed",
    ["write: {tag: speed}", "acknowledge: {}", "shelve: {}", "unshelve: {}", "reset: {}", "replay: {}"],
)
@pytest.mark.parametrize("verify", ["none", "{scheme: hex, secret: hush}"])
def test_what_moves_something_needs_a_signed_id_and_time(tmp_path, deed, verify):
    """`hex` signs neither; the message says what does."""
    [problem] = refused(tmp_path, f"{{{deed}}}", verify=verify)
    assert "whose id and time are signed" in problem.text
    assert (problem.line, problem.column) == (20, 13)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{write: {tag: sped}}", "unknown tag 'sped': did you mean `speed`?"),
        ("{write: {tag: level}}", "level may not be written: add `write:"),
        ("{write: {tag: speed, value: data}}", "/data/value (a JSON Pointer)"),
        ("{write: {tag: speed, value: /a~b}}", "~0 for ~"),
        ("{acknowledge: {rule: hit}}", "unknown rule 'hit': did you mean `hot`?"),
        ("{replay: {destination: cmm}}", "unknown destination 'cmm': did you mean `cmms`?"),
        ("{}", "expected what is done with the message: one of forward, publish, write"),
        ("{type: x}", "expected what is done with the message"),
        ("{acknowledge: {}, reset: {}}", "`acknowledge` and `reset`: a route does one thing"),
        ("{acknowledge: {}, fields: {data: 1}}", "JSON Pointer"),
        ("{acknowledge: {}, max_age: 0s}", "more than 0s"),
        ("{acknowledge: {}, typ: x}", "unknown key `typ`"),
    ],
)
def test_a_mistake_in_a_route_is_named(tmp_path, text, says):
    """With its line, and what to write instead."""
    problems = refused(tmp_path, text)
    assert says in problems[0].text
    assert all(problem.line == 20 for problem in problems)


@pytest.mark.parametrize(
    ("verify", "says"),
    [
        ("{scheme: ed25519, key: whsk_AAAA}", "stays with the sender"),
        (f"{{secret: {PUBLIC_KEY}}}", "public key"),
        ("{scheme: rsa}", "scheme"),
        ("nobody", "or the word none"),
    ],
)
def test_a_key_that_is_none_is_refused(tmp_path, verify, says):
    """When the file is loaded, and not when a message comes; no key is repeated."""
    problems = refused(tmp_path, "{write: {tag: speed}}", verify=verify)
    assert any(says in problem.text for problem in problems)
    assert not any("AAAA" in problem.text or PUBLIC_KEY[6:] in problem.text for problem in problems)


def test_a_relay_without_raw_bytes_loads_without_a_signature_only(tmp_path):
    """The message names the kinds that hand over what was signed."""
    [problem] = refused(tmp_path, "{write: {tag: speed}}", url="https://api.svix.com/poll")
    for kind in ("edge-relay relay", "gosmee", "nats"):
        assert kind.lower() in problem.text.lower()
    found = loaded(
        tmp_path, '{forward: {url: "http://127.0.0.1/"}}', verify="none", url="https://api.svix.com/poll"
    )
    assert found.inbound["cloud"].verify == "none"


def test_a_rule_by_its_instance_and_a_secret_in_plain_text(tmp_path):
    """Instances are names too; a secret in the file is warned of, as everywhere."""
    configuration = loaded(tmp_path, "{acknowledge: {rule: hot}}", verify=STANDARD)
    assert any(
        "secret" in problem.text and "verify.secret" in problem.text for problem in configuration.warnings
    )
    assert "1 relay" in configuration.summary()


def test_nothing_is_taken_where_nothing_comes_in(tmp_path):
    """An agent without relays is what it was."""
    assert WrittenRules(tmp_path).configuration("  R: {tag: TT1, high: 5}").inbound == {}


def test_a_source_with_a_mistake_makes_no_second_one(tmp_path):
    """Its other tags are not called unknown."""
    path = tmp_path / "edge-relay.yaml"
    text = PLANT.replace("type: uint16}", "type: uint61}")
    path.write_text(
        text + RELAY.format(url="https://r.example.com/x", verify=ED25519, route="{write: {tag: speed}}")
    )
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert [problem.line for problem in caught.value.problems if problem.severity == "error"] == [8]
