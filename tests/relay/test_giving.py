"""`GET /out/CHANNEL` of a real relay: iterators, acknowledgement, long polling, bounds."""

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rigs.relay_process import POST, RelayProcess, until

NAMES = ("a", "two", "wait", "large", "back", "held", "past", "other", "unread")


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    channels = "\n".join(f"{name}: rate: {{messages: 100000}}, max_body: 5MB" for name in NAMES)
    with RelayProcess(tmp_path_factory.mktemp("relay"), channels) as process:
        yield process.start()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(20) as pool:
        yield pool


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_shape_is_that_of_svix(relay):
    """id, eventType, payload, timestamp of each message; iterator and done; and how long one may wait."""
    stored = relay.post(b'{"type": "order.created", "data": [1, 2]}')
    answer = relay.poll()

    [message] = answer.json["data"]
    assert (message["id"], message["eventType"]) == (stored.json["id"], "order.created")
    assert message["id"].startswith("msg_")
    assert message["payload"] == {"type": "order.created", "data": [1, 2]}
    assert message["timestamp"].endswith("Z")
    assert answer.json["done"] is True
    assert answer.headers["Relay-Wait"] == "60"
    empty = relay.poll(iterator=answer.json["iterator"]).json
    assert empty == {"data": [], "iterator": answer.json["iterator"], "done": True}


def test_what_was_acknowledged_can_still_be_read_and_each_consumer_has_its_own_place(relay):
    """Two get everything; the furthest acknowledges; a restored agent that begins anew gets all again."""
    ids = [relay.post(b"%d" % number, "two").json["id"] for number in range(5)]
    first = relay.poll("two", limit=3)
    assert (first.ids, first.json["done"]) == (ids[:3], False)
    assert relay.metric("waiting", channel="two") == 5
    rest = relay.poll("two", iterator=first.json["iterator"])
    assert (rest.ids, rest.json["done"]) == (ids[3:], True)
    until(lambda: relay.metric("waiting", channel="two") == 2, relay.text)

    assert relay.poll("two", limit=1).ids == ids[:1]
    assert [each["id"] for each in relay.drain("two", limit=2)] == ids
    until(lambda: relay.metric("waiting", channel="two") == 1, relay.text)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"iterator": "nonsense"}, "invalid_iterator"),
        ({"iterator": "00000000-1"}, "invalid_iterator"),
        ({"iterator": "EPOCH-99"}, "invalid_iterator"),
        ({"iterator": "OTHER-0"}, "invalid_iterator"),
        ({"iterator": "EPOCH--1"}, "invalid_iterator"),
        ({"limit": "0"}, "invalid_limit"),
        ({"limit": "251"}, "invalid_limit"),
        ({"limit": "x"}, "invalid_limit"),
        ({"wait": "-1"}, "invalid_wait"),
        ({"wait": "soon"}, "invalid_wait"),
        ({"after": "yesterday"}, "invalid_after"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_code(relay, query, code):
    """An iterator of another database, of another channel, of a future, or none at all; limits out of range."""
    epochs = {
        "EPOCH": relay.poll().json["iterator"].partition("-")[0],
        "OTHER": relay.poll("other").json["iterator"].partition("-")[0],
    }
    known = {
        key: next((value.replace(word, epoch) for word, epoch in epochs.items() if word in value), value)
        for key, value in query.items()
    }
    answer = relay.poll(**known)

    assert (answer.status, answer.json["code"]) == (400, code)
    assert answer.json["detail"]
    assert answer.headers["Relay-Wait"] == "60"


def test_a_stop_answers_who_waits_and_an_iterator_means_the_same_afterwards(tmp_path, threads):
    """Status 0 within five seconds; where the database is new, the iterator is refused, and the agent begins anew."""
    with RelayProcess(tmp_path, "a:") as relay:
        relay.start()
        first = relay.post(b"1").json["id"]
        iterator = relay.poll().json["iterator"]
        asking = threads.submit(relay.poll, wait=60, iterator=iterator)
        until(lambda: relay.metric("held_polls", channel="a") == 1, relay.text)
        assert relay.stop() < 5
        assert (asking.result(30).status, asking.result().json["done"]) == (200, True)
        relay.start()
        assert relay.poll(iterator=iterator).ids == []
        second = relay.post(b"2").json["id"]
        assert relay.poll(iterator=iterator).ids == [second]
        assert relay.poll().ids == [first, second]
        relay.stop()
        for file in (tmp_path / "data").iterdir():
            file.unlink()
        relay.start()
        assert relay.poll(iterator=iterator).json["code"] == "invalid_iterator"


def test_a_plant_that_was_ahead_of_a_restored_file_begins_anew(tmp_path):
    """Its iterator would skip what came since; and it acknowledges nothing of that."""
    data = tmp_path / "data"
    with RelayProcess(tmp_path, "a:") as relay:
        relay.start()
        first = relay.post(b"1").json["id"]
        early = relay.poll().json["iterator"]
        relay.stop()
        shutil.copytree(data, tmp_path / "backup")
        relay.start()
        relay.post(b"2")
        late = relay.poll().json["iterator"]
        relay.kill()
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "backup", data)
        relay.start()
        ids = [relay.post(b"3").json["id"] for _ in range(3)]
        assert relay.poll(iterator=late).json["code"] == "invalid_iterator"
        assert relay.metric("waiting", channel="a") == 4
        assert relay.poll(iterator=early).ids == ids
        assert relay.poll().ids == [first, *ids]


