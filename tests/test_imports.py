"""Who may import whom: cli -> app -> shell -> core, and no adapter knows another.

Each rule is a function of one source file, run over the whole of agent/; beside each stand samples
that break it, so that a rule which sees nothing any more is noticed.
"""

import ast
import subprocess
import sys

import pytest
from rigs.source_tree import ROOT, Source, sources, violations

CORE, SHELL, APP, COMMANDS = range(4)
LEVELS = {
    # Arithmetic over frozen values: no clock, no I/O, no await.
    "model": CORE,
    "arrivals": CORE,
    "lapses": CORE,
    "errors": CORE,
    "stamps": CORE,
    "rules": CORE,
    "delivery": CORE,
    "codec": CORE,
    # Whatever touches the outside, each part for itself.
    "clock": SHELL,
    "config": SHELL,
    "default_route": SHELL,
    "desk": SHELL,
    "destinations": SHELL,
    "dispatch": SHELL,
    "dns": SHELL,
    "formats": SHELL,
    "inbound": SHELL,
    "metrics": SHELL,
    "logs": SHELL,
    "mqtt": SHELL,
    "notify": SHELL,
    "paths": SHELL,
    "rulebook": SHELL,
    "stacks": SHELL,
    "signing": SHELL,
    "slices": SHELL,
    "server_url": SHELL,
    "sources": SHELL,
    "store": SHELL,
    "supervise": SHELL,
    "threads": SHELL,
    "tls": SHELL,
    "watch": SHELL,
    "web": SHELL,
    # The wiring: the road of a reading, the parts at work, how they start, change and are asked.
    "alarms": APP,
    "attention": APP,
    "app": APP,
    "board": APP,
    "changes": APP,
    "http": SHELL,
    "incoming": CORE,
    "acting": APP,
    "relays": APP,
    "relay": SHELL,
    "nats": SHELL,
    "heartbeat": APP,
    "fallback": APP,
    "holding": APP,
    "intake": APP,
    "intakes": APP,
    "measuring": APP,
    "operate": APP,
    "outcomes": APP,
    "receiving": APP,
    "outlets": APP,
    "pipeline": APP,
    "recorder": APP,
    "refusals": APP,
    "reload": APP,
    "renewals": APP,
    "restore": APP,
    "sent": APP,
    "showing": APP,
    "shown": APP,
    "skews": APP,
    "status": APP,
    "timekeeping": APP,
    "trends": APP,
    # Commands, and what only a command uses.
    "__init__": CORE,
    "__main__": COMMANDS,
    "checkup": COMMANDS,
    "bundling": COMMANDS,
    "cli": COMMANDS,
    "demo": COMMANDS,
    "proving": COMMANDS,
}
KINDS = {"sources", "destinations", "inbound"}
# What the adapters of one kind share: the contract, the configuration's table, the folder itself.
SHARED = {
    "__init__",
    "aside",
    "base",
    "config",
    "exploring",
    "http_access",
    "naming",
    "placeholders",
    "routes",
    "writing",
}
# An adapter's sections are built of these; the loader and the whole configuration are not its business.
CONFIG_FOR_ADAPTERS = {"fields", "secrets"}

# The core's libraries beside the standard one. orjson: exact for 64-bit integers, and the bytes that
# are signed must be those that are stored. google: Protocol Buffers, in which Sparkplug B is written.
CORE_LIBRARIES = {"cryptography", "google", "orjson"}
# Standard modules that are a clock, the dice or the outside; the core is handed what they would tell.
NOT_IN_CORE = {
    *("asyncio", "concurrent", "logging", "multiprocessing", "os", "pathlib", "random", "secrets"),
    *("select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile"),
    *("threading", "time", "urllib"),
}
CLOCK_CALLS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "clock_gettime", "clock_gettime_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
SQL = ("SELECT ", "INSERT INTO ", "INSERT OR ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA ")


def part_of(module):
    """`agent.sources.modbus.session` -> `sources`; the package itself -> `__init__`."""
    return [*module.split("."), "__init__"][1]


def adapter_of(module):
    """`agent.sources.modbus.session` -> `sources.modbus`; None for what is no adapter."""
    parts = module.split(".")
    if len(parts) < 3 or parts[1] not in KINDS or parts[2] in SHARED or not parts[2].islower():
        return None
    return ".".join(parts[1:3])


