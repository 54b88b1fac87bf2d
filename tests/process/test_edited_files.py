"""An engineer edits the files of a running agent: nobody asks for a reload, and nobody restarts anything."""

import json

from rigs.agent_process import until
from rigs.small_plant import alarms, small_plant

ACCEPTED = "edge_relay_configuration_accepted"


async def warned(agent):
    """The warnings of /health, which stays good."""
    status, text = await agent.get("/health")
    assert status == 200, text
    return json.loads(text)["warnings"]


async def accepted(agent):
    """What monitoring can make an alert of."""
    _, text = await agent.get("/metrics")
    return [line for line in text.splitlines() if line.startswith(ACCEPTED)]


async def test_files_are_edited_under_a_running_agent(tmp_path):
    """Accepted, then broken, then mended: what counts is always the latest good one, and a broken one is told everywhere."""
    async with small_plant(tmp_path) as (plc, receiver, agent):
        file = agent.folder / "healthy.yaml"
        text = file.read_text()

        def save(changed):
            """As editors do: written beside it, renamed over it."""
            new = agent.folder / ".healthy.yaml.new"
            new.write_text(changed)
            new.rename(file)

        agent.write(watch="watch: true")
        assert await agent.command("reload") == (0, "section watch: null -> true\nreloaded\n", "")
        save(text.replace("high: 50", "high: 500"))
        changed = {"rule": "H-high", "key": "high", "from": 50, "to": 500}
        await until(lambda: any(e["data"]["changed"] == [changed] for e in reloaded(receiver)), agent.log)
        assert (await warned(agent), await accepted(agent)) == ([], [f"{ACCEPTED} 1.0"])

        save(text.replace("high: 50", "hihg: 50"))
        [warning] = await until(lambda: warned(agent), agent.log)
        place = f"{file}:5:20: error: rule H-high: unknown key `hihg`"
        assert place in warning
        assert await accepted(agent) == [f"{ACCEPTED} 0.0"]
        exit_status, output, _ = await agent.command("status")
        assert (exit_status, place in output) == (0, True), output
        [told] = await until(lambda: receiver.of_type("/", "agent.config_rejected"), agent.log)
        assert place in told["data"]["problems"][0]
        plc.added = 1000
        await until(lambda: alarms(receiver), agent.log)
        assert alarms(receiver)[0]["data"]["limit"] == 500, "the old rules go on"

        save(text.replace("high: 50", "high: 2000"))
        await until(lambda: len(alarms(receiver)) == 2, agent.log)
        await until(lambda: good(agent), agent.log)
        assert alarms(receiver)[1]["data"]["reason"] == "rule_changed"
        assert len(receiver.of_type("/", "agent.config_rejected")) == 1, (
            "loaded again only when it changed again"
        )
        assert await accepted(agent) == [f"{ACCEPTED} 1.0"]
        assert "refused" not in (await agent.command("status"))[1]


def reloaded(receiver):
    return receiver.of_type("/", "agent.config_reloaded")


async def good(agent):
    return not await warned(agent)