def test_a_hangup_does_not_end_it(tmp_path):
    """SIGHUP, which scripts send after a change: it says what needs a restart."""
    with RelayProcess(tmp_path, "a:") as relay:
        relay.start()
        relay.process.send_signal(signal.SIGHUP)
        until(lambda: relay.said("SIGHUP: a renewed certificate is taken") == 1, relay.text)
        assert relay.post().status == 202


def test_who_may_ask(relay):
    """The channel's poll_token as a bearer token alone; a channel that is none answers the same."""
    answers = [
        relay.poll(token=POST),
        relay.poll(token=None),
        relay.poll("nobody"),
        relay.ask("/out/a?token=poll-token-0123456789"),
    ]

    assert [answer.status for answer in answers] == [401] * 4
    assert len({answer.content for answer in answers}) == 1


def test_a_question_that_waits_is_answered_when_something_comes(relay, threads):
    """All who wait get it at once; who waits for nothing gets an empty answer in time."""
    iterator = relay.poll("wait").json["iterator"]
    asking = [threads.submit(relay.poll, "wait", iterator=iterator, wait=60) for _ in range(3)]
    until(lambda: relay.metric("held_polls", channel="wait") == 3, relay.text)
    began = time.monotonic()
    stored = relay.post(b"1", "wait").json["id"]

    assert [each.result(30).ids for each in asking] == [[stored]] * 3
    assert time.monotonic() - began < 10
    later = asking[0].result().json["iterator"]
    empty = relay.poll("wait", iterator=later, wait=0.2).json
    assert (empty["data"], empty["done"]) == ([], True)


def test_held_questions_cost_no_time_of_the_processor_and_have_a_bound(relay, threads):
    """Sixteen are held, the next is told to come again; over a second they take less than a tenth of one."""
    iterator = relay.poll("held").json["iterator"]
    asking = [threads.submit(relay.poll, "held", iterator=iterator, wait=60) for _ in range(16)]
    until(lambda: relay.metric("held_polls", channel="held") == 16, relay.text)
    before = cpu_seconds(relay.process.pid)
    time.sleep(1)
    assert cpu_seconds(relay.process.pid) - before < 0.1
    assert relay.poll("held", iterator=iterator, wait=1).status == 429
    relay.post(b"1", "held")

    assert all(len(each.result(30).ids) == 1 for each in asking)


def test_a_plant_that_is_gone_holds_no_question(relay):
    """Its place is free when its connection is closed."""
    iterator = relay.poll("held", limit=250).json["iterator"]
    with relay.raw() as connection:
        request = f"GET /out/held?wait=60&iterator={iterator} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer poll-token-0123456789\r\n\r\n"
        connection.sendall(request.encode())
        until(lambda: relay.metric("held_polls", channel="held") == 1, relay.text)

    until(lambda: relay.metric("held_polls", channel="held") == 0, relay.text)
    assert "Traceback" not in relay.text()


def test_an_answer_has_a_bound_in_bytes_and_one_message_in_any_case(relay):
    """Messages of 5 MB come one by one, small ones up to the limit; nothing is left out."""
    ids = [relay.post(bytes([number]) * 5_000_000, "large").json["id"] for number in range(2)]
    ids += [relay.post(b"y" * 300_000, "large").json["id"] for _ in range(10)]
    parts, iterator, done = [], "", False
    while not done:
        answer = relay.poll("large", limit=250, iterator=iterator)
        assert len(answer.content) < 7_000_000
        parts.append(answer.ids)
        iterator, done = answer.json["iterator"], answer.json["done"]

    assert [name for part in parts for name in part] == ids
    assert [len(part) for part in parts] == [1, 1, 6, 4]


def test_an_answer_that_is_not_read_counts_as_under_way(relay):
    """It holds its memory until it is read, or the plant is gone."""
    relay.post(b"z" * 5_000_000, "unread")
    with relay.raw() as connection:
        connection.sendall(
            b"GET /out/unread HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer poll-token-0123456789\r\n\r\n"
        )
        until(lambda: relay.metric("handed_over_total", channel="unread") == 1, relay.text)
        assert relay.metric("held_polls", channel="unread") == 1

    until(lambda: relay.metric("held_polls", channel="unread") == 0, relay.text)


def test_after_leaves_out_what_came_before(relay):
    """By the time at which the relay took it; what is left out is not asked for again."""
    relay.post(b"1", "past")
    second = relay.post(b"2", "past").json["id"]
    until(lambda: len(relay.poll("past").ids) == 2, relay.text)
    [early, late] = (message["timestamp"] for message in relay.poll("past").json["data"])

    assert second in relay.poll("past", after=early).ids
    none = relay.poll("past", after="2999-01-01T00:00:00Z", wait=0).json
    assert (none["data"], none["done"]) == ([], True)
    assert relay.poll("past", iterator=none["iterator"]).ids == []
    assert late >= early
