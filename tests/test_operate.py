"""The operator's eyes and hand, over a real store: what is listed, what is done, and what is refused."""

from contextlib import asynccontextmanager
from getpass import getuser
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from rigs.rules import gate, high, high_high, rule
from rigs.stores import refusing_disk

from agent.clock import SystemClock
from agent.desk import UnknownError
from agent.errors import StoreUnavailable
from agent.model import SECOND, Action, Priority, Quality, Reading, TagSpec
from agent.operate import Hand
from agent.pipeline import Pipeline
from agent.rules.engine import Engine
from agent.rules.spec import ChangeSpec
from agent.store.store import Store
from agent.web.control import control_app
from agent.web.orders import ImpossibleError, MalformedError, Order, read

CLOCK = SystemClock()
RULES = (
    rule(high(), name="quiet"),
    rule(high(), high_high(priority=Priority.CRITICAL), name="loud"),
    rule(high(), name="seen"),
    rule(high(), name="pumps/P 1", rule="pumps"),
    rule(high(), name="pumps/P 2", tag="U", rule="pumps"),
    rule(high(), name="off", gate=gate("U > 200")),
    rule(high(), name="blind", tag="V"),
    ChangeSpec("report", "U", "d", Priority.LOW),
)


@asynccontextmanager
async def plant(tmp_path, *values):
    """The hand on `RULES` after T, then U, were read; V never was."""
    async with await Store.open(tmp_path / "events.db", clock=CLOCK, boot="boot") as store:
        tags = [TagSpec(name, "plc", "°C", stale_after=60 * SECOND) for name in ("T", "U", "V")]
        minted = iter(range(1000))
        engine = Engine(
            RULES,
            tags,
            ["plc"],
            mint=lambda at: f"evt_{next(minted)}",
            started=CLOCK.monotonic() - 60 * SECOND,
        )
        pipeline = Pipeline(engine, store, lambda event: (), lambda found: None, CLOCK, lambda at: "evt")
        now = CLOCK.monotonic()
        await pipeline.emit(
            [Reading(tag, value, Quality.GOOD, now) for tag, value in zip("TU", values, strict=False)]
        )
        hand = Hand(pipeline, CLOCK)
        nobody = dict.fromkeys(("intakes", "holding", "desk", "board"))
        yield SimpleNamespace(hand=hand, store=store, engine=engine, **nobody)


def rules_of(rows):
    return [row["rule"] for row in rows]


async def test_what_is_open_comes_in_the_order_of_its_urgency(tmp_path):
    """What nobody has seen before what somebody has, the louder before the quieter."""
    async with plant(tmp_path, 190, 100) as here:
        await here.hand.carry_out(Action.ACKNOWLEDGE, Order(rules=["seen"]), "anna")
        rows = here.hand.alarms()["open"]

    assert rules_of(rows) == ["loud", "quiet", "pumps/P 1", "seen"]
    assert (rows[0]["level"], rows[0]["priority"], rows[0]["value"], rows[0]["unit"]) == (
        "high_high",
        "critical",
        190,
        "°C",
    )
    assert [row.get("acknowledged_by") for row in rows] == [None, None, None, "anna"]


async def test_what_nobody_would_be_told_of_is_listed_with_the_reason(tmp_path):
    """Shelved, out of service, disabled and blind rules; never one that is open, or at work."""
    async with plant(tmp_path, 100, 100) as here:
        await here.hand.carry_out(Action.SHELVE, Order(rules=["quiet"], reason="seal", for_s=7200), "anna")
        await here.hand.carry_out(Action.OUT_OF_SERVICE, Order(rules=["pumps/P 2"], reason="gone"), "anna")
        listed = here.hand.alarms()
    rows = {row["rule"]: row for row in listed["unwatched"]}

    assert listed["open"] == []
    assert {name: row["why"] for name, row in rows.items()} == {
        "quiet": ["shelved"],
        "pumps/P 2": ["out_of_service"],
        "off": ["disabled"],
        "blind": ["blind: not read yet"],
    }
    assert rows["quiet"]["shelved"] | {"until": "", "for_s": 7200} == {
        "until": "",
        "for_s": 7200,
        "reason": "seal",
        "by": "anna",
        "one_shot": False,
    }
    assert rows["pumps/P 2"]["out_of_service"] == "gone (anna)"
    assert rows["blind"]["value"] is None


