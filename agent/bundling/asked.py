"""What a running agent tells over its control socket, and who it is by the kernel's word when it tells nothing."""

import asyncio
import os
import signal
from enum import Enum
from pathlib import Path
from socket import AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socket
from struct import Struct
from typing import Final

from agent.errors import EdgeRelayError
from agent.paths import CONTROL_SOCKET, STACKS

_CREDENTIALS: Final = Struct("3i")
_ANSWERS: Final = (200, 503)
_ALIVE_WITHIN_S: Final = 5.0
_ANSWER_WITHIN_S: Final = 20.0
_WRITTEN_WITHIN_S: Final = 3.0
_LOOK_EVERY_S: Final = 0.1


class MissingError(EdgeRelayError):
    """A part of the bundle cannot be had; the message says why, for its reader."""


class Condition(Enum):
    """How the agent is found."""

    ANSWERS = "it answers"
    HANGS = "it runs, but does not answer: it hangs, or is stopped"
    NOT_RUNNING = "no agent is running with this data directory: `systemctl status edge-relay` says why"
    CLOSED = "its control socket may not be used by you: use sudo, or join the group edge-relay"


class Asked:
    """The agent of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.condition = Condition.NOT_RUNNING
        self.pid: int | None = None

    async def look(self) -> None:
        """Find out how it is."""
        try:
            self.pid = _process_behind(self.data_dir / CONTROL_SOCKET)
            await asyncio.wait_for(self._exchange("/live"), _ALIVE_WITHIN_S)
        except TimeoutError:
            self.condition = Condition.HANGS
        except PermissionError:
            self.condition = Condition.CLOSED
        except OSError:
            self.condition = Condition.HANGS if self.pid else Condition.NOT_RUNNING
        else:
            self.condition = Condition.ANSWERS

    async def get(self, path: str) -> str:
        """Give the body of an answer; 503 is one as well, of an agent that is not healthy.

        Raises:
            MissingError: there is none.
        """
        if self.condition is not Condition.ANSWERS:
            raise MissingError(self.condition.value)
        try:
            status, content = await asyncio.wait_for(self._exchange(path), _ANSWER_WITHIN_S)
        except OSError as error:
            raise MissingError(f"the agent did not answer: {str(error) or 'timed out'}") from None
        if status not in _ANSWERS:
            raise MissingError(f"the agent answered {status}: it may be of another version than this program")
        return content.decode(errors="backslashreplace")

    async def _exchange(self, path: str) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_unix_connection(str(self.data_dir / CONTROL_SOCKET))
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            head, _, content = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        words = head.split(None, 2)
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, content

    async def stacks_by_signal(self) -> str:
        """Have a hanging agent write where its threads stand.

        Raises:
            MissingError: it does not.
        """
        if self.condition is not Condition.HANGS or self.pid is None:
            raise MissingError(self.condition.value)
        path = self.data_dir / STACKS
        try:
            _check_that_it_listens(self.pid)
            before = path.stat().st_size
            os.kill(self.pid, signal.SIGUSR1)
            async with asyncio.timeout(_WRITTEN_WITHIN_S):
                while path.stat().st_size == before:  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(_LOOK_EVERY_S)
                await asyncio.sleep(_LOOK_EVERY_S)
            return path.read_bytes()[before:].decode(errors="backslashreplace")
        except PermissionError:
            raise MissingError("only root, or the agent's user, may ask a hanging agent: use sudo") from None
        except TimeoutError:
            raise MissingError(f"process {self.pid} does not take a signal: see process.txt") from None
        except OSError as error:
            raise MissingError(f"process {self.pid}: {error.strerror}") from None


def _process_behind(path: Path) -> int:
    """Who listens there; it need not answer.

    Raises:
        OSError: nobody does.
    """
    with socket(AF_UNIX, SOCK_STREAM) as channel:
        channel.settimeout(_ALIVE_WITHIN_S)
        channel.connect(str(path))
        pid, _, _ = _CREDENTIALS.unpack(channel.getsockopt(SOL_SOCKET, SO_PEERCRED, _CREDENTIALS.size))
    return int(pid)


def _check_that_it_listens(pid: int) -> None:
    """SIGUSR1 ends a process that has no use for it.

    Raises:
        MissingError: this is one.
        OSError: the process has gone.
    """
    caught = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:")
    ]
    if not caught or not int(caught[0].split()[1], 16) >> (signal.SIGUSR1 - 1) & 1:
        raise MissingError(
            f"process {pid} does not write its stacks: it is just starting or stopping, or another program"
        )
