"""How commands reach the agent: its control socket, or the store itself when no agent runs.

SQLite must have one connection, so a command never opens the store of a running agent: it asks.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from agent.errors import ConfigError, EdgeRelayError
from agent.model import Json
from agent.paths import CONTROL_SOCKET

_ANSWER_WITHIN_S: Final = 60.0  # an order may have much to move
LOOK_WITHIN_S: Final = 5.0  # what is in memory is told at once, or the agent hangs


_HANGS: Final = (
    "it hangs or is stopped: `sudo edge-relay bundle` keeps what it was doing, "
    "then `systemctl restart edge-relay`"
)


class NoAgentError(EdgeRelayError):
    """No agent answers at the control socket."""


class SilentError(EdgeRelayError):
    """An agent has the control socket and does not answer: it hangs, or is stopped."""


class RefusedError(EdgeRelayError):
    """The agent answered with an error; the message is its sentence."""


def add_json_option(parser: argparse.ArgumentParser, *, lines: bool = False) -> None:
    """Declare the output for scripts."""
    parser.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    if lines:
        parser.add_argument("--jsonl", action="store_true", help="print one JSON object a line")


def print_list(rows: list[Json], arguments: argparse.Namespace, show: Callable[[list[Json]], None]) -> None:
    """Print rows as the options say: a table for people, JSON for scripts."""
    if arguments.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif arguments.jsonl:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
    else:
        show(rows)


def print_answer(answer: Json, arguments: argparse.Namespace, show: Callable[[], None]) -> None:
    """Print what became of an order as the options say: `show` for people, the answer itself for scripts."""
    if arguments.json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        show()


def told(work: Callable[[], Awaitable[int]]) -> int:
    """Run a command that talks to an agent; every expected failure is a sentence on stderr."""
    try:
        return asyncio.run(_run(work))
    except ConfigError as error:
        print_problems(error)
        return 2
    except EdgeRelayError as error:
        print(f"edge-relay: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def _run(work: Callable[[], Awaitable[int]]) -> int:
    return await work()


def print_problems(error: ConfigError) -> None:
    """Print the problems of a configuration, one a line, on stderr."""
    for problem in error.problems:
        print(problem, file=sys.stderr)


async def ask(
    directory: Path,
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    body: Json = None,
    within_s: float = _ANSWER_WITHIN_S,
) -> Json:
    """Ask the agent whose data directory this is.

    Raises:
        NoAgentError: none runs there.
        SilentError: it does not answer within `within_s`.
        RefusedError: it answered with an error.
    """
    socket = directory / CONTROL_SOCKET
    try:
        async with asyncio.timeout(within_s):
            status, content = await _exchange(socket, _request(method, path, query, body))
    except PermissionError:
        raise EdgeRelayError(
            f"{socket} may not be used by you: join the group edge-relay, or use sudo"
        ) from None
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NoAgentError(
            f"no agent is running with the data directory {directory}: `systemctl status edge-relay` says why, "
            "`edge-relay doctor` what to do"
        ) from None
    except TimeoutError:
        raise SilentError(
            f"the agent at {socket} runs, but has not answered within {within_s:g} s, {_HANGS}"
        ) from None
    except (OSError, ValueError) as error:
        why = str(error) or "the connection was closed"
        raise EdgeRelayError(f"the agent at {socket} did not answer: {why}") from None
    answer: Json = json.loads(content)
    if status != 200:  # noqa: PLR2004 - HTTP
        raise RefusedError(str(answer["error"] if isinstance(answer, dict) else answer))
    return answer


def _request(method: str, path: str, query: Mapping[str, str] | None, body: Json) -> bytes:
    """One request as HTTP/1.0: its answer ends with the connection, so that nobody needs a library to read it."""
    target = quote(path) + (f"?{urlencode(query)}" if query else "")
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {target} HTTP/1.0\r\nHost: edge-relay\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def _exchange(socket: Path, request: bytes) -> tuple[int, bytes]:
    """Send the request; the status and the body of the answer.

    Raises:
        OSError: there is nobody, or the connection broke.
        ValueError: what came is no answer.
    """
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(request)
        head, found, content = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    if not found:
        raise ValueError("it closed the connection")
    return int(head.split(None, 2)[1]), content
