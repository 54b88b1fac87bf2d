"""A real mosquitto broker on a free port of loopback: started, stopped, killed, frozen.

Usable by every test that needs a broker. The extra lines are mosquitto's own configuration
(mosquitto.conf(5)); `allow_anonymous true` stands unless they say something about it.
"""

import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from paho.mqtt import publish as paho_publish

_PROGRAM = "/usr/sbin/mosquitto"
_PATIENCE = 30.0  # seconds for starting and for stopping


class Mosquitto:
    """One broker; a context manager that starts it and leaves nothing running."""

    def __init__(self, folder: Path, port: int, extra: str = "") -> None:
        """Prepare.

        Args:
            folder: where its configuration and log are kept.
            port: the port to listen on; 127.0.0.1 only.
            extra: further lines of mosquitto.conf; they follow the listener.
        """
        self.port = port
        self.log = folder / f"mosquitto-{port}.log"
        self._configuration = folder / f"mosquitto-{port}.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(extra)

    def configure(self, extra: str) -> None:
        """Write the configuration that the next start reads."""
        anonymous = "" if "allow_anonymous" in extra else "allow_anonymous true\n"
        # Started by root it would become the user mosquitto, who may read none of the test's files.
        self._configuration.write_text(f"user root\nlistener {self.port} 127.0.0.1\n{anonymous}{extra}\n")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and return once it accepts connections."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [_PROGRAM, "-c", self._configuration, "-v"], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        self.kill()
        raise RuntimeError(f"mosquitto did not start:\n{self.log.read_text()}")

    def stop(self) -> None:
        """Let it end in order: sessions are saved where `persistence true` is configured."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with no goodbye; harmless when it is not running."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hang: connections stay open, nothing is answered. `thaw` or `kill` ends it."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(_PATIENCE)
        self._process = None

    def publish(
        self, *messages: tuple[str, str | bytes], qos: int = 1, retain: bool = False, **options: object
    ) -> None:
        """Publish (topic, payload) pairs in order and return once the broker has them (QoS 1); blocks."""
        paho_publish.multiple(
            [(topic, payload, qos, retain) for topic, payload in messages],
            hostname="127.0.0.1",
            port=self.port,
            **options,
        )
