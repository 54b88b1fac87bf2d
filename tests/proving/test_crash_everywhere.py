"""A crash after every step changes nothing, whatever is played to the rules of the shipped sample."""

from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.load import load
from agent.config.secrets import NOT_NEEDED
from agent.proving.compile_test import compile_test
from agent.proving.notes import Notes
from agent.proving.sections import TestSection as Section
from agent.proving.unit_tests import judge_crashing

EXAMPLE = Path(__file__).parents[2] / "config" / "example"
# Values on both sides of each limit, and of every kind that the tag may have.
VALUES = {
    "R1.TT101": ["30", "165", "172", "190", "ramp 120..180 x30"],
    "R1.PT102": ["5", "5.95", "6.2"],
    "R1.PT102_TRIP_SP": ["6.0", "7.0"],
    "R1.SP": ["120.0", "170.0"],
    "R1.MODE": ["'AUTO'", "'MANUAL'"],
    "K1.TRIP": ["true", "false"],
    "P101.CMD": ["true", "false"],
    "P101.RUN_FB": ["true", "false"],
    "P101.FT": ["8", "13", "20"],
    "P101.PT": ["0.3", "1.0"],
    "FIL1.STATUS": ["0", "7", "9"],
    "MCC3.WORD": ["0", "1", "9"],
    "LS7": ["true", "false"],
    "TANK1.LT": ["50", "50.4", "60", "ramp 20..80 x40"],
    "OVEN.TT": ["200", "235"],
    "MAIN.KWH": ["ramp 65000..65535 x30", "ramp 0..400 x30"],
    "HX1.T_IN": ["70"],
    "HX1.T_OUT": ["40", "69"],
    "HX1.FLOW": ["2", "12", "0"],
    "R1.STEP": ["10", "99"],
    "R1.BATCH_ID": ["'B-1'"],
}


@cache
def configuration():
    return load(EXAMPLE, NOT_NEEDED)


@st.composite
def signals(draw, tag):
    """Words that last for 200 samples in all."""
    words, left = [], 200
    while left > 0:
        word = draw(st.sampled_from([*VALUES[tag], *VALUES[tag], "bad", "gap"]))
        count = 30 if "ramp" in word else draw(st.sampled_from([1, 3, 10, 40]))
        words.append(word if "ramp" in word else f"{word} x{count}")
        left -= count
    return f"{', '.join(words)}, {'bad' if left else 'gap'}"


@st.composite
def sections(draw):
    tags = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=6, unique=True))
    written = {
        "name": "any",
        "start": draw(st.sampled_from(["2026-11-20T05:58:30", "2026-12-01T05:58:30", "2026-12-14T23:58:30"])),
        "every": draw(st.sampled_from(["1s", "10s"])),
        "signals": {tag: draw(signals(tag)) for tag in tags},
        "sources": draw(st.sampled_from([{}, {"plc-line1": "up x50, down x30, up"}])),
        "restart": draw(st.sampled_from([[], [{"at": "60s", "down": "20s"}]])),
        "do": draw(
            st.sampled_from(
                [
                    [],
                    [
                        {
                            "at": "40s",
                            "shelve": "R1-temperature",
                            "for": "50s",
                            "reason": "x",
                            "one_shot": True,
                        }
                    ],
                ]
            )
        ),
        "expect": [],
    }
    return Section.model_validate(written)


@given(section=sections())
@settings(max_examples=20, deadline=None)
def test_a_crash_after_every_step_changes_no_event(section, tmp_path_factory):
    """All state that decides about an event survives being written and read back."""
    file = tmp_path_factory.getbasetemp() / "empty.yaml"
    file.write_text("tests: [{}]\n")
    test = compile_test(section, configuration(), Notes(file), ("tests", 0))

    assert judge_crashing(test, configuration()).problem == ""
