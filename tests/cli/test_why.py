"""`why` and `test --from-event` as commands: times as people write them, and a real agent that is asked."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from rigs.agent_process import AgentProcess, command, quiet_port, until

from agent.cli import main
from agent.cli.from_event import made
from agent.cli.why import instance, interval, moment, show
from agent.errors import EdgeRelayError
from agent.model import SECOND
from agent.proving.why import Why

NOW = round(datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()) * SECOND
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = 60 * SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12:30", datetime(2026, 11, 21, 11, 30, tzinfo=UTC)),
        ("14:05", datetime(2026, 11, 20, 13, 5, tzinfo=UTC)),
        ("12:30:05", datetime(2026, 11, 21, 11, 30, 5, tzinfo=UTC)),
        ("2026-11-21T10:00", datetime(2026, 11, 21, 9, 0, tzinfo=UTC)),
        ("2026-11-21T10:00Z", datetime(2026, 11, 21, 10, 0, tzinfo=UTC)),
        ("10m ago", datetime(2026, 11, 21, 11, 50, tzinfo=UTC)),
        ("1h30m", datetime(2026, 11, 21, 10, 30, tzinfo=UTC)),
    ],
)
def test_times_as_people_write_them(text, expected):
    """A clock time is the last one, in the agent's zone."""
    assert moment(text, NOW, BERLIN) == round(expected.timestamp()) * SECOND


def test_a_time_that_is_none():
    """The forms that are understood."""
    with pytest.raises(ValueError, match=r"'noon': expected 14:05, 2026-11-21T14:05, or 10m \(ago\)"):
        moment("noon", NOW, BERLIN)


@pytest.mark.parametrize(
    ("at", "last", "expected"),
    [
        (None, None, (NOW - 10 * MINUTE, NOW)),
        (None, 60 * MINUTE, (NOW - 60 * MINUTE, NOW)),
        ("1h", None, (NOW - 65 * MINUTE, NOW - 55 * MINUTE)),
        ("1m", None, (NOW - 6 * MINUTE, NOW)),
        ("1h", 30 * MINUTE, (NOW - 90 * MINUTE, NOW - 60 * MINUTE)),
    ],
)
def test_what_is_looked_at(at, last, expected):
    """Around a time, before it, or the last minutes; never the future."""
    assert interval(at, last, NOW, UTC) == expected


def test_a_flood_of_differences_fits_a_screen(capsys):
    """The first ones say what it is about; the rest are counted."""
    show(Why("R", 0, SECOND, "R did not raise", (), (), (), tuple(map(str, range(40)))), UTC)

    assert capsys.readouterr().out.splitlines()[-2:] == [
        "  5",
        "  and 34 more: ask for a shorter interval, or --json",
    ]


def test_which_instance_is_meant():
    """A rule of several instances asks for one; a slip is guessed at."""
    rules = [
        SimpleNamespace(name=name, rule=rule)
        for name, rule in (("R", ""), ("P/1", "P"), ("P/2", "P"), ("Q/1", "Q"))
    ]
    configuration = SimpleNamespace(rules=rules)

    assert [instance(name, configuration) for name in ("R", "P/2", "Q")] == ["R", "P/2", "Q/1"]
    with pytest.raises(EdgeRelayError, match="P has 2 instances, name one: P/1, P/2"):
        instance("P", configuration)
    with pytest.raises(EdgeRelayError, match="there is no rule P/3: did you mean `P/"):
        instance("P/3", configuration)


def test_an_id_tells_when_it_was_made():
    """And what is no id is a sentence."""
    assert made("evt_01a1fe15-dfd7-7375-9b73-882785c52566") == 1_795_264_208_855 * 1_000_000
    with pytest.raises(EdgeRelayError, match="evt_1 is no id of an event"):
        made("evt_1")


