"""What a receiver's log proves: complete, or exactly the holes, whatever was shuffled, repeated, lost or declared."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.proving.ledger.entries import read_line
from agent.proving.ledger.statement import statements
from agent.proving.ledger.streams import Streams


def line(kind, **data: object):
    stamp = f"2026-11-21T08:{data.get('seq', 0) // 60:02d}:{data.get('seq', 0) % 60:02d}.000Z"
    identity = {"id": f"evt_{data.get('seq')}", "site": "dresden", "agent": "line-4", "epoch": "e1"}
    return json.dumps({"type": kind, "timestamp": stamp, "data": {**identity, **data}}).encode()


def alarm(seq, previous, **data: object):
    return line("alarm.raised", seq=seq, previous=previous, **data)


def beat(high_water, waiting=0, destination="cloud"):
    return line("agent.heartbeat", high_water=high_water, waiting=waiting, destination=destination)


def dead(seq, about, previous, destination="cloud", after=None):
    """Told to another receiver, as number `seq` there."""
    what = {"destination": destination, "event_seq": about, "reason": "400"}
    return line(
        "delivery.dead",
        seq=seq,
        previous=after,
        **what,
        **({} if previous == -1 else {"event_previous": previous}),
    )


def overflow(seq, previous, seqs, chains=None, counts=None, **data: object):
    return line(
        "store.overflow",
        seq=seq,
        previous=previous,
        first=seqs[0][0],
        last=seqs[-1][1],
        count=sum(last - first + 1 for first, last in seqs),
        seqs=seqs,
        destinations=counts or {},
        **data,
        **({} if chains is None else {"chains": chains}),
    )


def proved(*lines: bytes, beside=(), destination=""):
    facts = Streams()
    for each in lines:
        for entry in read_line(each):
            facts.take(entry)
    for each in beside:
        for entry in read_line(each):
            facts.take(entry, beside=True)
    return statements(facts, destination)


def holes(*lines: bytes, **options: object):
    """Of the only stream: (first, last, certain) of each hole."""
    [statement] = proved(*lines, **options)
    return [(hole.first, hole.last, hole.certain) for hole in statement.holes]


# --- any history ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """What was addressed to a destination, and what became of each."""

    numbers: list[int]
    lost: set[int]
    dead: set[int]
    gone: set[int]
    told: bool  # a heartbeat came at the end

    @property
    def links(self):
        return list(zip([None, *self.numbers], self.numbers, strict=False))

    def arrivals(self):
        away = self.lost | self.dead | self.gone
        return [alarm(seq, previous) for previous, seq in self.links if seq not in away]

    def declared(self):
        """Of the dead an event each, of what is gone one record; both are read beside."""
        told = [dead(1000 + seq, seq, previous) for previous, seq in self.links if seq in self.dead]
        runs = [[previous, seq] for previous, seq in self.links if seq in self.gone]
        if runs:
            told.append(
                overflow(2000, None, [[seq, seq] for _, seq in runs], {"cloud": runs}, {"cloud": len(runs)})
            )
        return told

    def expected(self):
        """Each run of lost ones, from the number after the last that is accounted for."""
        found, low = [], 0
        for place, seq in enumerate(self.numbers):
            if seq not in self.lost:
                low = seq
                continue
            following = self.numbers[place + 1 :]
            named = following or self.told
            if named and (not following or following[0] not in self.lost):
                # A tail of lost ones that no later arrival or record names shows only with a heartbeat.
                found.append((low + 1, seq, True))
        return found


@st.composite
def stories(draw):
    numbers = sorted(draw(st.sets(st.integers(1, 120), min_size=1, max_size=30)))
    fates = draw(st.lists(st.sampled_from("kkkkldg"), min_size=len(numbers), max_size=len(numbers)))
    of = {fate: {seq for seq, each in zip(numbers, fates, strict=True) if each == fate} for fate in "kldg"}
    return Story(numbers, of["l"], of["d"], of["g"], draw(st.booleans()))


@given(stories(), st.data())
def test_any_history_is_complete_or_its_losses_are_named_exactly(story, data):
    """Received, dead and given up are accounted for; what is lost is named, in any order, however often it came."""
    arrivals = story.arrivals()
    if story.told:
        arrivals.append(beat(story.numbers[-1]))
    if not arrivals:
        return
    repeated = data.draw(st.lists(st.sampled_from(arrivals), max_size=5))
    lines = data.draw(st.permutations([*arrivals, *repeated]))
    [statement] = proved(*lines, beside=story.declared(), destination="cloud")

    expected = story.expected()
    assert [(hole.first, hole.last, hole.certain) for hole in statement.holes] == expected
    assert statement.complete is (not expected)
    assert statement.received == len(story.arrivals())
    assert statement.again == sum(b"alarm" in each for each in repeated)


# --- the cases by name ------------------------------------------------------------------------------------


CHAIN = [alarm(1, None), alarm(4, 1), alarm(6, 4), alarm(9, 6)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (CHAIN, []),
        ([CHAIN[0], *CHAIN[2:]], [(2, 4, True)]),
        (CHAIN[1:], [(1, 1, True)]),
        (CHAIN[:3], []),
        ([*CHAIN[:3], beat(9)], [(7, 9, True)]),
        ([*CHAIN[:3], beat(6)], []),
        ([beat(4)], [(1, 4, True)]),
        ([beat(None)], []),
        ([CHAIN[0], CHAIN[3], alarm(6, 4, late=True), alarm(4, 1, late=True)], []),
        ([CHAIN[0], CHAIN[3], alarm(6, 4, late=True)], [(2, 4, True)]),
        ([alarm(1, None, late=True), *CHAIN[1:]], []),
        ([*CHAIN, alarm(5, 4, late=True), alarm(7, 9, late=True), alarm(2, None, late=True)], []),
        ([*CHAIN[:2], alarm(5, 4, late=True)], []),
        ([*CHAIN[:2], alarm(5, 9, late=True)], [(6, 9, True)]),
        ([alarm(8, None, late=True), alarm(20, 8)], []),
    ],
    ids=[
        *(
            "all",
            "one lost",
            "the first lost",
            "the last lost, and nobody knows",
            "the last lost, and a heartbeat",
        ),
        *("a heartbeat that is behind", "nothing but a heartbeat", "nothing was addressed here"),
        *("sent again", "one of two sent again", "the first was sent again", "fallen back from others"),
        *("fallen back at the end", "what is late names what is lost", "fallen back before a restart"),
    ],
)
def test_holes_by_name(lines, expected):
    """What is late fills its place, and what fell back from another destination makes no hole."""
    assert holes(*lines) == expected
    assert holes(*reversed(lines)) == expected


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        ([CHAIN[0], *CHAIN[2:]], {"beside": [dead(7, 4, 1)]}, []),
        (
            [CHAIN[0], *CHAIN[2:]],
            {"beside": [dead(7, 4, 1, "other")], "destination": "cloud"},
            [(2, 4, True)],
        ),
        ([CHAIN[0], *CHAIN[2:], beat(9)], {"beside": [dead(7, 4, 1, "other")]}, [(2, 4, True)]),
        ([CHAIN[0], *CHAIN[2:], dead(10, 4, 1, after=9)], {}, [(2, 4, True)]),
        ([CHAIN[0], CHAIN[3]], {"beside": [dead(7, 6, 4)]}, [(2, 4, True)]),
        ([CHAIN[0], CHAIN[3]], {"beside": [dead(7, 6, -1)]}, [(2, 5, False)]),
        ([alarm(1, None), alarm(3, 2)], {"beside": [dead(7, 2, -1)]}, []),
        ([alarm(1, None), beat(2)], {"beside": [dead(7, 2, 1)]}, []),
    ],
    ids=[
        *(
            "named beside",
            "named for another",
            "named for another, as heartbeats tell",
            "told here: it is another's",
        ),
        *(
            "one of two named",
            "named without its predecessor",
            "without it, and there is no room for more",
            "the last",
        ),
    ],
)
def test_dead_letters_are_no_holes_where_another_receiver_was_told_of_them(lines, options, expected):
    """Exactly those; an event that an agent tells here is never about this destination."""
    assert holes(*lines, **options) == expected


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        ([alarm(1, None), overflow(9, 6, [[3, 6]], {"cloud": [[1, 6]]})], {"destination": "cloud"}, []),
        (
            [alarm(1, None), overflow(9, 6, [[3, 6]], {"cloud": [[4, 6]]})],
            {"destination": "cloud"},
            [(2, 4, True)],
        ),
        (
            [alarm(1, None), overflow(9, 6, [[3, 6]], {"other": [[1, 6]]})],
            {"destination": "cloud"},
            [(2, 6, True)],
        ),
        ([alarm(1, None), overflow(9, 6, [[3, 6]], {"cloud": [[1, 6]]})], {}, [(2, 2, False)]),
        ([alarm(1, None), overflow(9, 6, [[2, 6]])], {}, []),
        ([alarm(1, None), overflow(9, 6, [[2, 2], [5, 6]])], {}, [(3, 4, False)]),
        ([overflow(9, None, [[2, 6]], {"cloud": []}), alarm(10, 9)], {"destination": "cloud"}, []),
    ],
    ids=[
        "whole",
        "a part",
        "another's",
        "nobody says whose",
        "all numbers",
        "some numbers",
        "nothing of ours",
    ],
)
def test_a_gap_covers_exactly_what_it_says(lines, options, expected):
    """By its chain; without it by the numbers, and what is left then is not proved."""
    assert holes(*lines, **options) == expected


def test_a_record_that_takes_the_place_of_another_says_it_again():
    """A log beside this one may hold both; what they name is counted once."""
    before = overflow(3, None, [[2, 2]], {"cloud": [[1, 2]]}, {"cloud": 1})
    after = overflow(7, 6, [[2, 3], [5, 5]], {"cloud": [[1, 5]]}, {"cloud": 2}, replaces=[[3, 3]])
    came = [alarm(1, None), alarm(6, 5), alarm(8, 7)]
    [statement] = proved(*came, after, beside=[before], destination="cloud")
    [beside] = proved(*came, beside=[before, after], destination="cloud")

    assert [(each.first, each.last, each.count) for each in statement.declared] == [(2, 5, 2)]
    assert (statement.complete, [(hole.first, hole.last) for hole in beside.holes]) == (True, [(7, 7)])


def test_what_is_told_of_a_stream():
    """Counts, first and last with their time, what was declared, and causes that read like guesses."""
    record = overflow(12, 9, [[7, 9]], {"cloud": [[6, 9]]}, {"cloud": 2, "other": 5})
    lines = [CHAIN[0], CHAIN[0], *CHAIN[2:3], record, alarm(3, 1, late=True), beat(20, waiting=4)]
    [statement] = proved(*lines)

    assert (statement.received, statement.again, statement.late) == (4, 1, 1)
    assert (statement.first, statement.last, statement.destination) == (1, 12, "cloud")
    assert statement.ended - statement.began == 11_000
    assert [(each.first, each.last, each.count) for each in statement.declared] == [(7, 9, 2)]
    assert [(hole.first, hole.last) for hole in statement.holes] == [(4, 4), (13, 20)]
    assert all("4 waited when the last heartbeat was sent" in hole.cause for hole in statement.holes)
    assert (statement.holes[0].before - statement.holes[0].after) == 3_000
    assert statement.notes == ()


@pytest.mark.parametrize(
    ("lines", "options", "note"),
    [
        (CHAIN, {}, "no heartbeat came"),
        ([beat(1), beat(1, destination="other")], {}, "heartbeats of several destinations (cloud, other)"),
        ([alarm(2, None), alarm(3, 1)], {}, "1 events contradict others, first at 3"),
        ([alarm(2, 5)], {}, "1 events contradict others: "),
        (
            [line("agent.state_lost", seq=1, previous=None, message="the file was damaged")],
            {},
            "the file was damaged",
        ),
        (CHAIN, {"beside": [dead(7, 4, 1)]}, "nothing says which destination this is"),
    ],
)
def test_what_else_a_person_should_know(lines, options, note):
    """Two destinations in one log, a lost epoch, and what cannot be seen from here."""
    [statement] = proved(*lines, **options)

    assert [each for each in statement.notes if note in each]


def test_each_epoch_agent_and_path_has_a_chain_of_its_own():
    """Numbers count within an epoch; a log that knows paths may hold two destinations."""
    wrapped = json.dumps({"path": "/b", "body": json.loads(CHAIN[0])}).encode()
    other = CHAIN[0].replace(b"e1", b"e2")
    found = proved(*CHAIN, other, CHAIN[0].replace(b"line-4", b"line-5"), wrapped)

    assert [(each.who.agent, each.who.epoch, each.who.path, each.received) for each in found] == [
        ("line-4", "e1", "", 4),
        ("line-4", "e2", "", 1),
        ("line-4", "e1", "/b", 1),
        ("line-5", "e1", "", 1),
    ]
