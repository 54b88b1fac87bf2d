"""The samples for Slack, Teams, PagerDuty, Airflow, InfluxDB and Directus, against what the receivers document."""

import html
import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from rigs.bodies import IDENTITY, PLACE, event, events, points

from agent.config.load import load
from agent.delivery.subscription import matches
from agent.formats import open_format
from agent.formats.samples import samples
from agent.model import EventType

SHIPPED = Path(__file__).parents[2] / "config" / "destinations"
NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml") if "format: template" in path.read_text())
CANARY = "canary4711"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="session")
def destinations(tmp_path_factory):
    """Every sample, loaded as it is beside an agent.yaml: with a flood, so that digests come too."""
    credentials = tmp_path_factory.mktemp("credentials")
    for name in ("airflow", "influxdb", "directus"):
        (credentials / name).write_text(CANARY)
    (credentials / "pagerduty").write_text(f"{KEY}\n")
    for name in ("slack_url", "teams_url"):
        (credentials / name).write_text(f"https://example.com/hooks/{CANARY}?sig={CANARY}\n")
    loaded = {}
    for name in NAMES:
        folder = tmp_path_factory.mktemp(name)
        (folder / "agent.yaml").write_text(
            "agent: {site: dresden, name: line-4}\nflood: {more_than: 10 in 10m, until: 5 in 10m, digest_every: 1m}\n"
        )
        (folder / f"{name}.yaml").write_text((SHIPPED / f"{name}.yaml").read_text())
        configuration = load(folder, {"CREDENTIALS_DIRECTORY": str(credentials)})
        assert (list(configuration.destinations), configuration.warnings) == ([name], ())
        loaded[name] = configuration.destinations[name]
    return loaded


def written(destinations, name, happened):
    return formatters(destinations)[name].one(happened, PLACE)


OPENED = {}


def formatters(destinations):
    """One for each sample, as in an agent that runs."""
    OPENED.update({name: open_format(destinations[name], IDENTITY) for name in NAMES if name not in OPENED})
    return OPENED


def kinds(config):
    return [kind for kind in EventType if matches(config.events, kind)]


def test_there_is_a_sample_for_each():
    """No file is forgotten, and none is without its test below."""
    assert sorted(READERS) == NAMES


# --- what each receiver takes, as it documents it -----------------------------------------------------------


def slack(body, happened):
    """Incoming webhooks: text, and at most 50 blocks; mrkdwn in which & < > are written as entities."""
    message = json.loads(body)
    assert message.keys() == {"text", "blocks"}
    assert len(message["blocks"]) <= 50
    texts = [message["text"]]
    for block in message["blocks"]:
        if block["type"] == "section":
            assert block.keys() == {"type", "text"}
            assert 1 <= len(block["text"]["text"]) <= 3000
            texts.append(block["text"])
        else:
            assert block.keys() == {"type", "elements"}
            assert block["type"] == "context"
            assert 1 <= len(block["elements"]) <= 10
            texts += block["elements"]
    for text in texts[1:]:
        assert text.keys() == {"type", "text"}
        assert text["type"] == "mrkdwn"
        assert text["text"]
    plain = [text if isinstance(text, str) else text["text"] for text in texts]
    assert not any(re.search(r"&(?!amp;|lt;|gt;)|[<]", text.removeprefix(">")) for text in plain)
    assert ">" not in plain[0]
    assert html.unescape(plain[0].split(" ", 1)[1]) == shortened(happened, 500)


def shortened(happened, length):
    message = happened.data.get("message") or ""
    return message if len(message) <= length else message[: length - 1] + "…"


def teams(body, happened):
    """A message with one Adaptive Card; the workflow takes no more than 28 kB."""
    assert len(body) < 28_000
    message = json.loads(body)
    assert message.keys() == {"type", "attachments"}
    assert message["type"] == "message"
    [attachment] = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    for element in card["body"]:
        if element["type"] == "TextBlock":
            assert element.get("color", "default") in {"default", "good", "warning", "attention"}
            assert isinstance(element["text"], str)
            assert element["wrap"] is True
        else:
            assert element.keys() == {"type", "facts"}
            assert element["type"] == "FactSet"
            assert all(fact.keys() == {"title", "value"} for fact in element["facts"])
            assert all(isinstance(fact["value"], str) for fact in element["facts"])
    assert card["body"][0]["text"] == shortened(happened, 1000)


ACTIONS = {"alarm.acknowledged": "acknowledge", "alarm.returned": "resolve", "alarm.reset": "resolve"}


