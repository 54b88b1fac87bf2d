"""What was answered 202 is served: after kill -9 while many post, and from a file that is damaged meanwhile."""

import base64
import contextlib
import http.client
import random
import threading
import time
import urllib.error

from rigs.relay_process import RelayProcess, until

KILLS = 3
SENDERS = 4


def follow(relay, got, stop):
    """Ask as a plant does: from where it was, over every kill; what came into `got`, in order."""
    iterator = {}
    while not stop.is_set():
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = relay.poll(**iterator, wait=1, limit=20)
            assert answer.status in (200, 503), answer
            if answer.status == 200:
                got += answer.json["data"]
                iterator = {"iterator": answer.json["iterator"]}


def test_no_kill_loses_what_was_taken(tmp_path):
    """At random moments, again and again on the same file; and the order of each sender is kept.

    So it does for a plant that asks meanwhile, each time from its place: nothing is left out or comes twice.
    """
    dice, taken, got, end = random.Random(6), {}, [], threading.Event()
    with RelayProcess(tmp_path, "a: rate: {messages: 100000}") as relay:
        plant = threading.Thread(target=follow, args=(relay, got, end))
        for round_ in range(KILLS):
            relay.start()
            if round_ == 0:
                plant.start()
            stop = threading.Event()

            def send(sender, round_=round_, stop=stop):
                number = 0
                while not stop.is_set():
                    number += 1
                    body = f"{round_} {sender} {number} ".encode() + random.Random(number).randbytes(600)
                    with contextlib.suppress(OSError, urllib.error.URLError):
                        answer = relay.post(body)
                        if answer.status == 202:
                            taken[answer.json["id"]] = body

            senders = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
            before = len(taken)
            for sender in senders:
                sender.start()
            wanted = before + dice.randrange(5, 60)
            while len(taken) < wanted:
                time.sleep(0.001)
            time.sleep(dice.uniform(0, 0.01))
            relay.kill()
            stop.set()
            for sender in senders:
                sender.join()
        relay.start()
        all_there_is = relay.drain(limit=250)
        served = {each["id"]: base64.b64decode(each["bodyB"]) for each in all_there_is}
        until(lambda: len(got) >= len(served) or not plant.is_alive(), relay.text)
        end.set()
        plant.join()

    assert taken.items() <= served.items()
    assert got == all_there_is
    assert len(taken) > KILLS * 5
    places = [tuple(map(int, body.split(b" ")[:3])) for body in served.values()]
    for sender in range(SENDERS):
        mine = [(round_, number) for round_, each, number in places if each == sender]
        assert mine == sorted(mine)


def test_a_file_that_is_damaged_under_it_is_salvaged_without_a_service_manager(tmp_path):
    """It starts anew by itself with what can be read, in the same process; what is unreadable is all that is missing."""
    with RelayProcess(tmp_path, "a: rate: {messages: 100000}") as relay:
        relay.start()
        taken = [relay.post(b"%d " % number + b"x" * 50_000).json["id"] for number in range(150)]
        file = tmp_path / "data" / "mailbox.db"
        with file.open("r+b") as stream:
            for start in range(file.stat().st_size // 3, file.stat().st_size * 2 // 3, 4096 * 60):
                stream.seek(start // 4096 * 4096)
                stream.write(b"\xa5" * 4096)

        def salvaged():
            with contextlib.suppress(OSError, KeyError):  # nobody listens for a moment, or it is a 503
                relay.drain()
            return relay.said("ready:") == 2

        until(salvaged, relay.text)
        left = [each["id"] for each in relay.drain(limit=250)]
        assert relay.process.poll() is None
        assert 75 < len(left) < 150
        assert left == [name for name in taken if name in set(left)]
        assert relay.post(b"on").status == 202
