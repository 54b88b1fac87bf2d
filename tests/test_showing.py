"""The tables of the page one by one: what is cut, what is said next, and rules in any number."""

import random
from types import SimpleNamespace

import pytest
from rigs.rules import gate, high, high_high, rule

from agent.alarms import open_alarms, unwatched
from agent.config.load import load
from agent.delivery.judge import Delivered, Fault, Retry
from agent.dispatch.attempts import Attempts
from agent.errors import Problem
from agent.model import SECOND, Action, Answer, Command, Link, NoAnswer, Priority, Quality, Reading, TagSpec
from agent.rules.engine import Engine
from agent.showing.guide import next_step
from agent.showing.keeping import kept
from agent.showing.settled import InForce
from agent.showing.text import cut, cut_data, told
from agent.showing.watching import Watching

# --- texts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no answer", "no answer"),
        ("POST https://a.example/h?token=k#x: 401", "POST https://a.example/h 401"),
        ("amqp://me:pass@host:1/x is down", "amqp://host:1/x is down"),
        ("mqtts://me:p@ss@host", "mqtts://host"),
        ("see 'https://a/b?c=d' and http://e@f/g?h", "see 'https://a/b' and http://f/g"),
        ("x" * 600, "x" * 499 + "…"),
        ("is it so? a@b", "is it so? a@b"),
    ],
)
def test_a_reason_has_no_secret_of_an_address(text, shown):
    """User, password, query and fragment are left out, wherever an address stands."""
    assert told(text) == shown


def test_what_a_person_has_written_keeps_its_address():
    """What the operator is to do may be a link; it is only cut."""
    assert cut("see https://wiki/page?id=5#do") == "see https://wiki/page?id=5#do"
    assert len(cut("x" * 501)) == 500


def test_the_data_of_an_event_is_cut_to_what_a_line_needs():
    """What fits stays as it is; of more the message, the rule and the tag come first."""
    small = {"rule": "R", "list": [1, 2]}
    assert cut_data(small) == small
    large = {f"field_{number}": "x" * 450 for number in range(20)} | {"message": "m", "rule": "R", "tag": "T"}
    shown = cut_data(large)
    assert (shown["cut"], shown["message"], shown["rule"], shown["tag"]) == (True, "m", "R", "T")
    assert 4 < len(shown) < 20


# --- what to do next -----------------------------------------------------------------------------------------

HEAD = "agent: {site: s, name: n}\n"
SOURCE = "sources: {plc: {type: simulated, tags: {T: {signal: sine}}}}\n"
RULE = "rules: {hot: {tag: T, high: 80}}\n"
DESTINATION = "destinations: {d: {url: 'http://127.0.0.1:1/', signing: none}}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD, ["`sources:`", "sources.yaml", "edge-relay browse", "edge-relay reload"]),
        (HEAD + DESTINATION, ["`sources:`"]),
        (HEAD + SOURCE, ["`rules:`", "rules.yaml", "tag: T"]),
        (HEAD + SOURCE + RULE, ["`destinations:`", "destinations.yaml", "edge-relay receiver"]),
        (HEAD + SOURCE + RULE + DESTINATION, []),
    ],
)
def test_the_next_step_names_its_file_and_its_command(tmp_path, text, words):
    """The first thing that is missing; nothing once all is there."""
    folder = tmp_path / "plant"
    folder.mkdir()
    (folder / "agent.yaml").write_text(text)
    configuration = load(folder)
    said = next_step(configuration, folder, len(configuration.tags))
    assert all(word in said for word in words)
    assert bool(said) == bool(words)


def test_in_one_file_the_next_step_names_that(tmp_path):
    """And where files are watched, nothing need be loaded by hand."""
    file = tmp_path / "plant.yaml"
    file.write_text(HEAD + "watch: true\n" + SOURCE)
    said = next_step(load(file), file, 1)
    assert f"in {file}" in said
    assert "reload" not in said
    assert "edge-relay browse plc" in next_step(load(file), file, 0)


# --- the newest attempts ---------------------------------------------------------------------------------------


