"""The real agent as a process of its own: started, killed, asked, and never left behind.

Its log is read through a pipe as it comes, so that a test counts lines, and a limit on the size of
files (a full disk) does not touch it.
"""

import asyncio
import contextlib
import inspect
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Self

import aiohttp

ROOT = Path(__file__).parents[2]
_PATIENCE = 90.0  # seconds for what takes one on an idle machine
_DICE = random.Random()
# Workers side by side have ports of their own: between the probe and whoever listens there is a second.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_PORTS = range(20_000 + _WORKER * 1_500, 21_500 + _WORKER * 1_500)


def quiet_port():
    """Give a free TCP port of loopback below those that outgoing connections take.

    A server that is away for a while finds it free when it comes back.
    """
    while True:
        port = _DICE.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def until(condition, what, within=_PATIENCE):
    """Wait until `condition()`, which may be a coroutine function, gives something true; give that."""
    deadline = time.monotonic() + within
    while True:
        met = condition()
        met = await met if inspect.isawaitable(met) else met
        if met:
            return met
        assert time.monotonic() < deadline, f"not within {within:g} s: {what() if callable(what) else what}"
        await asyncio.sleep(0.05)


class AgentProcess:
    """One agent and its folder; a context manager that leaves no process.

    The folder holds the configuration; its `data_dir` is `data` beside it.

    Attributes:
        lines: what it wrote to stderr, over all its runs.
    """

    def __init__(self, folder: Path, port: int = 0, **environment: str) -> None:
        self.folder = folder
        self.port = port
        self.lines: list[str] = []
        self.process: asyncio.subprocess.Process | None = None
        self._environment = {**os.environ, **environment}
        self._reading: asyncio.Task[None] | None = None
        folder.mkdir(exist_ok=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    def write(self, **files: str) -> None:
        """Write `NAME.yaml` for each."""
        for name, text in files.items():
            (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    # --- life ------------------------------------------------------------------------------------------

    async def spawn(self) -> None:
        """Start it; do not wait."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent", "run", "-c", str(self.folder)),
            cwd=ROOT,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read(self.process.stderr), name="agent's log")

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        before = len(self.lines)
        await self.spawn()
        await until(lambda: self.said("agent.app: ready", before) or self.ended, self.log)
        assert not self.ended, self.log()

    async def kill(self) -> None:
        """End it with no goodbye; harmless when it is not running."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.end()

    async def stop(self) -> float:
        """Ask it to end; it must, with status 0; give the seconds that it took."""
        asked = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert await self.end() == 0, self.log()
        return time.monotonic() - asked

    async def end(self) -> int:
        """Wait for its end, which is to come by itself; give its status."""
        try:
            async with asyncio.timeout(_PATIENCE):
                status = await self.process.wait()
                await self._reading
        finally:
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()
        return status

    @property
    def ended(self) -> bool:
        return self.process is None or self.process.returncode is not None

    async def _read(self, stream) -> None:
        async for line in stream:
            self.lines.append(line.decode().rstrip("\n"))

    # --- what it says -----------------------------------------------------------------------------------

    def log(self) -> str:
        return "\n".join(self.lines[-60:])

    def said(self, *words: str | int) -> list[str]:
        """Every line that holds all of the words; a number among them: from that line on."""
        start = next((word for word in words if isinstance(word, int)), 0)
        wanted = [word for word in words if isinstance(word, str)]
        return [line for line in self.lines[start:] if all(word in line for word in wanted)]

    async def ask(self, path: str, method: str = "GET"):
        """Ask over the control socket; None while nobody answers."""
        connector = aiohttp.UnixConnector(path=str(self.folder / "data" / "control.sock"))
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with (
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(10)) as session,
                session.request(method, f"http://agent{path}") as response,
            ):
                return await response.json()
        return None

    async def status(self):
        return await self.ask("/api/status")

    async def is_up(self, *sources: str) -> bool:
        """Whether these sources are connected."""
        status = await self.status()
        return status is not None and all(status["sources"][name]["state"] == "up" for name in sources)

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Ask its page as monitoring does; status and body."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
            session.get(f"http://127.0.0.1:{self.port}{path}", headers=headers) as response,
        ):
            return response.status, await response.text()

    async def healthy(self) -> bool:
        return (await self.get("/health"))[0] == 200

    async def metric(self, name: str, **labels: str) -> float:
        """One sample of /metrics; 0 while there is none."""
        _, text = await self.get("/metrics")
        pairs = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        wanted = f"{name}{{{pairs}}} "
        found = [line for line in text.splitlines() if line.startswith(wanted)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    async def command(self, *words: str) -> tuple[int, str, str]:
        """Run a command on this agent's configuration; status, stdout, stderr."""
        return await command(*words, "-c", str(self.folder), environment=self._environment)


async def command(*words: str, environment=None) -> tuple[int, str, str]:
    """Run `edge-relay WORDS`; status, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", *words),
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode(), errors.decode()
