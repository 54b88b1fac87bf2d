"""The board: the last reading of every tag as the page can show it, and ten minutes of trend."""

import asyncio
import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.stores import START_WALL, HandClock

from agent import board as module
from agent.board import Board
from agent.model import MILLISECOND, SECOND, Link, Quality, Reading, TagSpec, Tick, bad
from agent.showing.settled import Tags
from agent.stamps import Reckoning
from agent.web.orders import MalformedError
from agent.web.routes import Asked
from agent.web.trends import trend_routes


class Broker:
    """A source that names tags itself: `line.` and anything."""

    def tag_named(self, source, name):
        return TagSpec(name, source) if name.startswith("line.") else None


class Plc:
    """A source that does not."""

    def tag_named(self, source, name):
        return None


def configuration(*specs, **sources):
    """What the board looks at of one."""
    specs = specs or (TagSpec("T", "plc"), TagSpec("U", "plc"), TagSpec("V", "other"))
    tags = {spec.name: spec for spec in specs}
    return SimpleNamespace(tags=tags, sources=sources or {"plc": Plc(), "other": Plc(), "broker": Broker()})


class Hand:
    """A board, its clock and its reckoning, which a test moves."""

    def __init__(self, *specs) -> None:
        self.clock = HandClock()
        self.reckoning = Reckoning(START_WALL)
        self.board = Board(configuration(*specs), self.clock, lambda: self.reckoning)

    def read(self, tag, value, **more):
        self.board.note([Reading(tag, value, Quality.GOOD, self.clock.instant, **more)])

    def link(self, source, reason=""):
        self.board.note([Link(source, up=not reason, at=self.clock.instant, reason=reason)])

    def shown(self):
        """Value and quality by tag, and the reason if there is one."""
        rows = self.board.rows()
        return {
            tag: (row["value"], row["quality"], *([row["reason"]] if "reason" in row else []))
            for tag, row in rows.items()
        }

    @property
    def at(self):
        return (self.clock.instant + START_WALL) // MILLISECOND


LONG = "x" * 300


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (21.5, 21.5),
        (True, True),
        ("run", "run"),
        (None, None),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (2**53, 2**53),
        (2**53 + 1, "9007199254740993"),
        (-(2**53) - 1, "-9007199254740993"),
        (2**64, "18446744073709551616"),
        pytest.param(10**5000, None, id="5000 digits"),
        (LONG, LONG[:200]),
        ("half \ud800", "half ?"),
        ("wärm", "wärm"),
    ],
)
def test_a_value_is_shown_as_javascript_can_hold_it(value, shown):
    """What JSON cannot hold is null, what JavaScript would round is text, what is long is cut."""
    hand = Hand()
    hand.read("T", value)

    row = hand.board.rows()["T"]
    assert row == {"value": shown, "quality": "good", "at": hand.at}
    assert type(row["value"]) is type(shown)


def test_only_what_has_come_since_is_told_again():
    """Each reading once; a reading of the same value too, for it is younger."""
    hand = Hand()
    assert hand.board.changed() == {}
    hand.read("T", 1)
    hand.read("U", 2)
    assert hand.board.changed().keys() == {"T", "U"}
    hand.clock.instant += SECOND
    hand.read("U", 2)
    assert hand.board.changed() == {"U": {"value": 2, "quality": "good", "at": hand.at}}
    hand.board.note([Tick(hand.clock.instant)])
    assert hand.board.changed() == {}


def test_a_tag_that_cannot_be_read_says_why():
    """Its last value is not shown as if it held; nor is a password, or more than people read."""
    hand = Hand()
    hand.read("T", 1)
    why = "the register does not exist at tcp://user:password@plc:502?token=1 " + LONG * 2
    hand.board.note([bad("T", hand.clock.instant, why)])

    row = hand.board.rows()["T"]
    assert (row["value"], row["quality"]) == (None, "bad")
    assert row["reason"].startswith("the register does not exist at tcp://plc:502 x")
    assert len(row["reason"]) == 500


def test_a_source_that_is_down_makes_all_its_tags_bad():
    """For its reason, which takes the place of their own; tags that were never read too; others are not touched."""
    hand = Hand()
    hand.board.note([bad("T", hand.clock.instant, "no such register")])
    hand.read("V", 3)
    hand.link("plc", "no answer")

    why = (None, "bad", "no answer")
    assert hand.shown() == {"T": why, "U": why, "V": (3, "good")}


