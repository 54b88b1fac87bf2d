"""The relay as a process of its own, started as a user starts it, and asked over HTTP."""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple, Self

from rigs.agent_process import quiet_port

ROOT = Path(__file__).parents[2]
POST = "post-token-0123456789"
POLL = "poll-token-0123456789"
_PATIENCE = 60.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer(NamedTuple):
    status: int
    headers: object
    content: bytes

    @property
    def json(self):
        return json.loads(self.content)

    @property
    def ids(self):
        return [message["id"] for message in self.json["data"]]

    @property
    def bodies(self):
        return [base64.b64decode(message["bodyB"]) for message in self.json["data"]]


class RelayProcess:
    """One relay and its folder; a context manager that leaves no process.

    Attributes:
        port, monitor: where it listens.
        log: what it wrote to stderr, over all its runs.
    """

    def __init__(self, folder: Path, channels: str = "", relay: str = "") -> None:
        self.folder = folder
        self.port, self.monitor = quiet_port(), quiet_port()
        self.file = folder / "relay.yaml"
        self.log = folder / "log"
        self.process: subprocess.Popen | None = None
        folder.mkdir(exist_ok=True)
        if channels:
            self.write(channels, relay)

    def write(self, channels: str, relay: str = "") -> None:
        """Channels as `NAME: more keys`, a line each; both tokens are the rig's own."""
        lines = [
            f"  {name}: {{post_token: {POST}, poll_token: {POLL}{', ' if more.strip() else ''}{more.strip()}}}"
            for name, _, more in (line.partition(":") for line in channels.splitlines())
        ]
        self.file.write_text(
            f"relay: {{listen: 127.0.0.1:{self.port}, monitor: 127.0.0.1:{self.monitor}, data_dir: data{relay}}}\n"
            "channels:\n" + "\n".join(lines) + "\n"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # --- life ------------------------------------------------------------------------------------------

    def start(self, *arguments: str, **environment: str) -> Self:
        before = self.said("ready:")
        with self.log.open("ab") as log, (self.folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agent", "relay", *(arguments or [str(self.file)])],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        until(lambda: self.said("ready:") > before or self.process.poll() is not None, self.text)
        assert self.process.poll() is None, self.text()
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> float:
        """Ask it to end; it must, with status 0; give the seconds that it took."""
        asked = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(_PATIENCE) == 0, self.text()
        return time.monotonic() - asked

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def said(self, words: str) -> int:
        return self.text().count(words)

    # --- what it is asked ------------------------------------------------------------------------------

    def post(
        self, body: bytes = b"{}", channel: str = "a", token: str | None = POST, **headers: str
    ) -> Answer:
        return self.ask(f"/in/{channel}", body, token, **headers)

    def poll(self, channel: str = "a", token: str | None = POLL, **query: object) -> Answer:
        return self.ask(
            f"/out/{channel}?" + "&".join(f"{key}={value}" for key, value in query.items()), None, token
        )

    def ask(self, path: str, body: bytes | None = None, token: str | None = None, **headers: str) -> Answer:
        sent = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return fetch(f"http://127.0.0.1:{self.port}{path}", body, sent)

    def health(self) -> Answer:
        return fetch(f"http://127.0.0.1:{self.monitor}/health")

    def metric(self, name: str, **labels: str) -> float:
        wanted = f"edge_relay_relay_{name}" + (
            "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""
        )
        text = fetch(f"http://127.0.0.1:{self.monitor}/metrics").content.decode()
        return next(
            (float(line.split()[-1]) for line in text.splitlines() if line.startswith(wanted + " ")), 0.0
        )

    def drain(self, channel: str = "a", **query: object) -> list[dict]:
        """Take all there is, from the oldest on."""
        messages, iterator = [], {}
        while True:
            answer = self.poll(channel, **query, **iterator).json
            messages += answer["data"]
            if answer["done"]:
                return messages
            iterator = {"iterator": answer["iterator"]}

    def raw(self) -> socket.socket:
        """A connection of one's own."""
        return socket.create_connection(("127.0.0.1", self.port), _PATIENCE)

    def send(self, request: bytes) -> bytes:
        """Send bytes as they are; what comes back until the relay closes, or says something in JSON."""
        answer = b""
        with self.raw() as connection:
            connection.sendall(request)
            while b"}" not in answer and (more := connection.recv(65_536)):
                answer += more
        return answer


def fetch(url: str, body: bytes | None = None, headers: dict | None = None) -> Answer:
    request = urllib.request.Request(url, body, headers or {})  # noqa: S310 - http:// of loopback alone
    try:
        with _DIRECT.open(request, timeout=_PATIENCE) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return Answer(error.code, error.headers, error.read())


def until(condition, what) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
