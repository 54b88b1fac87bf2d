"""The commands against a real agent, and against what it left on disk."""

import asyncio
import json

import pytest
from rigs.agent_process import until
from rigs.small_plant import alarm, alarms, play, small_plant

from agent.cli import main

REFUSING = {"webhook-delivery": "abort-message"}


async def good(agent, *words):
    """The command's output; it must succeed and complain of nothing."""
    status, output, errors = await agent.command(*words)
    assert (status, errors) == (0, ""), (words, status, errors)
    return output


async def monitored(folder):
    """Health, readiness, life and metrics for whom asks on loopback by its name; SIGTERM ends it within 5 s."""
    async with small_plant(folder) as (plc, receiver, agent):
        await alarm(plc, receiver)
        for path in ("/health", "/ready", "/live"):
            status, text = await agent.get(path)
            more = {"warnings": []} if path == "/health" else {}
            assert (status, json.loads(text)) == (200, {"status": "ok", "problems": []} | more)
        assert await agent.metric("edge_relay_readings_total", source="healthy") > 0
        assert await agent.metric("edge_relay_source_up", source="healthy") == 1
        assert (
            await agent.metric("edge_relay_delivery_attempts_total", destination="cloud", answer="2xx") >= 2
        )
        for path in ("/health", "/metrics", "/live", "/ready"):
            status, text = await agent.get(path, Host=f"evil.example:{agent.port}")
            assert status == 421
            assert "edge_relay" not in text
        assert await agent.stop() <= 5
        assert not (agent.folder / "data" / "control.sock").exists()


async def listed(folder):
    """Status and events for people and for scripts, of a running agent and of one that has stopped."""
    async with small_plant(folder) as (plc, receiver, agent):
        await alarm(plc, receiver)
        sent = [event["data"]["id"] for event in alarms(receiver)]
        status = json.loads(await good(agent, "status", "--json"))
        assert (status["problems"], status["sources"]["healthy"]["state"]) == ([], "up")
        assert status["destinations"]["cloud"]["delivered"] >= 2
        assert "dresden/line-4" in await good(agent, "status")
        running = json.loads(await good(agent, "events", "--json", "--type", "alarm."))
        assert [event["id"] for event in running] == sent
        assert [event["type"] for event in running] == ["alarm.raised", "alarm.returned"]
        assert [each["destination"] for event in running for each in event["deliveries"]] == ["cloud"] * 2
        assert all(
            "H-high" in line for line in (await good(agent, "events", "--type", "alarm.")).splitlines()[1:]
        )
        await agent.stop()

        exit_status, output, errors = await agent.command("status")
        assert (exit_status, output) == (1, "")
        assert "no agent is running with the data directory" in errors
        lines = (await good(agent, "events", "--jsonl", "--type", "alarm.")).splitlines()
        assert [json.loads(line)["id"] for line in lines] == sent
        assert [each["state"] for line in lines for each in json.loads(line)["deliveries"]] == [
            "delivered"
        ] * 2


async def dead_letters(folder):
    """List, show, resend and drop: with the agent, and on what it left; the webhook-id stays."""
    async with small_plant(folder) as (plc, receiver, agent):
        first, second, third, fourth = await refused_alarms(plc, receiver, agent)
        show = json.loads(await good(agent, "deadletters", "show", "cloud", str(first["seq"]), "--json"))
        assert (show["attempts"][-1]["status"], show["state"]) == (400, "dead")
        assert json.loads(show["body"])["data"]["previous"] == show["previous"]
        assert "answered 400 after" in await good(agent, "deadletters", "show", first["id"])
        exit_status, _, errors = await agent.command("deadletters", "drop", "--reason", "the receiver asked")
        assert (exit_status, "4 dead letters would be given up for good; --yes" in errors) == (2, True)
        assert await good(agent, "deadletters", "resend", "--seq", str(first["seq"])) == "1 resent\n"
        await until(lambda: first["id"] in receiver.kept["/"], agent.log)
        assert json.loads(receiver.kept["/"][first["id"]][0])["data"]["late"] is True
        assert await good(agent, "deadletters", "drop", "--seq", str(second["seq"])) == "1 dropped\n"
        assert (await agent.command("deadletters", "show", "cloud", "999"))[0] == 1
        assert (await agent.command("deadletters", "resend"))[0] == 2, "which ones?"
        await agent.stop()

        left = json.loads(await good(agent, "deadletters", "list", "--json"))
        assert [letter["seq"] for letter in left] == [third["seq"], fourth["seq"]]
        assert (
            json.loads(await good(agent, "deadletters", "show", "cloud", str(third["seq"]), "--json"))[
                "state"
            ]
            == "dead"
        )
        assert await good(agent, "deadletters", "drop", "--seq", str(fourth["seq"])) == "1 dropped\n"
        assert await good(agent, "deadletters", "resend", "--all") == "1 resent\n"
        assert await good(agent, "deadletters", "list") == "no dead letters\n"
        await agent.start()
        await until(lambda: third["id"] in receiver.kept["/"], agent.log)
        assert not {second["id"], fourth["id"]} & set(receiver.kept["/"])