def test_a_source_that_stays_down_for_the_same_reason_changes_nothing():
    """Each attempt to connect tells it anew: not one row is sent for that, until the reason is another."""
    hand = Hand()
    hand.link("plc", "no answer")
    hand.board.changed()
    hand.clock.instant += 30 * SECOND
    hand.link("plc", "no answer")
    assert hand.board.changed() == {}
    hand.link("plc", "refused")
    assert {row["reason"] for row in hand.board.changed().values()} == {"refused"}


def test_a_connection_that_is_back_makes_no_value_good():
    """Only a reading does; but the old reason is not told any more."""
    hand = Hand()
    hand.link("plc", "no answer")
    hand.link("plc")
    hand.read("U", 5)

    assert hand.shown() == {"T": (None, "bad", module._BACK), "U": (5, "good")}


def test_what_comes_within_a_second_counts_in_its_order():
    """A reading before the loss is lost, one after it is good, a tag that was found just before it too."""
    hand = Hand()
    hand.read("T", 1)
    hand.read("line.4", 1)
    hand.link("plc", "no answer")
    hand.link("broker", "gone")
    hand.link("plc")
    hand.read("T", 2)

    assert hand.shown() == {
        "T": (2, "good"),
        "U": (None, "bad", module._BACK),
        "line.4": (None, "bad", "gone"),
    }


def test_history_is_shown_only_once_nothing_newer_has_come():
    """As the rules take it: what was true an hour ago does not flicker through the page."""
    hand = Hand()
    hand.read("T", 1)
    hand.read("T", 70, late=True)
    assert hand.shown() == {"T": (1, "good")}
    hand.read("T", 2)
    hand.clock.instant += 2 * SECOND
    assert hand.shown() == {"T": (2, "good")}
    hand.read("T", 80, late=True)
    hand.clock.instant += 2 * SECOND
    assert hand.shown() == {"T": (80, "good")}


def test_a_reload_forgets_what_is_gone():
    """Tags that are gone go, also found ones whose source is gone; the others keep what they show."""
    hand = Hand()
    for tag in ("T", "U", "line.1"):
        hand.read(tag, 1)
    sampled(hand)
    assert trend(hand, "U") is not None
    hand.board.changed()
    hand.board.watch(configuration(TagSpec("T", "plc"), TagSpec("W", "plc"), plc=Plc()))
    hand.read("U", 2)  # of the source that is about to be ended
    hand.read("W", 3)

    assert hand.board.changed() == {
        "U": None,
        "line.1": None,
        "W": {"value": 3, "quality": "good", "at": hand.at},
    }
    assert hand.shown() == {"T": (1, "good"), "W": (3, "good")}
    assert hand.board.trends(["U"])["trends"] == {}
    hand.link("plc", "no answer")
    assert hand.shown().keys() == {"T", "W"}


def test_tags_that_a_source_names_itself_are_bounded(monkeypatch):
    """A stranger who makes up names fills no memory; nor do names that nobody makes."""
    monkeypatch.setattr(module, "_MOST_FOUND", 3)
    hand = Hand()
    for number in range(9):
        hand.read(f"line.{number}", number)
        hand.read(f"nobody.{number}", number)

    assert len(hand.board.rows()) == len(hand.board.found) == 3
    hand.board.watch(configuration())
    assert len(hand.board.found) == 3


def test_tags_that_a_source_names_itself_are_among_the_tags():
    """From the first reading on; what has not changed is the very table of before."""
    hand, tags, engine = Hand(), Tags(), SimpleNamespace(tags={})
    assert tags.look(engine, hand.board.found) == {}
    hand.read("line.4", 1)
    hand.board.gather()
    shown = tags.look(engine, hand.board.found)

    assert (shown.keys(), shown["line.4"]["source"]) == ({"line.4"}, "broker")
    assert tags.look(engine, hand.board.found) is shown
    hand.board.watch(configuration(plc=Plc()))
    assert tags.look(engine, hand.board.found) == {}


