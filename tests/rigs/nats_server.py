"""A real nats-server with JetStream on a free port of loopback: started, killed, frozen, looked into.

What the streams hold is read with the official client, which shares no code with the agent's own.
The extra lines are nats-server's own configuration.
"""

import signal
import socket
import subprocess
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import nats
from nats.js.api import StreamConfig

_PROGRAM = "nats-server"
_PATIENCE = 30.0  # seconds for starting and for stopping


class NatsServer:
    """One server; a context manager that starts it and leaves nothing running."""

    def __init__(self, folder: Path, port: int, extra: str = "", *, jetstream: bool = True) -> None:
        """Prepare.

        Args:
            folder: where its configuration, its log and its streams are kept.
            port: the port to listen on; 127.0.0.1 only.
            extra: further lines of its configuration.
            jetstream: with it; else only what listens at the moment gets anything.
        """
        self.port = port
        self.log = folder / f"nats-{port}.log"
        self._folder = folder
        self._jetstream = jetstream
        self._configuration = folder / f"nats-{port}.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(extra)

    def configure(self, extra: str) -> None:
        """Write the configuration that the next start reads."""
        store = (
            f'jetstream {{ store_dir: "{self._folder / f"streams-{self.port}"}" }}' if self._jetstream else ""
        )
        self._configuration.write_text(f"listen: 127.0.0.1:{self.port}\n{store}\n{extra}\n")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and return once it greets whoever connects."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([_PROGRAM, "-c", self._configuration], stdout=log, stderr=log)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                    if probe.recv(4) == b"INFO":
                        return
            except OSError:
                time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"nats-server did not start:\n{self.log.read_text()}")

    def kill(self) -> None:
        """End it with no goodbye; harmless when it is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)
            self._process = None

    def freeze(self) -> None:
        """Let it hang: connections stay open, nothing is answered. `thaw` or `kill` ends it."""
        self._process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + _PATIENCE
        while any(state != "T" for state in self._states()) and time.monotonic() < deadline:
            time.sleep(0.001)  # each of its threads still answers until it is told

    def _states(self) -> list[str]:
        """What each of its threads does: T, it is stopped."""
        stats = Path(f"/proc/{self._process.pid}/task").glob("*/stat")
        return [stat.read_text().rpartition(")")[2].split()[0] for stat in stats]

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    @asynccontextmanager
    async def official(self, **options: object):
        """Talk to its JetStream with the official client."""
        client = await nats.connect(f"nats://127.0.0.1:{self.port}", **options)
        try:
            yield client.jetstream()
        finally:
            await client.close()

    async def stream(
        self, name: str = "PLANT", subjects=("plant.>",), /, login=None, **limits: object
    ) -> None:
        """Make a stream, or change one."""
        async with self.official(**(login or {})) as jetstream:
            config = StreamConfig(name=name, subjects=list(subjects), **limits)
            await jetstream.add_stream(config)

    async def held(self, name: str = "PLANT", login=None) -> list:
        """What a stream holds, in its order: messages with `subject`, `data` and `headers`."""
        async with self.official(**(login or {})) as jetstream:
            state = (await jetstream.stream_info(name)).state
            numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
            return [await jetstream.get_msg(name, number) for number in numbers]
