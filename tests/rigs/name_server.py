"""A name server as plants have them, good or bad, and a machine that asks no other.

`python -m rigs.name_server KIND WORDS...` runs `edge-relay WORDS` beside a name server of that KIND: `unknown`
says that there is no such name, `silent` says nothing, `broken` that it has failed, `knows` that it is 127.0.0.1.
Where no namespaces may be made, what the C library would say of such a server is said in its place.
"""

import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

_CODES = {"knows": 0, "broken": 2, "unknown": 3}  # RCODE, RFC 1035, 4.1.1
_A = 1
_PRETEND = "PRETENDED_RESOLV_CONF"
SET_UP = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


def run(kind: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a network and a mount namespace of its own."""
    resolv = folder / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n")
    unshare = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
    inside = [*unshare, "sh", "-c", SET_UP, "sh", str(resolv)]
    possible = not subprocess.run([*inside, "true"], capture_output=True, check=False).returncode
    play = [sys.executable, "-m", "rigs.name_server", kind, *words]
    here = Path(__file__).parents[1]
    environment = {"PYTHONPATH": f"{here.parent}:{here}", "PATH": "/usr/sbin:/usr/bin:/bin"}
    return subprocess.run(
        [*inside, *play] if possible else play,
        cwd=here,
        env=environment if possible else {**environment, _PRETEND: str(resolv)},
        capture_output=True,
        check=False,
        text=True,
    )


def pretend(kind: str, resolv: str) -> None:
    """Say what the C library says of such a server."""
    from agent.checkup import reach  # noqa: PLC0415 - only the child needs it

    def getaddrinfo(host, port, *_, **__):
        if kind == "silent":
            threading.Event().wait()
        if kind != "knows":
            raise socket.gaierror(socket.EAI_NONAME if kind == "unknown" else socket.EAI_AGAIN, "pretended")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    socket.getaddrinfo = getaddrinfo
    reach.RESOLVERS = Path(resolv)


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
    if _PRETEND in os.environ:
        pretend(kind, os.environ[_PRETEND])
        return edge_relay(words)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(kind, sock), daemon=True).start()
    return edge_relay(words)


if __name__ == "__main__":
    raise SystemExit(main())