def imports(source):
    """Every imported name in full, with its line; `from a import b` is `a.b`."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def ours(source):
    return ((line, name) for line, name in imports(source) if name.split(".")[0] == "agent")


def every_part_has_its_level(source):
    if part_of(source.module) not in LEVELS:
        yield 1, f"agent/{part_of(source.module)} has no level: add it to LEVELS in tests/test_imports.py"


def imports_point_one_way(source):
    level = LEVELS.get(part_of(source.module), COMMANDS)
    for line, name in ours(source):
        if LEVELS.get(part_of(name), CORE) > level:
            yield line, f"{source.module} imports {name}: imports point cli -> app -> shell -> core"


def adapters_know_only_themselves(source):
    adapter = adapter_of(source.module)
    if adapter is None:
        return
    for line, name in ours(source):
        parts = name.split(".")
        if adapter_of(name) not in {None, adapter}:
            yield line, f"adapter {adapter} imports adapter {adapter_of(name)}"
        elif parts[1] == "store":
            yield line, f"adapter {adapter} imports the store"
        elif parts[1] == "config" and parts[2] not in CONFIG_FOR_ADAPTERS:
            yield line, f"adapter {adapter} imports {name}: only agent.config.fields is for adapters"


def the_core_needs_no_library(source):
    if LEVELS.get(part_of(source.module)) != CORE:
        return
    for line, name in imports(source):
        top = name.split(".")[0]
        if top in NOT_IN_CORE or top not in {"agent", *sys.stdlib_module_names, *CORE_LIBRARIES}:
            yield line, f"the core imports {name}: it is handed clock, dice and bytes"


def the_core_never_waits(source):
    if LEVELS.get(part_of(source.module)) != CORE:
        return
    for node in source.nodes:
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, "the core awaits"


def only_commands_print(source):
    if part_of(source.module) in {"cli", "__main__"}:
        return
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node.lineno, "prints; only agent/cli does"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"}:
            yield node.lineno, f"uses {ast.unparse(node)}; only agent/cli does"


def only_the_clock_asks_the_time(source):
    if source.path == "agent/clock.py":
        return
    for node in source.nodes:
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).split(".")[-1]
            if node.attr in CLOCK_CALLS.get(owner, ()):
                yield node.lineno, f"asks {owner}.{node.attr}; an agent.clock.Clock is passed in"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            for name in node.names:
                if name.name in CLOCK_CALLS["time"]:
                    yield node.lineno, f"imports time.{name.name}; an agent.clock.Clock is passed in"


def only_the_store_speaks_sql(source):
    if part_of(source.module) == "store":
        return
    for line, name in imports(source):
        if name.split(".")[0] in {"sqlite3", "aiosqlite"}:
            yield line, f"imports {name}; only agent/store speaks to SQLite"
    for node in source.nodes:
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and text.lstrip().startswith(SQL):
            yield node.lineno, f"has SQL: {text.strip()[:40]!r}; only agent/store has"


RULES = [
    every_part_has_its_level,
    imports_point_one_way,
    adapters_know_only_themselves,
    the_core_needs_no_library,
    the_core_never_waits,
    only_commands_print,
    only_the_clock_asks_the_time,
    only_the_store_speaks_sql,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule):
    """No place in agent/ breaks it; every one that does is named with its line."""
    broken = violations(rule, sources("agent"))

    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (every_part_has_its_level, "agent/helpers/text.py", ""),
        (imports_point_one_way, "agent/rules/engine.py", "from agent.store.records import Step"),
        (imports_point_one_way, "agent/rules/engine.py", "from agent import clock"),
        (imports_point_one_way, "agent/store/writer.py", "import agent.app"),
        (imports_point_one_way, "agent/app.py", "def f():\n    from agent.cli import main"),
        (imports_point_one_way, "agent/sources/modbus/session.py", "from agent.demo.plant import Plant"),
        (adapters_know_only_themselves, "agent/sources/mqtt/run.py", "from agent.sources import modbus"),
        (adapters_know_only_themselves, "agent/sources/mqtt/run.py", "import agent.sources.opcua.values"),
        (adapters_know_only_themselves, "agent/destinations/mqtt.py", "from agent.sources.mqtt import run"),
        (adapters_know_only_themselves, "agent/destinations/webhook.py", "from agent.store import Store"),
        (adapters_know_only_themselves, "agent/inbound/poll.py", "from agent.config.load import load"),
        (the_core_needs_no_library, "agent/delivery/judge.py", "import aiohttp"),
        (the_core_needs_no_library, "agent/delivery/schedule.py", "import random"),
        (the_core_needs_no_library, "agent/rules/spec.py", "from pydantic import BaseModel"),
        (the_core_never_waits, "agent/rules/engine.py", "async def step(): ..."),
        (only_commands_print, "agent/app.py", "print('ready')"),
        (only_commands_print, "agent/web/page.py", "import sys\nsys.stderr.write('x')"),
        (only_the_clock_asks_the_time, "agent/store/writer.py", "import time\nnow = time.monotonic()"),
        (only_the_clock_asks_the_time, "agent/store/writer.py", "from time import time_ns"),
        (only_the_clock_asks_the_time, "agent/web/page.py", "datetime.datetime.now(UTC)"),
        (only_the_store_speaks_sql, "agent/web/page.py", "import sqlite3"),
        (only_the_store_speaks_sql, "agent/app.py", "rows = ask('SELECT id FROM events')"),
    ],
)
def test_the_rule_sees_what_breaks_it(rule, path, text):
    """One violation in each sample, no more and no fewer."""
    assert len(list(rule(Source(path, text)))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("agent/sources/modbus/session.py", "from agent.sources.modbus.config import Modbus"),
        ("agent/sources/modbus/session.py", "from agent.sources.base import Emit"),
        ("agent/sources/modbus/config.py", "from agent.config.fields import Section"),
        ("agent/sources/__init__.py", "from agent.sources.modbus.config import Modbus"),
        ("agent/delivery/signing.py", "from cryptography.hazmat.primitives import hashes"),
        ("agent/app.py", "from agent.store import Store\nimport time\ntime.perf_counter()"),
        ("agent/cli/run.py", "from agent.app import run\nprint('ready')"),
        ("agent/store/writer.py", "import sqlite3\nquery = 'SELECT 1'"),
    ],
)
def test_the_rules_leave_the_lawful_alone(path, text):
    """What the house does every day breaks no rule."""
    assert [violations(rule, [Source(path, text)]) for rule in RULES] == [[]] * len(RULES)


@pytest.mark.parametrize("module", ["agent.config.load", "agent.app", "agent.__main__"])
def test_nothing_is_paid_for_a_protocol_that_is_not_configured(module):
    """The adapters' libraries are imported with the first source or destination of their kind."""
    heavy = "{'asyncua', 'pymodbus', 'paho', 'nats', 'amqtt', 'google', 'jinja2', 'cryptography.x509', '_cffi_backend'}"
    child = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )

    assert (child.stdout, child.stderr) == ("[]\n", "")
