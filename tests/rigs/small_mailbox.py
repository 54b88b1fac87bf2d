"""A relay on a disk of a few megabytes that somebody else fills; where no file system can be mounted, its files may not grow.

`python -m rigs.small_mailbox FOLDER` plays the story and prints a line for each thing that held.
"""

import resource
import sys
from pathlib import Path

from rigs.relay_process import RelayProcess, until


class Disk:
    """A real small file system."""

    def __init__(self, relay: RelayProcess) -> None:
        self._filler = relay.folder / "somebody-else"

    def fill(self) -> None:
        for size in (1 << 20, 4096, 512, 1):
            with self._filler.open("ab", buffering=0) as file:
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        self._filler.unlink()


class Limit:
    """No write of the relay's to any file comes back well."""

    def __init__(self, relay: RelayProcess) -> None:
        self._relay = relay

    def fill(self) -> None:
        self._set(0)

    def empty(self) -> None:
        self._set(resource.RLIM_INFINITY)

    def _set(self, size: int) -> None:
        resource.prlimit(self._relay.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def story(relay: RelayProcess, disk: Disk | Limit) -> None:
    taken = [relay.post(b"%d" % number).json["id"] for number in range(20)]
    iterator = relay.poll(limit=5).json["iterator"]
    disk.fill()
    answers = []
    while not answers or answers[-1].status == 202:
        answers.append(relay.post(b"x" * 100_000))
    taken += [answer.json["id"] for answer in answers[:-1]]
    refused = answers[-1]
    assert (refused.status, refused.json["code"], refused.headers["Retry-After"]) == (503, "disk", "30")
    print("who posts is told to come again")
    health = relay.health()
    assert health.status == 503, health
    assert "mailbox.db" in health.json["problems"][0]
    print("monitoring is told why")
    assert [each["id"] for each in relay.drain()] == taken
    assert relay.poll(iterator=iterator, limit=250).ids[:15] == taken[5:20]
    print("what was taken is handed over all the same")
    disk.empty()
    until(lambda: relay.post(b"again").status == 202, relay.text)
    assert relay.health().status == 200
    assert [each["id"] for each in relay.drain()][: len(taken)] == taken
    assert relay.said("takes messages again") == 1, relay.text()
    print("it goes on by itself")
    relay.kill()
    relay.start()
    assert [each["id"] for each in relay.drain()][: len(taken)] == taken
    print("and nothing of it is lost")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    with RelayProcess(Path(sys.argv[1]), "a: rate: {messages: 100000}") as process:
        process.start()
        story(process, (Limit if sys.argv[2:] else Disk)(process))
