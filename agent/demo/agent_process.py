"""The agent as the demo runs it: a real process of its own, asked over its control socket.

Rules for whoever changes this file: whatever ends the demo ends the process, within a bounded time.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import aiohttp

from agent.demo import DemoError
from agent.demo.configuration import DESTINATION, Stage

_STOP_WITHIN: Final = 8.0  # seconds; the agent promises five
_ANSWER_WITHIN: Final = 2.0  # seconds, for a status over a local socket
_TAIL: Final = 15  # lines of the agent's log to show when it died


@dataclass(frozen=True, slots=True)
class Status:
    """What the agent says of its outbox.

    Attributes:
        waiting: events on disk that the receiver has not got.
        dead: events that it has given up.
    """

    waiting: int
    dead: int


class AgentProcess:
    """A running agent; made by `running_agent`."""

    def __init__(self, process: asyncio.subprocess.Process, stage: Stage) -> None:
        self._process = process
        self._stage = stage

    async def watch(self) -> None:
        """Wait for as long as it lives.

        Raises:
            DemoError: it ended by itself; the message has the end of its log.
        """
        status = await self._process.wait()
        lines = self._stage.agent_log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
        raise DemoError("\n".join([f"the agent ended with status {status}; its last words:", *lines]))

    async def status(self) -> Status | None:
        """Ask it; None while it does not answer."""
        connector = aiohttp.UnixConnector(path=str(self._stage.data_dir / "control.sock"))
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.get("http://edge-relay/api/status") as response,
            ):
                answer = await response.json()
                return Status(answer["destinations"][DESTINATION]["waiting"], answer["store"]["dead"])
        return None


@contextlib.asynccontextmanager
async def running_agent(stage: Stage) -> AsyncIterator[AgentProcess]:
    """Start `edge-relay run` on the stage; it is stopped, or after some seconds killed, with the context.

    It gets a process group of its own: a Ctrl-C reaches the demo, and the demo stops the agent.
    """
    log = os.open(stage.agent_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent", "run", "-c", str(stage.directory)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    finally:
        os.close(log)
    try:
        yield AgentProcess(process, stage)
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    try:
        process.terminate()
        async with asyncio.timeout(_STOP_WITHIN):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
