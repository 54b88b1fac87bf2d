"""The outbox by hand: what is asked of it in words is what is done, and a slip is named with its remedy."""

import json

import pytest
from rigs.stores import START_WALL, event, numbers, opened, recorded, step

from agent.delivery.body import Identity
from agent.desk import Desk, Terms, UnknownError
from agent.destinations.base import DestinationSection
from agent.model import MILLISECOND, SECOND, EventType, Priority
from agent.store import dead_letters
from agent.store.records import Addressed, Attempt, MarkCharged, MarkDead, MarkDelivered, Selection, Step
from agent.web.orders import HoldOrder, MalformedError, PauseOrder, ReplayOrder, read

SINCE = START_WALL // MILLISECOND


def desk(store, **sections: dict[str, object]):
    """A desk whose configuration knows a, and these."""
    known = {name: DestinationSection.model_validate(keys) for name, keys in {"a": {}, **sections}.items()}
    return Desk(store, Identity("dresden", "line-4", store.epoch), lambda: Terms(known, 7 * 86_400 * SECOND))


async def test_a_letter_is_shown_as_its_receiver_is_sent_it(tmp_path):
    """With the number before it at this destination, `late` once it was sent again, and each attempt."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, to=("b",)))
        await store.commit(step(2, to=("a",)))
        await store.commit(step(3, to=("a", "b")))
        store.mark(MarkCharged("b", 3, Attempt(5, 400, 0.25, "no such asset"), 9))
        store.mark(MarkDead("b", 3, 6, "refused"))
        letter = await desk(store, b={}).dead_letter("b", 3)
        assert json.loads(letter["body"])["data"]["previous"] == 1
        assert "late" not in json.loads(letter["body"])["data"]
        assert [(each["status"], each["text"]) for each in letter["attempts"]] == [(400, "no such asset")]

        await store.letters.resend(Selection(destination="b"))
        store.mark(MarkDead("b", 3, 7, "refused again"))
        letter = await desk(store).dead_letter("b", 3)
        assert json.loads(letter["body"])["data"]["late"] is True
        assert letter["id"] == json.loads(letter["body"])["data"]["id"] == "evt_3"


async def test_what_a_stranger_has_sent_is_not_listed(tmp_path):
    """A message on its way to a service may hold a token: people see that it is there, and how large."""
    async with opened(tmp_path / "store.db") as store:
        data = {"headers": {"x-gitlab-token": "canary"}, "body": "Y2FuYXJ5IQ==", "message_id": "msg_1"}
        carried = event(1, type=EventType.INBOUND_MESSAGE, data=data)
        await store.commit(Step([Addressed(carried, ("a",))]))
        [listed] = await desk(store).events({})

        assert "canary" not in str(listed)
        assert "Y2Fu" not in str(listed)
        assert (listed["data"]["message_id"], listed["data"]["bytes"]) == ("msg_1", 9)


async def test_an_event_is_shown_with_each_attempt_of_each_delivery(tmp_path):
    """Of each destination its own, oldest first; of one that is not kept any more, why it is not."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, to=("a", "b")))
        await store.commit(step(2, to=("a",)))
        for seq, status in ((1, 503), (1, 502), (2, 500)):
            store.mark(MarkCharged("a", seq, Attempt(5, status, 0.25, "later"), 9))
        store.mark(MarkDead("b", 1, 6, "refused", Attempt(6, None, 1.0, "no answer")))
        shown = await desk(store).event(1)
        tried = {
            each["destination"]: [attempt["status"] for attempt in each["attempts"]]
            for each in shown["deliveries"]
        }
        assert tried == {"a": [503, 502], "b": [None]}
        assert (shown["seq"], shown["id"], shown["data"]["seq"]) == (1, "evt_1", 1)

        await store.letters.drop(Selection())
        store.mark(MarkDelivered("a", 1, 7))
        await store.commit(step(3, to=("a", "b")))
        await store.prune(0)
        with pytest.raises(UnknownError, match=r"event 1 is not kept any more: .* for 7 d \(store: keep_del"):
            await desk(store).event(1)
        for seq in (0, 4, 2**63 - 1):
            with pytest.raises(UnknownError, match=f"there is no event {seq}: the newest is 3"):
                await desk(store).event(seq)


