"""One loop, one browser and one plant for all tests of a module here: a browser takes two seconds of a core."""

import asyncio
import inspect

import pytest
from rigs.opened_page import browser


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a coroutine test on its module's loop, on which browser and plant live on between tests."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    pyfuncitem.funcargs["loop"].run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="module", autouse=True)
def loop():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def chrome(loop):
    """The browser."""
    with lasting(loop, browser()) as one:
        yield one


@pytest.fixture(scope="module")
def here(loop, request, tmp_path_factory):
    """The plant that the module makes by its `plant(folder)`."""
    with lasting(loop, request.module.plant(tmp_path_factory.mktemp("plant"))) as one:
        yield one


class lasting:  # noqa: N801 - used like a function
    """An async context for as long as a module's tests run."""

    def __init__(self, loop, context) -> None:
        self._loop, self._context = loop, context

    def __enter__(self):
        return self._loop.run(self._context.__aenter__())

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._context.__aexit__(None, None, None))
