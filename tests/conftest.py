"""How tests run: coroutine tests on a fresh loop each, on virtual time where they ask for it."""

import asyncio
import gc
import inspect
import socket
import sys
from collections.abc import Callable

import pytest
from hypothesis import settings
from rigs.virtual_time import VirtualTimeLoop

# How long an example takes says what else the machine does. `make faults` looks far deeper.
settings.register_profile("house", deadline=None, max_examples=30)
settings.register_profile("deep", deadline=None, max_examples=500)
settings.load_profile("house")
gc.disable()  # until all tests are collected: nothing of them is garbage


def pytest_collection_finish():
    """Keep the garbage collector from the tests themselves: a look at 8,000 of them takes a third of a second.

    An agent in this process looks at each start and each reload, and would thaw them (agent.reload).
    """
    gc.freeze()
    gc.freeze = gc.unfreeze = lambda: None
    gc.enable()


def pytest_runtest_teardown(item, nextitem):
    """After the last test of a file that parsed the house's source, this worker forgets it."""
    if "rigs.source_tree" in sys.modules and (nextitem is None or nextitem.path != item.path):
        sys.modules["rigs.source_tree"].forget()


def pytest_configure(config):
    config.addinivalue_line("markers", "virtual_time: the loop's clock jumps over every wait; no real I/O")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run `async def` tests to their end on a loop of their own (asyncio.Runner cancels what is left)."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    virtual = pyfuncitem.get_closest_marker("virtual_time") is not None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with asyncio.Runner(loop_factory=VirtualTimeLoop if virtual else None) as runner:
        runner.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Give a TCP port of loopback that nobody listened on a moment ago."""

    def take() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return take


@pytest.fixture(scope="session")
def plant(tmp_path_factory):
    """One OPC UA server for all tests of a worker; each names its own nodes."""
    from rigs.opcua_server import OpcUaServer  # noqa: PLC0415 - asyncua is imported where it is asked for

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with OpcUaServer(port, tmp_path_factory.mktemp("plant")) as server:
        yield server
