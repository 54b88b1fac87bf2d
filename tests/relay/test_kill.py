"""kill -9 while many post: what was answered 202 is served afterwards, byte for byte."""

import base64
import contextlib
import random
import threading
import time
import urllib.error

from rigs.relay_process import RelayProcess

KILLS = 3
SENDERS = 4


def test_no_kill_loses_what_was_taken(tmp_path):
    """At random moments, again and again on the same file; and the order of each sender is kept."""
    dice, taken = random.Random(6), {}
    with RelayProcess(tmp_path, "a: rate: {messages: 100000}") as relay:
        for round_ in range(KILLS):
            relay.start()
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
        served = {each["id"]: base64.b64decode(each["bodyB"]) for each in relay.drain(limit=250)}

    assert taken.items() <= served.items()
    assert len(taken) > KILLS * 5
    places = [tuple(map(int, body.split(b" ")[:3])) for body in served.values()]
    for sender in range(SENDERS):
        mine = [(round_, number) for round_, each, number in places if each == sender]
        assert mine == sorted(mine)
