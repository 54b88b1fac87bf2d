"""What a relay brings that nothing can be made of: told to the cloud, the audit and people, and never a flood."""

import asyncio
from contextlib import asynccontextmanager

from rigs.agent_process import until
from rigs.poll_relay import answer, poll_relay, says
from rigs.reception import house
from rigs.signed import SECRET
from rigs.sse_channel import sse_channel, stream_id

from agent.clock import SystemClock
from agent.inbound.poll.config import PollRelay
from agent.inbound.sse.config import SseRelay
from agent.inbound.sse.messages import write_cursor
from agent.model import SECOND, EventType
from agent.relays import Relays

COMMON = {"verify": {"secret": SECRET}, "routes": {"set": {"type": "set", "write": {"tag": "T"}}}}


def polled(relay):
    return PollRelay.model_validate(
        {"type": "poll", "url": relay.url, "token": relay.token, "every": "1s", **COMMON}
    )


@asynccontextmanager
async def at_work(path, config, clock=None):
    """A relay at work over a store; gives both, and what people are told of the relay."""
    async with house(path) as made:
        relays = Relays(made.reception, made.store, clock or SystemClock(), lambda: 0.0)
        running = asyncio.create_task(relays.run())
        await asyncio.sleep(0)
        await relays.change({"cloud": config})
        try:
            yield made, lambda: relays.status()["cloud"]
        finally:
            await relays.stop()
            running.cancel()
            await asyncio.wait([running])


def told(records):
    return [record.message for record in records if record.levelname == "WARNING"]


async def test_what_cannot_be_used_is_told_to_everyone_once(tmp_path, caplog):
    """Forty pieces of junk: one event for the cloud, one line of the audit that counts, one of the log."""
    async with poll_relay() as relay:
        for _ in range(40):
            relay.post("no object")
        async with at_work(tmp_path / "events.db", polled(relay)) as (made, status):
            relay.put(**dict(zip(("body", "headers"), _set(made), strict=True)))
            await until(lambda: made.acting, "taken")
            shown, events, audit = status(), await made.events(), await made.audit()

    assert (shown["state"], shown["taken"], shown["unusable"]) == ("up", 41, 40)
    assert shown["reason"] == "40 of its messages cannot be used, the last: a message that is no JSON object"
    [event] = [event for event in events if event.type is EventType.INBOUND_REJECTED]
    assert event.data["reason"] == "a message that is no JSON object"
    assert ("a message that is no JSON object", 40) in audit
    assert told(caplog.records) == [
        "relay cloud: a message that is no JSON object; it is left out (40 so far)"
    ]


def _set(made):
    message = made.message()
    return message.body, dict(message.headers)


class _Later(SystemClock):
    ahead = 0

    def monotonic(self) -> int:
        return super().monotonic() + self.ahead


async def test_the_log_tells_of_junk_once_a_minute(tmp_path, caplog):
    """However much comes; the latest, with how much it was."""
    clock = _Later()
    async with sse_channel("smee") as channel:
        config = SseRelay.model_validate({"type": "sse", "url": channel.url, **COMMON})
        async with at_work(tmp_path / "events.db", config, clock) as (_, status):
            for number in range(1, 6):
                await until(lambda: channel.streams, "a stream")
                channel.post('{"future":true}')
                await until(lambda n=number: status()["unusable"] == n, "told")
                clock.ahead += (number == 3) * 60 * SECOND

    assert [text.rpartition("(")[2] for text in told(caplog.records)] == ["1 so far)", "4 so far)"]


async def test_history_that_a_relay_has_lost_reaches_the_cloud_and_people(tmp_path, caplog):
    """Whoever sent it can send it again; it stays on the status page, whatever else comes."""
    async with sse_channel() as channel:
        for _ in range(3):
            channel.put(b"{}")
        channel.trimmed = 2
        config = SseRelay.model_validate({"type": "sse", "url": channel.url, **COMMON})
        async with house(tmp_path / "events.db") as made:
            await made.accept(cursor=write_cursor(stream_id(0), channel.url))
        async with at_work(tmp_path / "events.db", config) as (made, status):
            await until(lambda: status()["taken"] == 2, "taken")
            channel.post('{"future":true}')
            await until(lambda: status()["unusable"] == 2, "told")
            shown, events, audit = status(), await made.events(), await made.audit()

    lost = f"it does not keep everything any more since {stream_id(0)}"
    assert shown["reason"].startswith(lost)
    assert lost in told(caplog.records)[0]
    assert any(event.data["reason"].startswith(lost) for event in events if "reason" in event.data)
    assert any(reason.startswith(lost) for reason, _ in audit)


async def test_a_relay_that_brings_nothing_new_for_ever_is_left_waiting(tmp_path):
    """Each answer would cost a commit, a hundred a second: it waits, ever longer; what is new is not held up."""
    async with poll_relay() as relay, at_work(tmp_path / "events.db", polled(relay)) as (made, status):
        again = [says(body=answer({"id": "m"}, iterator=f"it 0/{n}")) for n in range(5_000)]
        relay.next_answers = again
        await until(lambda: status()["taken"] >= 10, "taken")
        began, before = asyncio.get_running_loop().time(), status()["taken"]
        await until(lambda: status()["taken"] >= before + 10, "taken")
        took = asyncio.get_running_loop().time() - began
        relay.put(**dict(zip(("body", "headers"), _set(made), strict=True)))
        relay.next_answers = [says(body=answer(*relay.entries, iterator="it 0/1", done=True))]
        await until(lambda: made.acting, "taken")

    assert took >= 0.9


async def test_a_relay_that_brings_something_new_is_not_left_waiting(tmp_path, monkeypatch):
    """Three answers of a message each come one after the other, though a rest would take an hour."""
    monkeypatch.setattr("agent.relays._REST_S", 3600.0)
    monkeypatch.setattr("agent.relays._LONGEST_REST_S", 3600.0)
    async with poll_relay(per_answer=1) as relay, at_work(tmp_path / "events.db", polled(relay)) as (made, _):
        for identity in ("msg_1", "msg_2", "msg_3"):
            message = made.message(identity=identity)
            relay.put(message.body, dict(message.headers))
        await until(lambda: len(made.acting) == 3, "taken")