async def test_an_id_stands_for_its_instances(tmp_path):
    """Done for each for which it can be; a name for which it cannot be done at all is refused."""
    async with plant(tmp_path, 180, 100) as here:
        done = await here.hand.carry_out(Action.ACKNOWLEDGE, Order(rules=["pumps", "off", "seen"]), "anna")
        assert done["done"] == ["pumps/P 1", "seen"]
        assert done["refused"] == ["off has no open alarm: there is nothing to acknowledge"]
        with pytest.raises(
            ImpossibleError, match="pumps: none of 2 can be: pumps/P 1 was acknowledged by anna"
        ):
            await here.hand.carry_out(Action.ACKNOWLEDGE, Order(rules=["pumps"]), "anna")
        everything = await here.hand.carry_out(Action.ACKNOWLEDGE, Order(all=True), "anna")
        assert everything == {"done": ["quiet", "loud"], "refused": []}
        nothing = await here.hand.carry_out(Action.ACKNOWLEDGE, Order(all=True), "anna")
        assert nothing == {"done": [], "refused": []}


@pytest.mark.parametrize(
    ("action", "order", "error", "words"),
    [
        (Action.ACKNOWLEDGE, Order(), MalformedError, "at least one rule"),
        (Action.RESET, Order(all=True), MalformedError, "name the rules to reset"),
        (
            Action.ACKNOWLEDGE,
            Order(rules=["loud", "laud"]),
            UnknownError,
            "no rule laud: did you mean `loud`",
        ),
        (Action.SHELVE, Order(rules=["loud"], for_s=60), ImpossibleError, "a reason is needed"),
        (Action.SHELVE, Order(rules=["loud"], reason="x"), ImpossibleError, "an end is needed"),
        (Action.SHELVE, Order(rules=["report"], reason="x", for_s=9), ImpossibleError, "it has no alarm"),
    ],
)
async def test_what_cannot_be_done_changes_nothing(tmp_path, action, order, error, words):
    """Neither for the rules that could be; the sentence says why."""
    async with plant(tmp_path, 190, 100) as here:
        before, states = here.store.seq, {name: run.state for name, run in here.engine.runs.items()}
        with pytest.raises(error, match=words):
            await here.hand.carry_out(action, order, "anna")

        assert here.store.seq == before
        assert {name: run.state for name, run in here.engine.runs.items()} == states


@pytest.mark.parametrize(("name", "expected"), [("", "bob"), ("anna", "anna (bob)"), ("bob", "bob")])
async def test_who_it_was_is_what_the_kernel_knows(tmp_path, name, expected):
    """A name that somebody gives stands beside his login, never instead of it."""
    async with plant(tmp_path, 190, 100) as here:
        await here.hand.carry_out(Action.ACKNOWLEDGE, Order(rules=["loud"], by=name), "bob")

        assert here.engine.runs["loud"].state.core.acknowledged == expected


async def test_what_cannot_be_stored_is_not_done(tmp_path):
    """The order is refused as a whole, and can be given again."""
    async with plant(tmp_path, 190, 100) as here:
        order = Order(rules=["loud"], reason="x", for_s=60)
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await here.hand.carry_out(Action.SHELVE, order, "anna")
        assert here.engine.runs["loud"].state.gate.shelf is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body: Invalid JSON"),
        (b"[]", "the body"),
        (b'{"rules": "loud"}', "rules: Input should be a valid"),
        (b'{"rules": ["loud"], "until": "14:00"}', "until: Extra inputs"),
        (b'{"rules": ["loud"], "all": true}', "all stands in place of the rules: give one"),
        (b'{"rules": ["loud"], "for_s": -1}', "for_s: Input should be greater than 0"),
    ],
)
def test_an_order_that_is_none(body, words):
    """It is named what is wrong with it."""
    with pytest.raises(MalformedError, match=words):
        read(Order, body)


async def test_over_the_socket(tmp_path):
    """Each error has its status; the login is that of the process at the other end."""
    async with plant(tmp_path, 190, 100) as here:
        runner = web.AppRunner(control_app(here))
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "s")).start()
        connector = aiohttp.UnixConnector(path=str(tmp_path / "s"))
        async with aiohttp.ClientSession("http://agent", connector=connector) as session:

            async def post(action, body):
                async with session.post(f"/api/alarms/{action}", json=body) as response:
                    return response.status, await response.json()

            assert (await post("acknowledge", {}))[0] == 400
            assert (await post("acknowledge", {"rules": ["laud"]}))[0] == 404
            assert (await post("reset", {"rules": ["loud"]}))[0] == 409
            assert await post("acknowledge", {"rules": ["loud"]}) == (200, {"done": ["loud"], "refused": []})
            async with session.get("/api/alarms") as response:
                seen = {row["rule"]: row.get("acknowledged_by") for row in (await response.json())["open"]}
            assert seen["loud"] == getuser()
        await runner.cleanup()
