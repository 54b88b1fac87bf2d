"""Flipped bits, which SQLite does not see: never sent, never silently skipped."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.stores import BOOT, event, numbers, opened, sql, step

from agent.model import EventType, Priority
from agent.store.records import Addressed, EventFilter, Selection, Step, Stored
from agent.store.rows import decode_event, draft, event_row

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBER = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.builds(
    event,
    id=TEXT,
    type=st.sampled_from(EventType),
    at=NUMBER,
    subject=TEXT,
    priority=st.sampled_from(Priority),
    data=st.dictionaries(TEXT, JSON, max_size=3),
    instants=st.dictionaries(TEXT, NUMBER, max_size=3),
    tag=TEXT,
    rule=TEXT,
)


def row_of(one, seq=3, offset=5):
    return event_row(seq, draft(Addressed(one, ()), ()), BOOT, offset)


@given(EVENTS)
def test_an_event_comes_back_as_it_went(one):
    """Whatever stands in it."""
    assert decode_event(row_of(one)) == Stored(3, one, BOOT, 5)


@settings(max_examples=300)
@given(EVENTS, st.integers(0, 11), st.data())
def test_one_flipped_bit_is_noticed(one, column, data):
    """In any column, the checksum itself included."""
    row = list(row_of(one))
    value = row[column]
    if isinstance(value, int):
        row[column] = value ^ 1 << data.draw(st.integers(0, 62))
    else:
        raw = bytearray(value.encode() if isinstance(value, str) else value)
        if not raw:
            return
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        row[column] = bytes(raw).decode(errors="replace") if isinstance(value, str) else bytes(raw)

    assert decode_event(row) is None


@pytest.mark.parametrize("column", range(12))
@pytest.mark.parametrize("value", [None, 1.5, "x", b"x"], ids=["null", "real", "text", "blob"])
def test_a_value_of_another_kind_is_noticed(column, value):
    """A flipped bit in a row's header changes the kind of a value; a row that is gone is all NULL."""
    row = list(row_of(event(1)))
    row[column] = value

    assert decode_event(row) is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET content = CAST(replace(CAST(content AS TEXT), 'bar', 'bat') AS BLOB) WHERE seq = 2",
        "UPDATE event SET subject = CAST(x'ff41' AS TEXT) WHERE seq = 2",
        "UPDATE event SET at = at + 1024 WHERE seq = 2",
        "UPDATE event SET checksum = checksum + 1 WHERE seq = 2",
        "DELETE FROM event WHERE seq = 2",
    ],
)
async def test_a_damaged_event_is_not_sent_and_not_skipped_in_silence(tmp_path, caplog, damage):
    """It becomes a dead letter at each destination, told once; the others are sent as ever."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        for number in (1, 2, 3):
            unit = event(number, data={"unit": "bar"})
            await store.commit(Step([Addressed(unit, ("a", "b"))]))
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await sql(store, damage)
        told = []
        store.on_damaged = lambda destination, seq: told.append((destination, seq))

        for name in ("a", "b", "a"):
            assert numbers(await store.waiting(name, 0, 2)) == [1, 3]
            assert store.waiting_count(name) == 2
        assert told == [("a", 2), ("b", 2)]
        assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 2

        letters = await store.letters.dead(Selection(reason="damaged"), 10)
        assert [(one.status.destination, one.seq, one.stored) for one in letters] == [
            ("a", 2, None),
            ("b", 2, None),
        ]
        assert (await store.letters.resend(Selection())).count == 0


async def test_a_page_of_damaged_events_hides_nothing_behind_it(tmp_path):
    """Reading goes on until the page is full of sound ones."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(*range(1, 10)))
        await sql(store, "UPDATE event SET checksum = 0 WHERE seq BETWEEN 2 AND 7")

        assert numbers(await store.waiting("a", 0, 2)) == [1, 8]


async def test_a_damaged_event_is_listed_as_such(tmp_path):
    """People see that it was there."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1, 2))
        await sql(store, "UPDATE event SET checksum = 0 WHERE seq = 1")

        listed = await store.events(EventFilter(), 10)
        assert [(one.seq, one.stored is None) for one in listed] == [(1, True), (2, False)]


async def test_a_listing_that_stumbles_ends_itself_only(tmp_path):
    """A flipped bit where no checksum is: the listing fails, storing goes on."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1))
        await sql(store, "UPDATE delivery SET state = 9")
        with pytest.raises(ValueError, match="9 is not a valid DeliveryState"):
            await store.events(EventFilter(), 10)
        await store.commit(step(2))

        assert store.seq == 2


async def test_damaged_rule_state_is_left_out(tmp_path, caplog):
    """Its rule begins anew; the others go on from where they were."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(Step(states={"rule/x": b"1", "rule/y": b"2"}))
        await sql(store, "UPDATE state SET value = x'33' WHERE key = 'rule/x'")

        assert await store.states() == {"rule/y": b"2"}
        assert "rule/x" in caplog.text
