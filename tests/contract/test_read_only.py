"""An agent whose configuration grants no write cannot write: nothing in its source does, and a watched wire shows none.

For the security sign-off (design: sources, "It is read-only"). The wire is watched at the device: every
function code, every service, every message that a client publishes.
"""

import ast
import contextlib

import pytest
from rigs.source_kinds import KINDS, able
from rigs.source_session import running
from rigs.source_tree import Source, sources, violations

from agent.clock import SystemClock
from agent.model import SECOND
from agent.sources import explorer
from agent.sources.exploring import Expected, Scope
from agent.sources.modbus.plan import Area

# What writes, by the names of the libraries in use (asyncua's services and conveniences, pymodbus's, paho's).
WRITING = {
    *("write", "write_attributes", "write_attribute_value", "write_value", "write_values", "set_value"),
    *("set_writable", "set_attribute", "call", "call_method", "add_nodes", "delete_nodes", "add_references"),
    *("delete_references", "history_update", "update_history", "set_triggering", "transfer_subscriptions"),
    *("write_coil", "write_coils", "write_register", "write_registers", "mask_write_register"),
    *("readwrite_registers", "write_file_record", "publish", "will_set"),
}
ALLOWED = {
    # The one message that is ever published: the request for a birth certificate (Sparkplug), which moves no machine.
    ("agent/sources/mqtt/source.py", "publish"),
    # What is imported only where a tag says `write`.
    ("agent/sources/opcua/writing.py", "write"),
}
# `write` of a file or of a transport that carries what was framed elsewhere.
CARRIES = {"agent.sources.modbus.wire", "agent.sources.modbus.serial_port", "agent.sources.opcua.identity"}


def nothing_writes(source):
    """No call whose name is that of a service which writes."""
    for node in source.nodes:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name = node.func.attr
        carried = name == "write" and source.module in CARRIES
        if name in WRITING and not carried and (source.path, name) not in ALLOWED:
            yield node.lineno, f"{name}() may write to a device"


def test_no_path_leads_to_a_write():
    """Over all of agent/sources; and Modbus knows no function code but the four that read."""
    assert violations(nothing_writes, sources("agent/sources")) == []
    assert {area.function for area in Area} == {1, 2, 3, 4}


@pytest.mark.parametrize("call", ["client.write_value(1)", "node.call_method(m)", "self._client.publish(t)"])
def test_a_write_would_be_noticed(call):
    """The rule above sees what it is there for."""
    assert violations(nothing_writes, [Source("agent/sources/new.py", call)])


@pytest.mark.parametrize("name", able("writes"))
async def test_nothing_is_ever_written(name, request):
    """A session that reads, goes on and ends; and each command of the commissioning day."""
    kind = KINDS[name](request)
    async with kind:
        config = kind.config()
        async with running(config) as session:
            await session.until(lambda: session.values)
            changed = await kind.change()
            await session.until(lambda: changed in session.values)
        asked = explorer("plant", config, SystemClock())
        scope = Scope(limit=20, listen=SECOND // 5)
        for found in (asked.look(config.tags), asked.browse(scope), asked.probe(kind.place, Expected(1))):
            async with contextlib.aclosing(found) as each:
                assert [one async for one in each]
        written, seen = kind.written()

    assert seen > 0
    assert written == 0
