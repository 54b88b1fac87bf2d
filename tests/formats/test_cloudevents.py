"""CloudEvents 1.0: what the official SDK reads and finds valid, whatever happened and whatever it is called."""

import json
import re
from urllib.parse import unquote

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import example, given, settings
from rigs.bodies import IDENTITY, NAMES, OFFSET, PLACE, event, events, section

from agent.delivery.body import Identity, Place, document
from agent.delivery.subscription import Subscription
from agent.formats import open_format
from agent.formats.samples import samples
from agent.model import EventType

PATH = re.compile(
    r"/(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+/(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+"
)  # RFC 3986, path-absolute
ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")


def written(happened, place=PLACE, identity=IDENTITY, **keys):
    """The body, and the event that the SDK makes of it."""
    formatter = open_format(section(format="cloudevents", **keys), identity)
    body = formatter.one(happened, place)
    return json.loads(body), from_structured_event(
        HTTPMessage({"content-type": formatter.content_type}, body)
    )


def test_the_attributes_of_an_alarm():
    """Each has its meaning; the data is that of the house's own format."""
    body, read = written(event())

    assert {name: of for name, of in body.items() if name != "data"} == {
        "specversion": "1.0",
        "id": "evt_1",
        "source": "/dresden/line-4",
        "type": "alarm.raised",
        "subject": "R1-temperature",
        "time": "2026-11-21T08:00:03.120Z",
        "datacontenttype": "application/json",
        "sequence": "00000000000000000017",
    }
    assert read.get_data() == document(event(), PLACE, IDENTITY)["data"]


@pytest.mark.parametrize("kind", EventType)
def test_every_type_of_event_is_valid(kind):
    """For the SDK, which raises otherwise; no attribute is empty, none has a name that is not allowed."""
    for happened in samples(Subscription((kind.value,))):
        body, read = written(happened)

        assert (read.get_type(), read.get_id(), read.get_specversion()) == (happened.type, happened.id, "1.0")
        assert all(ATTRIBUTE.fullmatch(name) and value not in ("", None) for name, value in body.items())
        assert ("subject" in body) == bool(happened.rule)


@example(event(), ".", "..")
@example(event(), "a/b?c#d", "%2F")
@given(events(), NAMES, NAMES)
@settings(max_examples=60)
def test_anything_is_valid(happened, site, agent):
    """Names in any script stay one path of two segments, from which they can be read again."""
    body, read = written(happened, identity=Identity(site, agent, "e"))

    assert PATH.fullmatch(read.get_source())
    assert [unquote(part) for part in read.get_source().split("/")] == ["", site, agent]
    assert not {".", ".."} & set(read.get_source().split("/"))
    assert all(ATTRIBUTE.fullmatch(name) for name in body)


def test_sequences_sort_as_their_numbers():
    """As texts; what has no number (a heartbeat) has no sequence."""
    numbers = [1, 9, 10, 99, 2**63]
    sequences = [written(event(), Place(number, None, OFFSET))[0]["sequence"] for number in numbers]

    assert sorted(sequences) == sequences
    assert len(set(sequences)) == len(numbers)
    assert "sequence" not in written(event(), Place(None, None, OFFSET))[0]


def test_a_batch_is_an_array_of_members_as_they_are_alone():
    """With the media type of a batch; one that the user chose is the user's."""
    formatter = open_format(section(format="cloudevents"), IDENTITY)
    bodies = [formatter.one(event(), PLACE), formatter.one(event(EventType.ALARM_RETURNED), PLACE)]
    own = open_format(section(format="cloudevents", content_type="application/json"), IDENTITY)

    assert json.loads(formatter.many(bodies, OFFSET)) == [json.loads(body) for body in bodies]
    assert formatter.content_type == "application/cloudevents+json"
    assert formatter.batch_content_type == "application/cloudevents-batch+json"
    assert (own.content_type, own.batch_content_type) == ("application/json", "application/json")
