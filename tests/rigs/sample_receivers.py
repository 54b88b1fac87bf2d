"""The receivers of config/receivers as processes: started, killed, started again on their own log."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Self

from rigs.agent_process import ROOT, quiet_port, until
from rigs.webhook_receiver import SECRET

PROGRAMS = {"py": (sys.executable, "receiver.py"), "js": ("node", "receiver.js")}


class SampleReceiver:
    """One of them; a context manager that leaves no process.

    Attributes:
        log: the file that it keeps events in.
        said: what it printed, over all its runs.
    """

    def __init__(self, language: str, folder: Path) -> None:
        self.log = folder / f"{language}.jsonl"
        self.port = quiet_port()
        self.said: list[str] = []
        self._words = PROGRAMS[language]
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/plant"

    @property
    def lines(self) -> list[bytes]:
        return self.log.read_bytes().splitlines() if self.log.exists() else []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        program, script = self._words
        self._process = await asyncio.create_subprocess_exec(
            *(program, str(ROOT / "config" / "receivers" / script), str(self.port), str(self.log)),
            env={**os.environ, "WEBHOOK_SECRET": SECRET},
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read(self._process.stdout), name=f"what {script} says")
        await until(self._listens, f"{script} listens")

    async def kill(self) -> None:
        """End it with no goodbye."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _listens(self) -> bool:
        assert self._process.returncode is None, self.said
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            return True
        return False

    async def _read(self, stream) -> None:
        async for line in stream:
            self.said.append(line.decode().rstrip("\n"))
