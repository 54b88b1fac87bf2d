"""The schema of events is what is sent: held against a sample of every type, and against broken ones."""

import json

import pytest
from jsonschema import Draft202012Validator
from rigs.bodies import IDENTITY, OFFSET, PLACE, event, section

from agent.delivery.body import Place
from agent.delivery.subscription import Subscription
from agent.formats import open_format
from agent.formats.event_schema import event_schema
from agent.formats.samples import samples
from agent.formats.scope import FIELDS
from agent.model import EventType

SCHEMA = event_schema()
ID = "evt_01a1fe3b-ee04-7464-bcad-224bbae49030"
CHECKER = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
FORMAT = open_format(section(), IDENTITY)


def body(happened, place=PLACE):
    document = json.loads(FORMAT.one(happened, place))
    document["data"]["id"] = ID  # a sample has a short one
    return document


@pytest.mark.parametrize("kind", EventType)
def test_what_is_sent_is_as_the_schema_says(kind):
    """A sample of every type, numbered and not."""
    for happened in samples(Subscription((kind.value,))):
        CHECKER.validate(body(happened))
        CHECKER.validate(body(happened, Place(None, None, OFFSET)))


def test_a_batch_is_as_the_schema_says():
    """Its members are events as they would be sent alone."""
    batch = json.loads(FORMAT.many([FORMAT.one(event(), PLACE)], OFFSET))
    batch["data"]["events"][0]["data"]["id"] = ID

    CHECKER.validate(batch)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "msg_1"},
        {"seq": 0},
        {"seq": "7"},
        {"previous": 1.5},
        {"site": None},
        {"priority": "loud"},
        {"quality": "so so"},
        {"schema": 2},
        {"onset": "yesterday"},
        {"late": False},
        {"limit": "high"},
        {"value": []},
    ],
)
def test_what_is_not_so_is_refused(change):
    """The schema can say no."""
    document = body(event())
    document["data"] |= change

    assert not CHECKER.is_valid(document)


def test_the_schema_is_one():
    """By the rules of JSON Schema itself."""
    Draft202012Validator.check_schema(SCHEMA)


def test_every_field_stands_in_it_with_a_sentence():
    """What an editor or a generator of code shows for it."""
    properties = SCHEMA["$defs"]["event"]["properties"]["data"]["properties"]

    assert {name: each["description"] for name, each in properties.items()} == dict(FIELDS)