def test_stamps_do_not_flicker_with_the_clock_and_follow_when_it_is_set():
    """A clock that jitters by milliseconds changes no row; one that is set changes all."""
    hand = Hand()
    hand.read("T", 1)
    before = hand.board.changed()["T"]["at"]
    hand.reckoning = Reckoning(START_WALL + 20 * MILLISECOND)
    assert hand.board.changed() == {}
    hand.reckoning = Reckoning(START_WALL + 3600 * SECOND)
    assert hand.board.changed()["T"]["at"] == before + 3_600_000


# --- trends ---------------------------------------------------------------------------------------


def sampled(hand, seconds=10):
    """Let time pass, and have what holds then sampled."""
    hand.clock.instant += seconds * SECOND
    hand.board.gather()
    hand.board._trends.sample(hand.clock.instant, hand.board._latest, hand.board._stale_after)


def trend(hand, tag="T"):
    return hand.board.trends([tag])["trends"].get(tag)


def test_a_trend_is_a_number_each_ten_seconds():
    """The newest last; no number where there was none, or none that can be drawn."""
    hand = Hand()
    for value in (1.5, "text", True, math.nan, 10**400, 7):
        hand.read("T", value)
        sampled(hand)
    hand.link("plc", "no answer")
    sampled(hand)

    assert trend(hand) == [None] * 53 + [1.5, None, 1, None, None, 7, None]
    assert trend(hand, "V") is None
    told = hand.board.trends(["T"])
    assert (told["every_s"], told["until"]) == (10, hand.at)


def test_a_value_that_holds_is_drawn_until_it_is_stale():
    """One that is only sent when it changes is a line; one that is stale is none."""
    hand = Hand(TagSpec("T", "plc"), TagSpec("U", "plc", stale_after=15 * SECOND))
    hand.read("T", 1)
    hand.read("U", 1)
    for _ in range(3):
        sampled(hand)

    assert trend(hand)[-3:] == [1, 1, 1]
    assert trend(hand, "U")[-3:] == [1, None, None]


def test_nothing_is_kept_of_what_has_no_number_and_of_too_many(monkeypatch):
    """Text has no trend; beyond the bound tags have none."""
    monkeypatch.setattr("agent.trends.MOST", 1)
    hand = Hand()
    hand.read("T", "text")
    hand.read("U", 1)
    hand.read("V", 2)
    sampled(hand)

    assert hand.board._trends._rings.keys() == {"U"}


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 99)), max_size=90))
def test_a_ring_is_the_last_sixty_moments(steps):
    """Whatever passes between two samples: a machine that slept has drawn nothing meanwhile."""
    hand = Hand()
    first = slot = hand.clock.instant // (10 * SECOND)
    drawn = {}
    for seconds, value in steps:
        hand.read("T", value)
        sampled(hand, seconds)
        if (now := hand.clock.instant // (10 * SECOND)) != slot:
            slot = now
            drawn[slot] = value
    expected = [drawn.get(each) for each in range(slot - 59, slot + 1)]

    assert trend(hand) == (expected if drawn else None)
    assert first <= slot


async def test_a_board_at_work_gathers_by_itself():
    """What was noted is merged each second, though nobody looks: the batches do not pile up."""
    hand = Hand()
    task = asyncio.create_task(hand.board.run())
    for number in range(9):
        hand.read("T", number)
    async with asyncio.timeout(30):
        while hand.board._pending:
            await asyncio.sleep(0.01)
    task.cancel()
    assert hand.board._latest["T"].value == 8


# --- asked over HTTP ------------------------------------------------------------------------------


async def asked(hand, query):
    [route] = trend_routes(hand.board)
    return await route.answer(Asked("", {}, query, b""))


async def test_trends_are_asked_for_by_a_list_of_names():
    """A name may have a comma in it; what is not known is left out."""
    hand = Hand(TagSpec("a,b", "plc"))
    hand.read("a,b", 1)
    sampled(hand)

    assert list((await asked(hand, {"tags": '["a,b","nobody"]'}))["trends"]) == ["a,b"]
    assert (await asked(hand, {}))["trends"] == {}


@pytest.mark.parametrize("tags", ["", "T", '{"T": 1}', "[1]", '["T"', str(["T"] * 201).replace("'", '"')])
async def test_what_is_no_list_of_names_is_refused(tags):
    """With what was expected."""
    with pytest.raises(MalformedError, match=r"^tags: "):
        await asked(Hand(), {"tags": tags})
