"""`edge-relay audit` and `edge-relay inbound`: the same answer of a running agent and of the store that it left."""

import asyncio
import json

from rigs.acting import PLANT, plant
from rigs.agent_process import AgentProcess
from rigs.modbus_server import ModbusServer
from rigs.signed import SECRET

from agent.cli import main
from agent.cli.opened import opened_desk
from agent.config.agent_section import load_agent


async def played(tmp_path):
    """A written value, a refused one, and an alarm that is not open."""
    (tmp_path / "data").mkdir()
    async with ModbusServer() as plc, plant(tmp_path / "data", plc) as here:
        await here.send(identity="msg_1", tag="speed", value=12.5)
        await here.outcome("msg_1")
        await here.send(identity="msg_2", tag="speed", value=1000)
        await here.outcome("msg_2")
        await here.send("ack", "msg_3", rule="quiet")
        await here.outcome("msg_3")
    text = PLANT.format(url=plc.url, secret=SECRET, timeout="1s")
    (tmp_path / "plant.yaml").write_text(f'{text}http: {{listen: "127.0.0.1:0"}}\n')


def test_a_table_says_who_asked_for_what_and_what_became_of_it(tmp_path, capsys):
    """And its filters choose."""
    asyncio.run(played(tmp_path))
    assert main(["audit", "-c", str(tmp_path)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == [
        "time",
        "outcome",
        "action",
        "target",
        "old",
        "new",
        "relay",
        "message",
        "sender",
        "reason",
    ]
    assert "done" in rows[1]
    assert "12.5" in rows[1]
    assert "1000 is outside of [0, 100]" in rows[2]
    assert "quiet has no open alarm" in rows[3]

    assert main(["audit", "-c", str(tmp_path), "--target", "speed", "--outcome", "done", "--json"]) == 0
    [line] = json.loads(capsys.readouterr().out)
    assert (line["id"], line["old"], line["new"]) == ("msg_1", 10.0, 12.5)
    assert main(["audit", "-c", str(tmp_path), "--outcome", "unknown"]) == 0
    assert capsys.readouterr().out == "nothing of the kind was asked for\n"
    assert main(["audit", "-c", str(tmp_path), "--since", "2999-01-01"]) == 0
    assert capsys.readouterr().out == "nothing of the kind was asked for\n"


def test_the_messages_are_listed_with_where_each_stands(tmp_path, capsys):
    """The newest last."""
    asyncio.run(played(tmp_path))
    assert main(["inbound", "-c", str(tmp_path), "--limit", "2"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["time", "relay", "message", "type", "route", "state", "outcome", "reason"]
    assert [row.split()[3:8] for row in rows] == [
        ["msg_2", "set", "set", "settled", "rejected"],
        ["msg_3", "ack", "ack", "settled", "rejected"],
    ]


async def test_a_running_agent_gives_the_same_answer(tmp_path):
    """It is asked over its socket."""
    await played(tmp_path)
    async with opened_desk(load_agent(tmp_path)) as desk:
        left = [await desk.audit({}), await desk.inbox({})]
    async with AgentProcess(tmp_path) as agent:
        await agent.start()
        assert [await agent.ask("/api/audit"), await agent.ask("/api/inbound")] == left
        assert [len(rows) for rows in left] == [3, 3]
