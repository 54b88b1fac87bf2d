"""What a receiver can prove from its own receipts."""

from dataclasses import replace

import pytest

from agent.demo.ledger import Ledger, Receipt, audit, receipt_of


def receipt(seq, previous, *, epoch="a", duplicates=0):
    return Receipt(f"evt_{epoch}{seq}", "alarm.raised", epoch, seq, previous, "rule", "occ", duplicates)


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        ([], Ledger(0, 0, (), 0, 0)),
        ([receipt(1, None), receipt(2, 1), receipt(5, 2)], Ledger(3, 3, (), 0, 0)),
        ([receipt(5, 2), receipt(1, None), receipt(2, 1)], Ledger(3, 3, (), 0, 0)),
        ([receipt(1, None), receipt(5, 2)], Ledger(3, 2, ("a/2",), 0, 0)),
        ([receipt(1, None), receipt(2, 1, duplicates=3)], Ledger(2, 2, (), 0, 3)),
        (
            [receipt(1, None), receipt(2, 1), receipt(1, None, epoch="b"), receipt(3, 2, epoch="b")],
            Ledger(5, 4, ("b/2",), 0, 0),
        ),
        ([receipt(1, None), replace(receipt(1, None), id="evt_other")], Ledger(1, 1, (), 1, 0)),
        ([replace(receipt(1, None), seq=None)], Ledger(0, 0, (), 0, 0)),
        ([receipt(10, 9), receipt(12, 11)], Ledger(4, 2, ("a/9", "a/11"), 0, 0)),
    ],
    ids=[
        "nothing",
        "complete",
        "any order",
        "a hole",
        "sent again",
        "two epochs",
        "second id",
        "no seq",
        "two holes",
    ],
)
def test_audit(receipts, expected):
    """Every `previous` is there, or it is a hole by name."""
    assert audit(receipts) == expected


@pytest.mark.parametrize(
    ("ledger", "exact"),
    [(Ledger(2, 2, (), 0, 5), True), (Ledger(2, 1, ("a/1",), 0, 0), False), (Ledger(2, 2, (), 1, 0), False)],
)
def test_exact_is_everything_once(ledger, exact):
    """Sending again is harmless, losing or a second id is not."""
    assert ledger.exact is exact


def test_a_receipt_keeps_what_proves_completeness():
    """The fields come from the body; what is missing or of another type stays empty."""
    event = {
        "type": "alarm.raised",
        "data": {"epoch": "e", "seq": 7, "previous": 5, "rule": "r", "occurrence": "o"},
    }

    assert receipt_of("evt_1", event) == Receipt("evt_1", "alarm.raised", "e", 7, 5, "r", "o")
    assert receipt_of("evt_2", {"data": {"seq": True, "rule": 3}}) == Receipt(
        "evt_2", "", "", None, None, "", ""
    )
    assert receipt_of("evt_3", {"data": "text"}) == Receipt("evt_3", "", "", None, None, "", "")
