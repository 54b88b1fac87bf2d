"""A name server as plants have them, good or bad, and a machine that asks no other.

`python -m rigs.name_server KIND WORDS...` runs `edge-relay WORDS` beside a name server of that KIND: `unknown`
says that there is no such name, `silent` says nothing, `broken` that it has failed, `knows` that it is 127.0.0.1.
"""

import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

_CODES = {"knows": 0, "broken": 2, "unknown": 3}  # RCODE, RFC 1035, 4.1.1
_A = 1
SET_UP = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


def run(kind: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a network and a mount namespace of its own."""
    resolv = folder / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n")
    play = [sys.executable, "-m", "rigs.name_server", kind, *words]
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--net",
        "--mount",
        "sh",
        "-c",
        SET_UP,
        "sh",
        str(resolv),
    ]
    return subprocess.run(
        [*command, *play],
        cwd=Path(__file__).parents[1],
        env={
            "PYTHONPATH": f"{Path(__file__).parents[2]}:{Path(__file__).parents[1]}",
            "PATH": "/usr/sbin:/usr/bin:/bin",
        },
        capture_output=True,
        check=False,
        text=True,
    )


def serve(kind: str, sock: socket.socket) -> None:
    """Answer, or do not."""
    while True:
        question, asker = sock.recvfrom(512)
        if kind == "silent":
            continue
        end = question.index(b"\0", 12) + 5
        wants_address = question[end - 4 : end - 2] == struct.pack(">H", _A)
        answers = int(kind == "knows" and wants_address)
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | _CODES[kind], 1, answers, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", _A, 1, 60, 4) + socket.inet_aton("127.0.0.1")
        sock.sendto(head + question[12:end] + record * answers, asker)


def main() -> int:
    """Serve on a thread, and run the command."""
    from agent.cli import main as edge_relay  # noqa: PLC0415 - only the child needs it

    kind, *words = sys.argv[1:]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(kind, sock), daemon=True).start()
    return edge_relay(words)


if __name__ == "__main__":
    raise SystemExit(main())