async def test_a_letter_is_shown_in_the_format_of_its_destination(tmp_path):
    """As it goes out, not as others get it."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1))
        store.mark(MarkDead("a", 1, 6, "refused"))
        letter = await desk(store, a={"format": "cloudevents"}).dead_letter("a", 1)

        assert json.loads(letter["body"])["specversion"] == "1.0"
        assert letter["data"]["seq"] == 1, "what it is about stands beside it as ever"


async def test_a_long_order_is_asked_for_in_parts(tmp_path, monkeypatch):
    """The answers add up, and name the number to go on after until nothing is left."""
    monkeypatch.setattr(dead_letters, "_CEILING", dead_letters._CEILING.replace("LIMIT 500", "LIMIT 2"))
    monkeypatch.setattr(dead_letters, "BITE", 2)
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(*range(1, 6)))
        for seq in range(1, 6):
            store.mark(MarkDead("a", seq, 6, "400"))
        place = {"after": "0", "limit": "2"}
        for verb, word, total in (("count", "counts", 0), ("resend", "resent", 5)):
            after, parts = 0, []
            while after is not None:
                answer = await getattr(desk(store), verb)({**place, "after": str(after), "destination": "a"})
                after = answer["next"]
                parts.append(answer[word]["a"]["count"] if word == "counts" else answer[word])
            assert parts == [2, 2, 1]
            assert store.waiting_count() == total


async def test_a_slip_in_what_is_asked_is_named(tmp_path):
    """Not an empty list, and not an error of the agent."""
    async with opened(tmp_path / "store.db") as store:
        counter = desk(store)
        with pytest.raises(UnknownError, match="no destination clod"):
            await counter.resend({"destination": "clod"})
        for name in ("seq", "since", "until", "after", "limit"):
            with pytest.raises(MalformedError, match=f"{name}: expected a number, got 'soon'"):
                await counter.drop({name: "soon"})
        for order in ({"destination": "aa"}, {"to": "aa"}):
            with pytest.raises(UnknownError, match="there is no destination aa: did you mean `a`"):
                await counter.replay(ReplayOrder(since_ms=0, **order))
        with pytest.raises(UnknownError, match="no dead letter 7 for a: `edge-relay deadletters list`"):
            await counter.dead_letter("a", 7)


async def test_a_replay_says_how_much_and_how_long_it_is_kept_before_it_is_done(tmp_path):
    """Events that come after the count are no part of it."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1, 2))
        for seq in (1, 2):
            store.mark(MarkDelivered("a", seq, 6))
        counted = await desk(store).replay(ReplayOrder(since_ms=SINCE, dry_run=True))
        assert counted["counts"]["a"]["count"] == 2
        assert (counted["upto"], counted["next"], counted["keep_delivered_s"]) == (2, None, 604_800)
        assert store.waiting_count() == 0
        await store.commit(step(3))
        store.mark(MarkDelivered("a", 3, 6))

        answer = await desk(store).replay(ReplayOrder(since_ms=SINCE, upto=counted["upto"]))
        assert (answer["replayed"], answer["next"]) == (2, None)
        assert numbers(await store.waiting("a", 0, 9)) == [1, 2]


async def test_a_new_destination_gets_what_it_would_have_been_sent(tmp_path):
    """By its own subscription, and nothing about itself."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        made = [
            event(1, priority=Priority.LOW),
            event(2),
            event(3, type=EventType.TAG_CHANGED),
            event(4, type=EventType.DELIVERY_FAILING, subject="destination:b"),
            event(5),
        ]
        await store.commit(Step([Addressed(each, ("a",)) for each in made]))
        announced = recorded(store)
        counter = desk(store, b={"events": ["alarm.*", "delivery.*"], "priority": ["high"]})

        dry = await counter.replay(ReplayOrder(since_ms=SINCE, to="b", dry_run=True))
        assert (dry["counts"]["b"]["count"], announced) == (2, [])
        assert (await counter.replay(ReplayOrder(since_ms=SINCE, to="b")))["replayed"] == 2
        assert numbers(announced[0][1]) == [2, 5]


@pytest.mark.parametrize(
    ("kind", "written", "sentence"),
    [
        (ReplayOrder, {}, "since_ms: Field required"),
        (ReplayOrder, {"since_ms": "now"}, "since_ms: Input should be a valid integer"),
        (
            ReplayOrder,
            {"since_ms": 5, "until_ms": 5},
            "until is not after since: nothing lies between them, give a later one",
        ),
        (
            ReplayOrder,
            {"since_ms": 5, "to": "a", "destination": "b"},
            "destination sends again what it was sent, to what it was never sent: give one",
        ),
        (ReplayOrder, {"since_ms": 5, "form": "a"}, "form: Extra inputs are not permitted"),
        (HoldOrder, {"for_s": 0}, "for_s: Input should be greater than 0"),
        (HoldOrder, {"for_s": 1e9}, "for_s: Input should be less than or equal to 31622400"),
        (HoldOrder, {"reason": "x" * 501}, "reason: String should have at most 500 characters"),
        (PauseOrder, {}, "for_s: Field required"),
    ],
)
def test_an_order_that_means_nothing_is_refused(kind, written, sentence):
    """With the key, in a sentence."""
    with pytest.raises(MalformedError) as refused:
        read(kind, json.dumps(written).encode())

    assert str(refused.value) == sentence