async def refused_alarms(plc, receiver, agent):
    """Four events that the receiver never wants to see again; they are dead letters."""
    await until(lambda: receiver.of_type("/", "agent.started"), agent.log)
    receiver.behave, receiver.headers = (lambda event: 400), REFUSING
    for dead, added in enumerate((100, 0, 100, 0), 1):
        plc.added = added
        await until(lambda dead=dead: has_dead(agent, dead), agent.log)
    receiver.behave, receiver.headers = (lambda event: 204), {}
    letters = json.loads(await good(agent, "deadletters", "list", "--json"))
    assert [letter["type"] for letter in letters] == ["alarm.raised", "alarm.returned"] * 2
    return letters


async def has_dead(agent, number):
    return (await agent.status())["store"]["dead"] == number


async def reloaded(folder):
    """A changed limit counts at once; a wrong file is refused with its place, and the old rules go on."""
    async with small_plant(folder) as (plc, receiver, agent):
        file = agent.folder / "healthy.yaml"
        text = file.read_text()
        assert "nothing changed" in await good(agent, "reload")
        file.write_text(text.replace("high: 50", "high: 500"))
        assert "reloaded" in await good(agent, "reload")
        [told] = await until(lambda: receiver.of_type("/", "agent.config_reloaded"), agent.log)
        assert "H-high" in json.dumps(told["data"]["changed"])
        plc.added = 100
        await asyncio.sleep(0.5)
        assert not alarms(receiver), "the new limit"

        file.write_text(text.replace("high: 50", "hihg: 50"))
        status, output, errors = await agent.command("reload")
        assert (status, output) == (1, "")
        assert f"{file}:5:20: error: rule H-high: unknown key `hihg`: did you mean `high`?" in errors
        assert "the old configuration goes on" in errors
        [told] = await until(lambda: receiver.of_type("/", "agent.config_rejected"), agent.log)
        assert "hihg" in told["data"]["problems"][0]
        plc.added = 1000
        await until(lambda: alarms(receiver), agent.log)
        assert alarms(receiver)[0]["data"]["limit"] == 500, "the old rules"


async def enabled(folder):
    """A receiver that answered 410 is left alone, /health says so, until a person enables it; nothing is lost."""
    async with small_plant(folder) as (plc, receiver, agent):
        await until(lambda: receiver.of_type("/", "agent.started"), agent.log)
        receiver.behave = lambda event: 410
        plc.added = 100
        await until(lambda: agent.said("destination cloud is disabled"), agent.log)
        status, text = await agent.get("/health")
        assert status == 503
        assert "destination cloud is disabled" in text
        attempts, receiver.behave = receiver.attempts["/"], lambda event: 204
        plc.added = 0
        await asyncio.sleep(0.5)
        assert (receiver.attempts["/"], alarms(receiver)) == (attempts, [])
        assert (await agent.command("enable", "destination:clod"))[0] == 1
        assert await good(agent, "enable", "destination:cloud") == "cloud is enabled\n"
        await until(lambda: len(alarms(receiver)) == 2, agent.log)
        await until(agent.healthy, agent.log)
        assert len(agent.said("destination cloud is disabled")) == 1
        await paused_and_replayed(plc, receiver, agent)


async def paused_and_replayed(plc, receiver, agent):
    """What is for a paused destination waits over a kill, comes in order when it is resumed, and is replayed later."""
    before = [event["data"]["id"] for event in alarms(receiver)]
    assert "paused until somebody resumes it" in await good(
        agent, "pause", "destination:cloud", "--by", "anna"
    )
    plc.added = 100
    await until(lambda: waits(agent, 1), agent.log)
    await agent.kill()
    plc.added = 0
    await agent.start()
    status, text = await agent.get("/health")
    assert (status, "destination cloud is paused by anna" in json.loads(text)["warnings"][0]) == (200, True)
    await until(lambda: waits(agent, 2), agent.log)
    assert [event["data"]["id"] for event in alarms(receiver)] == before
    assert "is sent to again" in await good(agent, "resume", "destination:cloud")
    await until(lambda: len(alarms(receiver)) == 4, agent.log)
    assert [event["type"] for event in alarms(receiver)] == ["alarm.raised", "alarm.returned"] * 2
    assert [len(bodies) for bodies in receiver.kept["/"].values()] == [1] * len(receiver.kept["/"])
    await until(lambda: waits(agent, 0), agent.log)
    words = ("replay", "--since", "1h", "--destination", "cloud", "--type", "alarm.*")
    told = await good(agent, *words, "--yes")
    assert (told.startswith("cloud: 4 events, of "), told.endswith("4 replayed\n")) == (True, True)
    ids = [event["data"]["id"] for event in alarms(receiver)]
    await until(lambda: all(len(receiver.kept["/"][id_]) == 2 for id_ in ids), agent.log)
    assert all(json.loads(receiver.kept["/"][id_][1])["data"]["late"] is True for id_ in ids)


async def waits(agent, number):
    """So many alarms, at the least, have no outcome; 0: nothing at all."""
    waiting = (await agent.status())["store"]["waiting"]
    if not number:
        return waiting == 0
    return len(await agent.ask("/api/events?type=alarm.&state=pending")) >= number


async def test_commands(tmp_path):
    """Each does what it says with a running agent, and what it can without one."""
    await play(tmp_path, (monitored, listed, dead_letters, reloaded, enabled))


@pytest.mark.parametrize("words", [["frobnicate"], ["status", "--frobnicate"]])
def test_what_is_no_command_is_usage(words, capsys):
    """Status 2 and the usage, on stderr."""
    with pytest.raises(SystemExit) as end:
        main(words)

    output, errors = capsys.readouterr()
    assert (end.value.code, output) == (2, "")
    assert "usage: edge-relay" in errors
