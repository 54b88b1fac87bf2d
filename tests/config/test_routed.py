"""Destinations of routes, made of what the file says of their services and topics; and what it may not say."""

import pytest
from rigs.webhook_receiver import SECRET

from agent.config.load import load
from agent.delivery.body import Identity
from agent.delivery.subscription import subscribers
from agent.errors import ConfigError
from agent.model import SECOND, Event, EventType, Priority

PLANT = """\
agent: {{site: dresden, name: line-4}}
sources:
  plc: {{type: modbus, url: "tcp://127.0.0.1:502", tags: {{level: {{address: "40002", type: uint16}}}}}}
  broker: {{type: mqtt, url: "mqtt://127.0.0.1:1884", client_id: line-4, user: me, tags: {{x: {{topic: x}}}}}}
destinations:
  cmms: {{url: "https://example.com/", signing: none}}
inbound:
  cloud:
    type: poll
    url: https://relay.example.com/out/line-4
    verify: {{secret: {secret}}}
    routes:
      orders: {orders}
      recipes: {recipes}
"""
ORDERS = '{forward: {url: "http://mes.plant/orders", timeout: 3s, retry: [1s, 2s]}}'
RECIPES = "{publish: {source: broker, topic: plant/recipes, payload: /data/recipe, qos: 0, retain: true}}"


def loaded(folder, orders=ORDERS, recipes=RECIPES):
    path = folder / "edge-relay.yaml"
    path.write_text(PLANT.format(secret=SECRET, orders=orders, recipes=recipes))
    return load(path, {})


def test_a_route_has_a_destination_of_its_own(tmp_path):
    """Beside those of the file; what its section says is the destination's, and what is the broker's the source's."""
    configuration = loaded(tmp_path)
    assert set(configuration.destinations) == {"cmms"}
    assert list(configuration.outlets) == ["cmms", "cloud/orders", "cloud/recipes"]
    orders, recipes = configuration.outlets["cloud/orders"], configuration.outlets["cloud/recipes"]
    assert (orders.url, orders.timeout, orders.retry) == (
        "http://mes.plant/orders",
        3 * SECOND,
        (SECOND, 2 * SECOND),
    )
    assert (orders.concurrency, orders.signing, orders.plain_http, orders.batching) == (1, "none", True, None)
    assert (recipes.url.port, recipes.user, recipes.client_id) == (1884, "me", "line-4-cloud-recipes")
    assert (recipes.address([], Identity("", "", "")), recipes.acknowledged, recipes.retain) == (
        "plant/recipes",
        False,
        True,
    )
    assert loaded(tmp_path).outlets == configuration.outlets, "a reload that changes nothing restarts nothing"


@pytest.mark.parametrize("kind", EventType)
def test_no_event_goes_there_but_what_its_route_took(tmp_path, kind):
    """Whatever the agent has to say, also of this very destination."""
    subscriptions = {name: each.subscription() for name, each in loaded(tmp_path).outlets.items()}
    event = Event("evt_1", kind, 0, "destination:cmms", Priority.CRITICAL, {"alarms": {}})
    assert not set(subscribers(event, subscriptions)) - {"cmms"}
    assert not any(each.hears_heartbeats(by_name=False) for each in subscriptions.values() if each.events)


@pytest.mark.parametrize(
    ("route", "says"),
    [
        ("{publish: {source: brokr, topic: a}}", "unknown source 'brokr': did you mean `broker`?"),
        ("{publish: {source: plc, topic: a}}", "source plc is no MQTT broker (modbus)"),
        ("{publish: {source: broker, topic: a/+}}", "expected one topic such as plant/orders"),
        ('{publish: {source: broker, topic: "a/{type}"}}', "no {placeholder}"),
        ("{publish: {source: broker, topic: a, qos: 2}}", "qos"),
        ("{publish: {source: broker, topic: a, payload: data}}", "JSON Pointer"),
        ('{forward: {url: "http://a/", tls: {ca: a.pem}}}', "`tls` has no effect on http://"),
        (
            '{forward: {url: "http://a/", auth: {bearer: x}, headers: {Authorization: y}}}',
            "contradict each other",
        ),
        ('{forward: {url: "http://a/", headers: {webhook-id: y}}}', "is set by the agent itself"),
    ],
)
def test_a_mistake_in_what_is_sent_on_is_named(tmp_path, route, says):
    """When the file is loaded, at its line."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, recipes=route)
    problems = [problem for problem in caught.value.problems if problem.severity == "error"]
    assert any(says in problem.text for problem in problems), [problem.text for problem in problems]
    assert {problem.line for problem in problems} == {14}


def test_a_route_is_called_as_it_can_be_asked_for(tmp_path):
    """Its name is part of a destination's: no `/`, no blank."""
    path = tmp_path / "edge-relay.yaml"
    text = PLANT.format(secret=SECRET, orders=ORDERS, recipes=RECIPES)
    path.write_text(text.replace("      orders:", '      "my/orders ":'))
    with pytest.raises(ConfigError, match="my/orders"):
        load(path, {})
