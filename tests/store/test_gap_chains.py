"""A record of a gap names, for each destination, what of its chain is gone: its receiver can prove the rest."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rigs.stores import event, opened

from agent.model import EventType, Priority
from agent.store.gaps import Gap, chained, told
from agent.store.records import Addressed, MarkDead, MarkDelivered, Step


@given(st.data())
def test_runs_of_a_chain_cover_what_is_gone_and_nothing_that_is_left(data):
    """Whatever goes, in however many records: each link that is gone lies in a run, none that is left does."""
    numbers = sorted(data.draw(st.sets(st.integers(1, 80), min_size=1)))
    links = list(zip([0, *numbers], numbers, strict=False))
    gone = data.draw(st.sets(st.sampled_from(links)))
    records = [{"a": (each,)} for each in gone] + [{"a": (link, (9, 4))} for link in list(gone)[:2]]
    runs = chained(records).get("a", ())

    covered = {number for low, high in runs for number in range(low + 1, high + 1)}
    assert covered == {number for low, high in gone for number in range(low + 1, high + 1)}
    assert all(one[1] < other[0] for one, other in pairwise(runs))


def test_a_record_is_read_as_it_was_written():
    """A later one takes its place, and must not forget what it named."""
    gap = Gap(
        "undelivered", "low", ((3, 5), (9, 9)), {"a": 3, "b": 1}, chains={"a": ((2, 5),), "b": ((0, 9),)}
    )
    written = event(1, type=EventType.STORE_OVERFLOW, data=gap.data("2 MB"))

    assert told(written) == gap


async def test_what_was_given_up_is_named_by_whom_it_was_meant_for(tmp_path):
    """Two destinations, of which one has taken a part: each run begins with the number before it there."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        heard = []
        store.room.limit = lambda: 2_000_000
        store.room.address = lambda made: heard.append(made) or Addressed(made, ())
        for number in range(1, 601):
            low = event(number, priority=Priority.LOW, data={"bulk": "x" * 3_000})
            to = [name for name, wanted in (("a", number % 3), ("b", number % 2)) if wanted]
            await store.commit(Step([Addressed(low, tuple(to))]))
            if "b" in to:
                store.mark(MarkDelivered("b", number, 0))
        store.mark(MarkDead("a", 20, 0, "400"))
        store.mark(MarkDelivered("a", 31, 0))
        await store.room.keep()

        gone = [made.data for made in heard if made.type is EventType.STORE_OVERFLOW]
        runs = chained(
            {name: tuple(map(tuple, each)) for name, each in data["chains"].items()} for data in gone
        )
        last = gone[-1]["last"]
        assert (last > 40, last % 3 > 0) == (True, True)
        assert runs == {"a": ((0, 29), (31, last))}
