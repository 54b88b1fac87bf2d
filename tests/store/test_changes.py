"""Whether anything has changed is known without reading: for whoever shows what is stored, twice a second."""

from rigs.stores import opened, step

from agent.store.messages import AuditFilter
from agent.store.records import EventFilter, MarkDead, MarkDelivered, Selection, Step


async def test_each_change_is_counted_and_a_look_is_none(tmp_path):
    """Events, outcomes before they are on disk, and what is done by hand; reading what is there changes nothing."""
    async with opened(tmp_path / "store.db") as store:

        def changed():
            nonlocal seen
            before, seen = seen, store.changes
            return seen != before

        seen = store.changes
        await store.commit(step(1, 2))
        assert changed()
        store.mark(MarkDelivered("a", 1, 6))
        assert changed()
        store.mark(MarkDead("a", 2, 6, "gone"))
        assert changed()
        await store.flush()
        assert changed()
        for _ in range(2):
            await store.events(EventFilter(), 9)
            await store.letters.dead(Selection(), 9)
            await store.inbox.newest(9)
            await store.audit.newest(AuditFilter(), 9)
            await store.commit(Step())
        assert not changed()
        await store.letters.resend(Selection())
        assert changed()