CONFIGURATION = """
agent: {{site: dresden, name: line-4, data_dir: data, zone: Europe/Berlin}}
http: {{listen: "127.0.0.1:{port}"}}
sources:
  plant:
    type: simulated
    every: 50ms
    tags:
      T: {{signal: steps, values: [20, 60, 61.5, 20, 20, 20], period: 2s, unit: °C}}
rules:
  short: {{tag: T, high: 50, on_delay: 300ms, off_delay: 200ms}}
  long: {{tag: T, high: 50, on_delay: 60s}}
"""


async def alarm_of(agent):
    """The first alarm that was raised after the plant had been seen for a while, once it has returned."""

    async def over_twice():
        return await agent.metric("edge_relay_events_total", type="alarm.returned") > 1

    async def found():
        _, output, _ = await agent.command("events", "--json", "--rule", "short")
        rows = json.loads(output)
        raised = [row for row in rows if row["type"] == "alarm.raised"]
        over = [row for row in rows if row["type"] == "alarm.returned"]
        return raised[-2] if len(raised) > 1 and len(over) > 1 else None

    await until(over_twice, agent.log)  # asked of its page: a command takes half a second of the processor
    return await until(found, agent.log)


async def test_a_real_agent_is_asked_why(tmp_path):
    """Beside the agent, after a kill, and after a stop: the answer agrees with what was sent, and the test passes."""
    async with AgentProcess(tmp_path / "a", quiet_port()) as agent:
        agent.write(all=CONFIGURATION.format(port=agent.port))
        await agent.start()
        event = await alarm_of(agent)

        status, output, errors = await agent.command("why", "short", "--json")
        answer = json.loads(output)
        assert (status, errors, answer["differences"]) == (0, "", [])
        assert answer["answer"].startswith("short raised at ")
        assert event["timestamp"] in [told["time"] for told in answer["events"]]
        status, output, errors = await agent.command("why", "long", "--last", "1m")
        assert (status, errors) == (0, "")
        assert output.startswith("long did not raise between ")
        assert "T went beyond its high limit 50 °C, reached 61.5 °C; it lasted for" in output
        assert "on_delay is 1 min, 59" in output or "on_delay is 1 min, 58" in output

        file = tmp_path / "made.yaml"
        status, output, errors = await agent.command("test", "--from-event", event["id"], "-o", str(file))
        assert (status, errors) == (0, "")
        assert f"# alarm.raised of short, {event['id']}" in file.read_text()
        assert 'raised: "short high"' in file.read_text()
        status, output, errors = await command("test", str(file), "--crash-everywhere")
        assert (status, errors) == (0, ""), output

        await agent.kill()
        status, output, errors = await agent.command("why", "short", "--last", "1h", "--json")
        assert (status, errors) == (0, "")
        assert event["timestamp"] in [told["time"] for told in json.loads(output)["events"]]

        await agent.start()
        await until(lambda: agent.is_up("plant"), agent.log)
        await agent.stop()
        status, output, errors = await agent.command("why", "short", "--last", "1h")
        assert (status, errors) == (0, "")
        assert "no samples: the agent did not run" in output
        assert "what was sent differs" not in output


def test_mistakes_are_sentences(tmp_path, capsys):
    """Status 1 or 2, one line on stderr, no traceback."""
    (tmp_path / "all.yaml").write_text(CONFIGURATION.format(port=28_471))
    for words, status, text in (
        (("why", "shrot"), 1, "there is no rule shrot: did you mean `short`?"),
        (("why", "short"), 1, "no samples are kept: there is no"),
        (("why", "short", "--at", "noon"), 2, "expected 14:05"),
        (("test", "--from-event", "evt_1"), 1, "evt_1 is no id of an event"),
        (("test",), 2, "which FILE of unit tests?"),
    ):
        try:
            got = main([*words, "-c", str(tmp_path)])
        except SystemExit as end:
            got = end.code
        output, errors = capsys.readouterr()
        assert (got, output, len(errors.splitlines())) == (status, "", 1), (words, errors)
        assert text in errors