def test_the_newest_hundred_attempts_are_counted():
    """How many, how many succeeded, and the median of what was answered."""
    attempts = Attempts("showing")
    assert (attempts.recent.attempts, attempts.recent.latency_s) == (0, None)
    entries = [SimpleNamespace(seq=1, delivery=SimpleNamespace(charged=0, stored=NOBODY))]
    retry = Retry("no", 0, Fault.LINK, charged=False)
    for _ in range(90):
        attempts.note(entries, NoAnswer("no way", 1.0), retry)
    assert (attempts.recent.attempts, attempts.recent.succeeded, attempts.recent.latency_s) == (90, 0, None)
    for number in range(60):
        attempts.note(entries, Answer(204, {}, number / 10, ""), Delivered())
    assert (attempts.recent.attempts, attempts.recent.succeeded) == (100, 60)
    assert attempts.recent.latency_s == pytest.approx(2.95)


NOBODY = SimpleNamespace(event=SimpleNamespace(id="evt"))


# --- alarms, and what is not watched -----------------------------------------------------------------------


class Clock:
    """The board's instant, and a wall clock an hour ahead."""

    def __init__(self) -> None:
        self.now = 10 * SECOND

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now + 3600 * SECOND


OFFSET = 3600 * SECOND


def plant(count, **more):
    """An engine with a limit on each of as many tags, and a clock."""
    names = [f"T{number}" for number in range(count)]
    rules = [
        rule(high(), high_high(priority=Priority.CRITICAL), name=name, tag=name, **more) for name in names
    ]
    minted = iter(range(1_000_000))
    tags = [TagSpec(name, "plc", stale_after=600 * SECOND) for name in names]
    engine = Engine(rules, tags, ["plc"], mint=lambda at: f"evt_{next(minted)}", started=SECOND)
    clock = Clock()
    engine.take([Link("plc", up=True, at=clock.now)])
    return engine, clock


def show(engine, clock, *batch):
    taken = engine.take(batch)
    if taken.durable:
        engine.keep(taken)


def reading(name, value, clock, quality=Quality.GOOD):
    return Reading(
        name,
        value if quality is Quality.GOOD else None,
        quality,
        clock.now,
        reason="" if quality is Quality.GOOD else "unplugged",
    )


def timeless(rows):
    """Rows by name without what changes by itself, as the page has them."""
    found = {}
    for row in rows:
        row.pop("for_s", None)
        row.get("shelved", {}).pop("for_s", None)
        found[row["rule"]] = row
    return found