def pagerduty(body, happened):
    """Events API v2: a key of 32 characters, an action by the type, a key that all of one alarm share."""
    message = json.loads(body)
    payload = message["payload"]
    assert message.keys() == {"routing_key", "event_action", "dedup_key", "client", "payload"}
    assert message["routing_key"] == KEY
    assert message["event_action"] == ACTIONS.get(happened.type, "trigger")
    assert 1 <= len(message["dedup_key"]) <= 255
    assert payload.keys() == {
        "summary",
        "source",
        "severity",
        "timestamp",
        "component",
        "group",
        "class",
        "custom_details",
    }
    assert len(payload["summary"]) <= 1024
    assert payload["severity"] in {"critical", "error", "warning", "info"}
    assert datetime.fromisoformat(payload["timestamp"]).tzinfo
    assert payload["source"]
    assert isinstance(payload["custom_details"], Mapping)


def airflow(body, happened):
    """TriggerDAGRunPostBody of Airflow 3: `logical_date` is required, and may be null; nothing unknown."""
    message = json.loads(body)
    assert message.keys() <= {
        "dag_run_id",
        "logical_date",
        "run_after",
        "conf",
        "note",
        "data_interval_start",
        "data_interval_end",
    }
    assert message["logical_date"] is None
    assert re.fullmatch(r"[A-Za-z0-9_.~:+-]{1,250}", message["dag_run_id"])
    assert message["dag_run_id"] == happened.id
    assert message["conf"]["type"] == happened.type
    assert message["conf"]["data"]["id"] == happened.id
    assert len(message["note"]) <= 1000


def influxdb(body, happened):
    """One point a body, at the instant at which it happened; a field keeps its kind."""
    [(measurement, tags, fields, time)] = points(body.decode())
    assert time == happened.at + PLACE.offset
    assert {"site", "agent"} <= tags.keys()
    assert fields
    assert (measurement == "alarms") == (
        happened.type is not EventType.TAG_CHANGED
    ) or happened.tag == "alarms"
    value = happened.data.get("value")
    if isinstance(value, int | float) and not isinstance(value, bool):
        assert fields["value"] == value
    assert "value" not in fields or isinstance(fields["value"], float)


def directus(body, happened):
    """An item with plain values only; the number and the text of a value have fields of their own."""
    item = json.loads(body)
    assert item.keys() == {
        *("event", "occurrence", "type", "happened_at", "site", "agent", "rule", "level", "priority", "tag"),
        *("value", "text", "unit", "message"),
    }
    assert item["event"] == happened.id
    assert item["value"] is None or isinstance(item["value"], int | float)
    assert not isinstance(item["value"], bool)
    assert item["text"] is None or isinstance(item["text"], str)
    assert item["message"] == shortened(happened, 2000)


READERS = {
    "slack": slack,
    "teams": teams,
    "pagerduty": pagerduty,
    "airflow": airflow,
    "influxdb": influxdb,
    "directus": directus,
}


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_it_subscribes_to_is_taken(destinations, name):
    """A sample of each type; its content type is what the receiver asks for."""
    config = destinations[name]
    told = list(samples(config.subscription()))
    for happened in told:
        READERS[name](written(destinations, name, happened), happened)

    assert {happened.type for happened in told} >= set(kinds(config))
    assert open_format(config, IDENTITY).content_type.startswith(
        "text/plain" if name == "influxdb" else "application/json"
    )


@pytest.mark.parametrize("name", NAMES)
@given(happened=events())
@settings(max_examples=25)
def test_whatever_happens_is_taken(destinations, name, happened):
    """Any name, any text, any value, any type of event that it asked for."""
    asked = kinds(destinations[name])
    happened = type(happened)(
        **{
            **{key: getattr(happened, key) for key in happened.__slots__},
            "type": asked[happened.at % len(asked)],
        }
    )

    READERS[name](written(destinations, name, happened), happened)


def test_a_batch_of_points_is_points(destinations):
    """Five hundred of them, one below the other."""
    formatter = open_format(destinations["influxdb"], IDENTITY)
    bodies = [formatter.one(event(EventType.TAG_CHANGED, at=number), PLACE) for number in range(500)]

    assert [time for *_, time in points(formatter.many(bodies, 0).decode())] == [
        PLACE.offset + number for number in range(500)
    ]
    assert destinations["influxdb"].batching.max_events == 500


def test_one_alarm_is_one_incident(destinations):
    """Raised, acknowledged, returned: the same key, so that PagerDuty closes what it opened."""
    story = [
        EventType.ALARM_RAISED,
        EventType.ALARM_ESCALATED,
        EventType.ALARM_ACKNOWLEDGED,
        EventType.ALARM_RETURNED,
    ]
    told = [
        json.loads(written(destinations, "pagerduty", event(kind, data={"occurrence": "evt_7"})))
        for kind in story
    ]

    assert {each["dedup_key"] for each in told} == {"evt_7"}
    assert [each["event_action"] for each in told] == ["trigger", "trigger", "acknowledge", "resolve"]
