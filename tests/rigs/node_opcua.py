"""A real OPC UA server that shares no code with ours: node-opcua, led line by line.

One process serves all tests of a worker; `start` and `stop` make a fresh server in it. It ends with
its stdin, so it does not outlive this process, however that ends.
"""

import json
import os
import select
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

BOILER, PRESS = "urn:plant:boiler", "urn:plant:press"
USER, PASSWORD = "relay", "right"
_SCRIPT = Path(__file__).parents[1] / "peers" / "opcua_server.js"
_PATIENCE = 90.0  # seconds for one answer: the first waits for the start of the program, and for its keys


class NodeOpcua:
    """The server; see `commands` in tests/peers/opcua_server.js for what it can be told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "node.log"
        self._read = b""
        self.port = 0
        self.url = ""
        self.certificate = folder / "server.der"

    def __enter__(self) -> Self:
        assert (_SCRIPT.parent / "node_modules").is_dir(), (
            "node-opcua is not installed: make test installs it"
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["node", _SCRIPT, self._folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._process.wait(10)

    def do(self, command: str, **options: object):
        """Tell it something and wait for the answer."""
        with suppress(BrokenPipeError):  # it has died: the answer that is missing tells why
            self._process.stdin.write(json.dumps({"do": command} | options).encode() + b"\n")
            self._process.stdin.flush()
        answer = json.loads(self._line())
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def _line(self) -> bytes:
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE)
            more = os.read(self._process.stdout.fileno(), 1 << 20) if ready else b""
            assert more, f"node-opcua says nothing: {self._log.read_text(errors='replace')[-2000:]}"
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line

    def start(self, **options: object) -> None:
        """Start a fresh server, on the same port as the one before."""
        started = self.do("start", port=self.port, **options)
        self.port = started["port"]
        self.url = f"opc.tcp://127.0.0.1:{self.port}"
        shown = x509.load_pem_x509_certificate(Path(started["certificate"]).read_bytes())
        self.certificate.write_bytes(shown.public_bytes(Encoding.DER))

    def stop(self) -> None:
        self.do("stop")

    def restart(self, **options: object) -> None:
        self.stop()
        self.start(**options)

    def set(self, name: str, value: object, type_: str = "Double", **more: object) -> None:
        """Set a variable of the boiler; `status` by name, `time` in ISO 8601."""
        self.do("set", name=name, type=type_, value=value, **more)

    def add(self, name: str, value: object, type_: str = "Double", **more: object) -> None:
        """Add a variable; `kind`, `writable`, and how it answers a write: `after` milliseconds, `answer`."""
        self.do("add", name=name, type=type_, value=value, **more)

    @property
    def held(self) -> tuple[int, int, int]:
        """Sessions, subscriptions and monitored items that the server keeps."""
        report = self.do("report")
        return report["sessions"], report["subscriptions"], report["items"]

    def taken(self, name: str) -> list[tuple[str, str]]:
        """What was written to a variable that was added with `after`: type and value, each as text."""
        return [(type_, value) for who, type_, value in self.do("report")["taken"] if who == name]

    @property
    def requests(self) -> dict[str, int]:
        """How often each service was asked for since the start."""
        return self.do("report")["requests"]
