"""`edge-relay run`: the daemon."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from agent.cli.arguments import add_config_option
from agent.cli.asking import print_problems
from agent.errors import ConfigError, EdgeRelayError
from agent.logs import FORMS, logging_to

_log = logging.getLogger(__name__)

SUMMARY = "run the agent"
Failure = TypeVar("Failure", bound=BaseException)

_STARTS: Final = 3  # with a store that is found damaged; a service manager tries again later
_UMASK: Final = 0o027  # what waits on disk is for the agent's user and group alone
_NAME_THREADS: Final = 8  # hung look-ups of names may fill these and nothing else


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    add_log_options(parser)
    parser.epilog = """examples:
  edge-relay run -c config
  systemctl start edge-relay       as a service; SIGHUP or `edge-relay reload` loads the configuration anew

Its page is http://127.0.0.1:8470/, unless `http: {listen: ...}` says another address.

A line that comes again and again is told three times, then every ten minutes with its count; with --debug
every time.

Exit status 2: the configuration cannot be used; a service manager need not try again.
"""


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Declare what a daemon's log looks like."""
    parser.add_argument("--debug", action="store_true", help="log more, and everything each time")
    parser.add_argument(
        "--log-format", choices=FORMS, default="text", help="json: one object a line (default: text)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    os.umask(_UMASK)
    status = 0
    try:
        with (
            logging_to(sys.stderr.fileno(), form=arguments.log_format, debug=arguments.debug),
            asyncio.Runner(loop_factory=loop_factory()) as runner,
        ):
            _start(runner, arguments.config)
    except* ConfigError as errors:
        for error in leaves(errors):
            print_problems(error)
        status = 2
    except* EdgeRelayError as errors:
        for each in leaves(errors):
            print(f"edge-relay: {each}", file=sys.stderr)
        status = 1
    return status


def leaves(group: BaseExceptionGroup[Failure]) -> Iterator[Failure]:
    """The exceptions of a group, however deep it is nested."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Uvloop where there is one: a third less work for each webhook."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _start(runner: asyncio.Runner, path: Path) -> None:
    """Run, and start anew when the store was found damaged, which opening it mends."""
    for _ in range(_STARTS):
        if not runner.run(_damaged(path)):
            return
        _log.warning("starting anew, with what can be read of the store")
    raise EdgeRelayError("the store is damaged again and again: see to the disk (dmesg)")


async def _damaged(path: Path) -> bool:
    """Run; True when it ended because the store was found damaged, which the next start mends."""
    from agent.errors import StoreDamaged

    damaged = False
    try:
        await _run(path)
    except* StoreDamaged:
        damaged = True
    return damaged


async def _run(path: Path) -> None:
    from agent.app import Agent, Signals
    from agent.clock import SystemClock
    from agent.config.load import load
    from agent.notify import Systemd, ask_for_patience
    from agent.paths import ALIVE, STACKS, STORE
    from agent.restore import time_away
    from agent.stacks import written_on_signal
    from agent.store.alive import boot_id, now
    from agent.store.store import Store

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_NAME_THREADS, "names"))
    clock, boot = SystemClock(), boot_id()
    configuration = load(path)
    data_dir = configuration.agent.data_dir
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"data_dir {data_dir} cannot be made ({error.strerror}): make it, or name another in `agent:`"
        raise EdgeRelayError(text) from None
    signals = Signals(asyncio.Event(), asyncio.Event())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.stop.set)
    loop.add_signal_handler(signal.SIGHUP, signals.reload.set)
    waiting = asyncio.create_task(
        ask_for_patience(Systemd.from_environment(os.environ, os.getpid())), name="patience"
    )
    try:
        opened = await Store.open(data_dir / STORE, clock=clock, boot=boot)
    finally:
        waiting.cancel()
    async with opened as store:
        away = await time_away(data_dir / ALIVE, store, now(clock, boot))
        with written_on_signal(data_dir / STACKS):
            await Agent(path, configuration, store, clock).run(signals, away, boot)
