"""An agent whose configuration grants no write cannot write: what could is not even loaded, and a watched wire shows none.

For the security sign-off (design: sources, "It is read-only"). The wire is watched at the device: every
function code, every service, every message that a client publishes.
"""

import ast
import asyncio
import contextlib
import json
import subprocess
import sys

import pytest
from rigs.source_kinds import KINDS, able
from rigs.source_session import running
from rigs.source_tree import ROOT, Source, sources, violations

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
    ("agent/sources/modbus/writer.py", "write"),
}
# What could write, by kind of source.
WRITERS = {"modbus": "agent.sources.modbus.writer", "opcua": "agent.sources.opcua.writing"}
# A session without a grant and then one with it, each up to its first reading; after each, whether that is loaded.
LOADED = """
import asyncio, json, sys
from agent.clock import SystemClock
from agent.model import Reading
from agent.sources import SourceConfig, session
from agent.sources.writing import Door
from pydantic import TypeAdapter

async def glance(section):
    config, door, seen = TypeAdapter(SourceConfig).validate_python(section), Door(), asyncio.Event()

    async def emit(batch):
        if any(isinstance(one, Reading) and one.tag == "T" for one in batch):
            seen.set()

    task = asyncio.create_task(session(config, door)("plant", emit, SystemClock()))
    await asyncio.wait({task, asyncio.create_task(seen.wait())}, return_when=asyncio.FIRST_COMPLETED)
    print(door.writer is not None, sys.argv[2] in sys.modules)
    task.cancel()
    await asyncio.wait({task})

section = json.loads(sys.argv[1])
asyncio.run(glance(section))
section["tags"]["T"]["write"] = {"min": 0, "max": 100}
asyncio.run(glance(section))
"""
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


def writers_are_imported_on_demand(source):
    """Whatever imports what could write does it in a function, when it is called; not when it is loaded itself."""
    for node in source.nodes:
        if isinstance(node, ast.Module | ast.If | ast.Try):
            for line in ast.iter_child_nodes(node):
                names = [name.name for name in getattr(line, "names", ())]
                module = getattr(line, "module", None)
                if {module, *names, *(f"{module}.{name}" for name in names)} & {*WRITERS.values()}:
                    yield line.lineno, "loads what could write to a device, whether a tag says `write` or not"


def test_what_could_write_is_imported_nowhere_at_load():
    """Over all of agent/: the one import of each stands in the function that has looked for a grant."""
    everything = list(sources("agent"))
    importing = [source.path for source in everything for writer in WRITERS.values() if writer in source.text]

    assert violations(writers_are_imported_on_demand, everything) == []
    assert sorted(importing) == sorted(f"agent/sources/{kind}/source.py" for kind in WRITERS)


@pytest.mark.parametrize(
    "text",
    [
        "from agent.sources.modbus.writer import ModbusWriter",
        "import agent.sources.modbus.writer",
        "from agent.sources.modbus import writer",
        "if ready:\n    from agent.sources.opcua.writing import OpcUaWriter",
    ],
)
def test_an_import_at_load_would_be_noticed(text):
    """The rule above sees what it is there for; and lets pass what stands in a function."""
    inside = f"def session():\n    {text.splitlines()[-1].strip()}"

    assert violations(writers_are_imported_on_demand, [Source("agent/sources/new.py", text)])
    assert not violations(writers_are_imported_on_demand, [Source("agent/sources/new.py", inside)])


def test_no_path_leads_to_a_write():
    """Over all of agent/sources; and what Modbus asks for has no function code but the four that read."""
    assert violations(nothing_writes, sources("agent/sources")) == []
    assert {area.function for area in Area} == {1, 2, 3, 4}


@pytest.mark.parametrize("call", ["client.write_value(1)", "node.call_method(m)", "self._client.publish(t)"])
def test_a_write_would_be_noticed(call):
    """The rule above sees what it is there for."""
    assert violations(nothing_writes, [Source("agent/sources/new.py", call)])


@pytest.mark.parametrize("name", WRITERS)
async def test_what_could_write_is_loaded_where_a_tag_may_be_written(name, request):
    """And nowhere else: an agent that may not write lends nothing, and has not the code for it."""
    kind = KINDS[name](request)
    async with kind:
        arguments = (sys.executable, "-c", LOADED, json.dumps(kind.section()), WRITERS[name])
        child = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE, cwd=ROOT)
        async with asyncio.timeout(60):
            said, _ = await child.communicate()

    assert said.decode().splitlines() == ["False False", "True True"]


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