@pytest.mark.parametrize("seed", range(4))
def test_what_is_kept_up_to_date_is_what_a_walk_over_all_rules_would_find(seed):
    """Whatever happens to six hundred rules: steps at once, what moves without one within some looks."""
    dice, watching = random.Random(seed), Watching()
    engine, clock = plant(600, gate=gate("T0 < 1000"), acknowledge=True)
    names = list(engine.runs)
    for _ in range(40):
        clock.now += dice.choice([SECOND // 2, SECOND, 8 * SECOND])
        for name in dice.sample(names, 30):
            match dice.randrange(6):
                case 0 | 1:
                    show(engine, clock, reading(name, dice.choice([100, 171, 190]), clock))
                case 2:
                    show(engine, clock, reading(name, None, clock, Quality.BAD))
                case 3:
                    show(
                        engine,
                        clock,
                        Command(name, Action.SHELVE, clock.now, "anna", "seal", clock.now + 20 * SECOND),
                    )
                case 4:
                    show(engine, clock, Command(name, Action.ACKNOWLEDGE, clock.now, "anna", ""))
                case 5:
                    show(engine, clock, Link("plc", up=dice.random() < 0.9, at=clock.now, reason="gone"))
        watching.look(engine, clock.now, OFFSET)
        assert watching.open.table.keys() == timeless(open_alarms(engine, clock)).keys()
    for _ in range(40):  # without a step since
        watching.look(engine, clock.now, OFFSET)
    bare = {
        name: {key: each for key, each in row.items() if key not in ("message", "response")}
        for name, row in watching.open.table.items()
    }
    assert bare == timeless(open_alarms(engine, clock))
    walked = timeless(unwatched(engine, clock))
    assert len(watching.unwatched) == len(walked)
    assert all(walked[name] == row for name, row in watching.unwatched.table.items())
    assert len(watching.unwatched.table) == min(len(walked), 500)


def test_of_many_alarms_the_most_urgent_are_shown():
    """Five hundred, and how many there are: the critical ones, whichever was raised first."""
    engine, clock = plant(700)
    watching = Watching()
    watching.look(engine, clock.now, OFFSET)
    assert (len(watching.open), len(watching.unwatched), len(watching.unwatched.table)) == (0, 700, 500)
    show(engine, clock, *(reading(name, 190 if int(name[1:]) >= 650 else 171, clock) for name in engine.runs))
    watching.look(engine, clock.now, OFFSET)
    assert (len(watching.open), len(watching.open.table), len(watching.unwatched)) == (700, 500, 0)
    assert {f"T{number}" for number in range(650, 700)} <= watching.open.table.keys()


def read_all(engine, clock, value=100):
    show(engine, clock, *(reading(name, value, clock) for name in engine.runs))


def test_what_a_person_does_is_there_at_the_next_look():
    """Among two thousand rules, of which a look takes but some in turn."""
    engine, clock = plant(2000)
    read_all(engine, clock)
    watching = Watching()
    watching.look(engine, clock.now, OFFSET)
    watching.look(engine, clock.now, OFFSET)
    show(engine, clock, Command("T1999", Action.SHELVE, clock.now, "anna", "seal", clock.now + 60 * SECOND))
    watching.look(engine, clock.now, OFFSET)
    assert watching.unwatched.table["T1999"]["why"] == ["shelved"]
    show(engine, clock, Command("T1999", Action.UNSHELVE, clock.now, "anna", ""))
    watching.look(engine, clock.now, OFFSET)
    assert watching.unwatched.table == {}


def test_a_reload_a_clock_that_is_set_and_a_long_look_away_begin_anew():
    """Nothing of the former rules is left, every stamp has moved, and what went stale unseen is there at once."""
    engine, clock = plant(300)
    watching = Watching()
    watching.look(engine, clock.now, OFFSET)
    other, _ = plant(200)
    read_all(other, clock, 171)
    watching.look(other, clock.now, OFFSET)
    assert (watching.unwatched.table, len(watching.open.table)) == ({}, 200)
    before = watching.open.table
    watching.look(other, clock.now, OFFSET + SECOND)
    assert all(row["since"] > before[name]["since"] for name, row in watching.open.table.items())

    engine, _ = plant(1000)
    read_all(engine, clock)
    watching.look(engine, clock.now, OFFSET)
    clock.now += 3600 * SECOND
    watching.look(engine, clock.now, OFFSET)
    assert len(watching.unwatched) == 1000


# --- what has not changed, and the configuration --------------------------------------------------------------


def test_what_says_the_same_is_the_very_object_of_before():
    """The table, and beside a row that has changed all others: they are not looked into again."""
    before = {"a": {"n": 1}, "b": {"n": 2}}
    assert kept(before, {"a": {"n": 1}, "b": {"n": 2}}) is before
    after = kept(before, {"a": {"n": 1}, "b": {"n": 3}})
    assert after == {"a": {"n": 1}, "b": {"n": 3}}
    assert after["a"] is before["a"]


def test_errors_come_before_warnings_and_each_refusal_is_shown(tmp_path):
    """Of three hundred problems two hundred, none of the errors left out; a second refusal is another row."""
    file = tmp_path / "plant.yaml"
    file.write_text(HEAD)
    configuration, in_force = load(file), InForce()
    warnings = [Problem("f", line, 1, "w", "warning") for line in range(300)]
    reloader = SimpleNamespace(path=file, loaded=1, rejected_at=0, rejected=(), problems=())

    def row():
        return in_force.look(configuration, reloader, 0)["configuration"]

    assert row() is row()
    reloader.rejected, reloader.problems, reloader.rejected_at = (
        ["e"],
        [*warnings, Problem("f", 300, 1, "e")],
        5,
    )
    problems = row()["problems"]
    assert (len(problems), problems[0]["text"], problems[1]["line"]) == (200, "e", 0)
    reloader.problems, reloader.rejected_at = [Problem("f", 7, 1, "another")], 6
    assert [each["line"] for each in row()["problems"]] == [7]
    reloader.rejected, reloader.loaded = (), SECOND
    assert (row()["refused"], row()["loaded"]) == (False, "1970-01-01T00:00:01.000Z")
    reloader.loaded = 2 * SECOND  # nothing was changed, and it was found good again
    assert row()["loaded"] == "1970-01-01T00:00:02.000Z"
