"""The operator's hand on a real agent: what a person did survives a kill, and receivers learn who and why."""

import asyncio
import json
import sys
from datetime import datetime
from getpass import getuser

from rigs.agent_process import ROOT, until
from rigs.small_plant import alarm, play, small_plant

ME = getuser()
RULES = """
rules:
  latched: {tag: H, high: 50, latch: true, acknowledge: true, priority: high}
  word: {tag: H, bits: {6: overload, 7: emergency stop}}
"""


async def operated(agent):
    """Rules for a person to operate, beside `H-high`."""
    agent.write(more=RULES)
    await good(agent, "reload")


async def good(agent, *words):
    """The command's output; it must succeed and complain of nothing."""
    status, output, errors = await agent.command(*words)
    assert (status, errors) == (0, ""), (words, status, errors)
    return output


async def happened(agent):
    """The events so far; how far they are delivered is another matter."""
    return [event["id"] for event in await agent.ask("/api/events")]


async def refused(agent, *words):
    """Why the agent does not do it; nothing may have come of it."""
    before = await happened(agent)
    status, output, errors = await agent.command(*words)
    assert (status, output) == (1, ""), words
    assert await happened(agent) == before
    return errors.removeprefix("edge-relay: ").rstrip()


async def arrived(receiver, agent, kind, rule):
    """What a receiver was told of the newest event of this kind."""

    def found():
        return [e["data"] for e in receiver.of_type("/", f"alarm.{kind}") if e["data"]["instance"] == rule]

    return (await until(found, agent.log))[-1]


async def rows(agent):
    """What `alarms --all` tells, by rule."""
    return {
        row["rule"]: row
        for row in map(json.loads, (await good(agent, "alarms", "--all", "--jsonl")).splitlines())
    }


async def told_of(receiver, rule):
    return [e["type"].partition(".")[2] for e in receiver.events("/") if e["data"].get("instance") == rule]


async def shelved(folder):
    """A shelf survives a kill: what is raised meanwhile is told when it ends, and not before."""
    async with small_plant(folder) as (plc, receiver, agent):
        await operated(agent)
        assert "H-high is shelved for 2 h" in await good(
            agent, "shelve", "H-high", "--for", "2h", "--reason", "seal change", "--by", "anna"
        )
        event = await arrived(receiver, agent, "shelved", "H-high")
        assert (event["by"], event["reason"], event["for_s"]) == (f"anna ({ME})", "seal change", 7200)
        before = (await rows(agent))["H-high"]["shelved"]
        await agent.kill()
        plc.added = 100
        await agent.start()
        await arrived(receiver, agent, "raised", "latched")  # of the same register
        row = (await rows(agent))["H-high"]
        assert (row["why"], row["level"]) == (["shelved"], "high")
        assert abs(moment(row["shelved"]["until"]) - moment(before["until"])) < 1
        assert "seal change" in await good(agent, "alarms", "--all")
        assert "nothing would be told of 1 rule now" in await good(agent, "alarms")
        assert await told_of(receiver, "H-high") == ["shelved"]

        assert await good(agent, "unshelve", "H-high") == "H-high is not shelved any more\n"
        assert (await arrived(receiver, agent, "unshelved", "H-high"))["by"] == ME
        await arrived(receiver, agent, "raised", "H-high")
        assert await told_of(receiver, "H-high") == ["shelved", "unshelved", "raised"]


async def ended(folder):
    """A shelf ends on time by itself, and says so."""
    async with small_plant(folder) as (_, receiver, agent):
        await good(agent, "shelve", "H-high", "--for", "1500ms", "--reason", "a try")
        event = await arrived(receiver, agent, "unshelved", "H-high")
        assert event["reason"] == "expired"
        assert "by" not in event
        stamps = [moment(e["timestamp"]) for e in receiver.of_type("/", "alarm.shelved", "alarm.unshelved")]
        assert abs(stamps[1] - stamps[0] - 1.5) < 0.01
        assert (await good(agent, "alarms")).strip() == "no alarm is open"


