"""Destinations come and go with the configuration; what waits for one that went is not lost."""

from rigs.stores import numbers, opened, recorded, step

from agent.store import destinations
from agent.store.records import DestinationFacts, MarkDelivered, Selection


async def test_what_waits_for_a_removed_destination_becomes_dead_letters(tmp_path, monkeypatch):
    """In bites, counted, with the reason; what was delivered by then is delivered."""
    monkeypatch.setattr(destinations, "BITE", 2)
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, 2, 3, 4, 5, 6, to=("a", "b")))
        store.mark(MarkDelivered("b", 6, 7))

        assert await store.sync_destinations(["a"]) == {"b": 5}
        assert (store.waiting_count("b"), store.dead_count("b"), store.oldest_waiting("b")) == (0, 5, None)
        assert store.waiting_count("a") == 6
        letters = await store.letters.dead(Selection(reason="destination_removed"), 10)
        assert [letter.seq for letter in letters] == [1, 2, 3, 4, 5]
        assert await store.sync_destinations(["a"]) == {}


async def test_letters_of_a_removed_destination_are_resent_when_it_is_back(tmp_path):
    """Not before: nobody would take them."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, to=("b",)))
        await store.sync_destinations(["a"])
        assert (await store.letters.resend(Selection())).count == 0

        await store.sync_destinations(["a", "b"])
        assert (await store.letters.resend(Selection())).count == 1
        assert numbers(await store.waiting("b", 0, 10)) == [1]


async def test_a_new_destination_starts_now_and_a_returning_one_goes_on(tmp_path):
    """`previous` of the first event is None; of one that was away, the last it was addressed."""
    async with opened(tmp_path / "store.db", "a") as store:
        await store.commit(step(1, 2, to=("a",)))
        await store.sync_destinations(["b"])
        await store.commit(step(3, to=("b",)))
    async with opened(tmp_path / "store.db", "a", "b") as store:
        announced = recorded(store)
        await store.commit(step(4, to=("a", "b")))

        assert [(one.destination, one.previous) for one in announced[0][1]] == [("a", 2), ("b", 3)]


async def test_a_destinations_health_survives_a_restart(tmp_path):
    """Disabled stays disabled; of a removed one nothing is remembered."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.set_destination("a", DestinationFacts(disabled="410 Gone"))
        await store.set_destination("b", DestinationFacts(failing_since_wall=17))
    async with opened(tmp_path / "store.db", "a", "b") as store:
        assert await store.destination_facts() == {
            "a": DestinationFacts(disabled="410 Gone"),
            "b": DestinationFacts(failing_since_wall=17),
        }
        await store.sync_destinations(["a"])
        assert (await store.destination_facts())["b"] == DestinationFacts()
