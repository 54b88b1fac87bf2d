"""An open page of a real agent: it shows what the plant does, and stops nobody."""

import json
from urllib.parse import quote

from rigs.agent_process import until
from rigs.live import pages
from rigs.small_plant import HEALTHY, small_plant

PAGES = 10
MORE = "  second: {{type: modbus, url: {plc}, poll_every: 50ms, tags: {{S: {{area: holding, offset: 2, type: uint16}}}}}}\nrules:"


async def test_an_open_page_shows_what_the_plant_does(tmp_path):
    """Values, an alarm, a tag that a reload brings, a PLC that is lost; at the stop it is let go at once."""
    async with small_plant(tmp_path) as (plc, _, agent), pages(agent.port, PAGES) as opened:
        told, task = opened[0]
        await until(lambda: told.tables and told.tables["values"].get("H", {}).get("value") == 1, agent.log)
        assert {"agent", "tags", "alarms", "sources", "destinations", "events"} <= told.tables.keys()

        plc.added = 100
        await until(lambda: told.tables["values"]["H"]["value"] == 101 and told.tables["alarms"], agent.log)

        healthy = HEALTHY.replace("rules:", MORE.rstrip("\n"))
        agent.write(healthy=healthy.format(plc=plc.url))
        assert (await agent.command("reload"))[0] == 0
        await until(lambda: told.tables["values"].get("S", {}).get("value") == 102, agent.log)
        agent.write(healthy=HEALTHY.format(plc=plc.url))
        assert (await agent.command("reload"))[0] == 0
        await until(lambda: "S" not in told.tables["values"], agent.log)

        names = quote(json.dumps(["H", "S"]))
        status, trends = await agent.get(f"/api/trends?tags={names}")
        assert (status, json.loads(trends)["every_s"]) == (200, 10)
        assert json.loads(trends)["trends"].keys() <= {"H"}

        await plc.stop()

        def lost(page):
            row, source = page.tables["values"]["H"], page.tables["sources"]["healthy"]
            return row["quality"] == "bad" and row["value"] is None and row["reason"] == source["reason"]

        await until(lambda: all(lost(page) for page, _ in opened), agent.log)
        took = await agent.stop()
        await until(task.done, "the stream ends")
        assert (took < 5, task.exception()) == (True, None)