async def followed(folder):
    """Who follows the events sees each once, in order, through a kill of the agent, and is told when it was away."""
    async with small_plant(folder) as (plc, receiver, agent):
        following = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent", "events", "--follow", "--jsonl", "-c", str(agent.folder)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            seen = [json.loads(await following.stdout.readline())]
            await alarm(plc, receiver)
            await agent.kill()
            assert b"the agent is away" in await following.stderr.readline()
            await agent.start()
            assert b"the agent is back" in await following.stderr.readline()
            await alarm(plc, receiver)
            newest = (await agent.status())["store"]["seq"]
            while seen[-1]["seq"] < newest:
                seen.append(json.loads(await following.stdout.readline()))
        finally:
            following.terminate()
            await following.communicate()

        assert [event["seq"] for event in seen] == [*range(seen[0]["seq"], newest + 1)]
        assert [event["type"] for event in seen].count("alarm.raised") == 2
        assert "--jsonl has an event a line" in await refused(agent, "events", "--follow", "--json")


async def latched(folder):
    """Seen, gone, reset, in this order only; what was seen is not forgotten by a kill."""
    async with small_plant(folder) as (plc, receiver, agent):
        await operated(agent)
        assert "there is nothing to acknowledge" in await refused(agent, "ack", "latched")
        plc.added = 100
        await arrived(receiver, agent, "raised", "latched")
        assert "still active" in await refused(agent, "reset", "latched")
        assert await good(agent, "ack", "latched", "--reason", "on my way") == "latched is acknowledged\n"
        event = await arrived(receiver, agent, "acknowledged", "latched")
        assert (event["by"], event["reason"]) == (ME, "on my way")
        assert await refused(agent, "ack", "latched") == f"latched was acknowledged by {ME} already"
        await agent.kill()
        plc.added = 0
        await agent.start()
        assert (await arrived(receiver, agent, "returned", "latched"))["open"] is True
        row = (await rows(agent))["latched"]
        assert (row["level"], row["needs"], row["acknowledged_by"]) == ("normal", "reset", ME)
        assert await good(agent, "reset", "latched") == "latched is reset\n"
        assert (await arrived(receiver, agent, "reset", "latched"))["by"] == ME
        assert "latched" not in await rows(agent)


async def named(folder):
    """An id stands for all of its instances; a slip is named with what was meant, and nothing is done."""
    async with small_plant(folder) as (plc, receiver, agent):
        await operated(agent)
        assert await refused(agent, "ack", "latched", "word/emergncy stop") == (
            "there is no rule word/emergncy stop: did you mean `word/emergency stop`?"
        )
        plc.added = 64  # bit 6 of 65
        await arrived(receiver, agent, "raised", "word/overload")
        assert await good(agent, "ack", "word") == "word/overload is acknowledged\n"
        assert "word: none of 2 can be" in await refused(agent, "ack", "word")
        done = await good(agent, "out-of-service", "word", "--reason", "being rewired")
        assert done == "word/overload is out of service\nword/emergency stop is out of service\n"
        await agent.kill()
        await agent.start()
        assert (await rows(agent))["word/emergency stop"]["out_of_service"] == f"being rewired ({ME})"
        plc.added = 191  # bits 6 and 7 of 192
        await until(lambda: agent.is_up("healthy"), agent.log)
        assert "word/emergency stop is in service" in await good(agent, "in-service", "word/emergency stop")
        await arrived(receiver, agent, "raised", "word/emergency stop")
        assert {"H-high", "latched"} <= set((await good(agent, "ack", "--all")).split())
        assert await good(agent, "ack", "--all") == "nothing to do\n"
        assert (await agent.command("ack"))[0] == 2
        assert (await agent.command("shelve", "word", "--for", "2h"))[0] == 2, "no reason"


def moment(stamp):
    return datetime.fromisoformat(stamp).timestamp()


async def test_the_operators_hand(tmp_path):
    """Each scenario with an agent, a PLC and a receiver of its own."""
    await play(tmp_path, (shelved, ended, latched, named, followed))
