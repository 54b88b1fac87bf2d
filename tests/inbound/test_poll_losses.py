"""A polling endpoint that drops, repeats, reorders, expires, dies and lies: what it keeps arrives.

The session is real, and so is the relay; what stands in the place of the supervisor begins the next
session where the store stood. All pauses are short here: what is waited is shown in test_poll_turns.
"""

import asyncio

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from rigs.census import census, settled
from rigs.poll_relay import PollRelay, answer, says
from rigs.poll_turns import section
from rigs.relay_session import PATIENCE, Session

from agent.inbound.poll import session as under_test
from agent.inbound.poll.answers import read_place
from agent.model import MILLISECOND

MESSAGES = 12


class Flaky(PollRelay):
    """Attributes.

    weather: what it does with the next questions, one each; after that it is well.
    acknowledgeable: the iterators that `accept` has returned for; any other in a question is a loss to come.
    """

    def __init__(self, weather, desk) -> None:
        super().__init__(per_answer=3)
        self.weather = list(weather)
        self.desk = desk
        self.lied = []
        self.reorders = False
        self.gone = set()

    async def ordinary(self, request):
        given_back = request.query.get("iterator", "")
        stored = read_place(self.desk.cursor, str(request.url)).iterator
        if given_back not in {"", stored}:
            self.lied.append((given_back, stored))
        what = self.weather.pop(0) if self.weather else "well"
        return await getattr(self, f"_{what}")(request)

    def data(self, first, limit):
        found = [each for each in super().data(first, limit) if each["id"] not in self.gone]
        return found[::-1] if self.reorders else found

    async def _well(self, request):
        return await super().ordinary(request)

    async def _drops(self, request):
        """A message that was not acknowledged is kept no longer."""
        untaken = [each["id"] for each in self.entries if each["id"] not in self.desk.known]
        self.gone.update(untaken[:1])
        return await self._well(request)

    async def _repeats(self, request):
        """All that was ever there, and the place that was asked for."""
        iterator = request.query.get("iterator", "it 0/0")
        return web.json_response(text=answer(*self.data(0, 100), iterator=iterator, done=False))

    async def _reorders(self, request):
        self.reorders = True
        return await self._well(request)

    async def _expires(self, request):
        self.expire()
        return await self._well(request)

    async def _has_nothing(self, request):
        iterator = request.query.get("iterator") or self.iterator(0)
        return web.json_response(text=answer(iterator=iterator, done=False))

    async def _dies(self, request):
        """In the middle of a good answer."""
        text = (await self._well(request)).body
        response = web.StreamResponse(headers={"Content-Length": str(len(text))})
        await response.prepare(request)
        await response.write(text[: len(text) // 2])
        request.transport.close()
        return response

    async def _is_busy(self, request):
        return await says(429, Retry_After="7")(request)

    async def _fails(self, request):
        return await says(500)(request)

    async def _lies(self, request):
        return await says(body='{"data":[{"id":"never"}],"iterator":"it 9/9"}')(request)

    async def _babbles(self, request):
        return await says(body="<html>")(request)


WEATHER = [name.removeprefix("_") for name in vars(Flaky) if name.startswith("_") and name[1] != "_"]


class Desk(Session):
    """Takes messages as the store does: it refuses at times."""

    def __init__(self, refusals) -> None:
        super().__init__()
        self.refusals = list(refusals)
        self.known = set()

    async def accept(self, messages, cursor=None):
        self.refusing = bool(messages and self.refusals and self.refusals.pop(0))
        await asyncio.sleep(0)  # the commit: a place to be killed in
        await super().accept(messages, cursor)
        self.known |= {message.relay_id for message in messages}


async def _taken_over(weather, refusals, kills):
    """Run sessions one after the other until all that is kept was taken; `kills`: turns of the loop, each."""
    desk = Desk(refusals)
    relay = Flaky(weather, desk)
    for number in range(MESSAGES):
        relay.put(b"%d" % number)
    await relay.start()
    config = section(relay).model_copy(update={"every": MILLISECOND})
    before = census()
    try:
        async with asyncio.timeout(PATIENCE):
            for turns in kills:
                desk.begin(config)
                for _ in range(turns):
                    await asyncio.sleep(0)
                await desk.cancel()
            while relay.weather or {each["id"] for each in relay.entries} - desk.known - relay.gone:
                if desk.task is None or desk.task.done():
                    desk.begin(config)
                await asyncio.sleep(0.001)
        if desk.task is not None:
            await desk.cancel()
        await settled(before)
    finally:
        await relay.stop()
    return relay, desk


@pytest.fixture(scope="module")
def short_pauses():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(under_test, "_STORE_PAUSE", 0.001)
        patched.setattr(under_test, "_FIRST_PAUSE", 0.001)
        patched.setattr(under_test, "_LONGEST_TOLD", MILLISECOND)
        yield


@given(
    weather=st.lists(st.sampled_from(WEATHER), max_size=12),
    refusals=st.lists(st.booleans(), max_size=4),
    kills=st.lists(st.integers(0, 120), max_size=4),
)
def test_whatever_a_relay_does_what_it_keeps_arrives(short_pauses, weather, refusals, kills):
    """At least once, in order unless it reorders, acknowledged after the store alone; killed, nothing stays open."""
    relay, desk = asyncio.run(_taken_over(weather, refusals, kills))

    kept = [each["id"] for each in relay.entries if each["id"] not in relay.gone - desk.known]
    firsts = list(dict.fromkeys(message.relay_id for message in desk.taken))
    assert not relay.lied
    assert sorted(firsts) == sorted(kept)
    assert relay.reorders or firsts == kept
    assert "never" not in firsts
    assert {(message.relay_id, message.body) for message in desk.taken} == {
        (f"msg_{number}", b"%d" % number) for number in range(MESSAGES) if f"msg_{number}" in firsts
    }
