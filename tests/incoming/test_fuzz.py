"""A million mad messages raise nothing and touch nothing: only what is signed, known and within bounds gets through."""

import json
import os
import random
from dataclasses import dataclass

from rigs.relay_terms import FORWARD, relay
from rigs.signed import OTHER, SECRET, headers, utc

from agent.codec.json_path import Missing, find
from agent.incoming.message import Arrived, Handle, Write, text_of
from agent.incoming.screening import Now, Rejected, Taken, screen
from agent.incoming.writing import Moment, refusal, unfit
from agent.model import Quality, Reading, TagSpec
from agent.stamps import Standing

MESSAGES = int(os.environ.get("EDGE_RELAY_MESSAGES", "10000"))
AT = utc("2026-11-21T08:00:00Z")
NOW = Now(AT, Standing.TRUSTED)
SPEC = TagSpec("speed", "plc")
ROUTES = {
    "set": {"type": "set", "write": {"tag": "/data/tag", "value": "/data/value"}},
    "shelve": {"type": "shelve", "shelve": {}},
    "rest": {"type": "rest*", **FORWARD},
}


@dataclass
class Grant:
    """May be written from 0 to 100, by 10 at once."""

    min: float | None = 0.0
    max: float | None = 100.0
    max_step: float | None = 10.0
    when: str | None = None
    at_most_every: int = 0


ODD = (
    *(0, 5, 45, 55, 100, 101, -1, 1e400, -1e400, float("nan"), 1e308, 2**63, 2**70, 45.5, True, False, None),
    *("45", "", "speed", "\ud800", "\0", "a" * 300, "1h", "2026-11-21T08:00:00Z", "9999-99-99T00:00:00Z"),
    *([], {}, [45], {"value": 45}, {"": {"": ""}}),
)
NAMES = ("type", "timestamp", "data", "tag", "value", "rule", "by", "reason", "until", "", "~", "/")


def document(dice, depth=0):
    """Something that is nearly a message, or nothing like one."""
    if depth == 0 and dice.random() < 0.7:
        made = {
            "type": dice.choice([*("set", "shelve", "rest.a") * 20, *ODD]),
            "timestamp": dice.choice([*("2026-11-21T08:00:00Z", "2026-11-21T07:59:30+00:00") * 20, *ODD]),
            "data": {
                name: dice.choice((*("speed", 45, 55) * 5, *ODD))
                for name in dice.sample(NAMES[3:9], dice.randrange(7))
            },
        }
        if dice.random() < 0.3:
            del made[dice.choice(list(made))]
        return made
    if depth < 3 and dice.random() < 0.5:
        return {name: document(dice, depth + 1) for name in dice.sample(NAMES, dice.randrange(5))}
    return [document(dice, depth + 1)] if depth < 5 and dice.random() < 0.2 else dice.choice(ODD)


def message(dice):
    """One message, and whether it is its sender's as it is."""
    body = json.dumps(document(dice)).encode(errors="surrogatepass")
    if dice.random() < 0.05:
        body = dice.choice(
            [b"[" * 5_000, b"", b"\xff\xfe", dice.randbytes(40), b'{"type": "set"', b"9" * 5_000]
        )
    key, at = dice.choice([SECRET] * 9 + [OTHER]), AT + dice.choice([0, -30, -61, 299, 301, -AT, 10**11])
    theirs = headers(body, dice.choice(["m", f"m{dice.random()}".replace(".", "_")]), at, key)
    genuine = key is SECRET
    if dice.random() < 0.4:
        genuine = False
        body, theirs = mutated(dice, body, theirs)
    return Arrived(body, theirs, dice.random() < 0.95, dice.choice(["", "x", "\0"]), "set"), genuine


def mutated(dice, body, theirs):
    """One thing about it is not as it was signed."""
    name = dice.choice(list(theirs))
    match dice.randrange(5):
        case 0:
            place = dice.randrange(len(body) + 1)
            body = body[:place] + dice.randbytes(1) + body[place:]
        case 1:
            del theirs[name]
        case 2:
            theirs[name] = dice.choice(
                ["", "v1,", "v1,====", "\ud800", "9" * 400, ", ".join(["v1,AA=="] * 100)]
            )
        case 3:
            theirs[name] += dice.choice([".", "0", " v1"]) if name != "webhook-signature" else "A"
        case _:
            theirs[name], body = theirs[name][::-1] + "x", body + b" "
    return body, theirs


def test_mad_messages():
    """No exception, no write of what is no number within the bounds and a step away, no name that is none."""
    dice = random.Random(2026)
    terms, grant = relay(**ROUTES), Grant()
    moment = Moment(0, Reading("speed", 50, Quality.GOOD, 0))
    taken = written = 0
    for _ in range(MESSAGES):
        arrived, genuine = message(dice)
        verdict = screen(arrived, terms, NOW)
        if isinstance(verdict, Rejected):
            assert verdict.why
            continue
        assert isinstance(verdict, Taken)
        assert genuine
        assert arrived.raw
        taken += 1
        match verdict.route.deed:
            case Write(tag=tag, value=path):
                name, value = text_of(tag, verdict.document), find(verdict.document, path)
                if isinstance(value, Missing) or name != "speed":
                    continue
                against = unfit(SPEC, grant, value) or refusal(SPEC, grant, value, moment)
                if against is None:
                    written += 1
                    assert type(value) in (int, float)
                    assert 40 <= value <= 60
            case Handle() as deed:
                for term in (deed.rule, deed.by, deed.reason, deed.until):
                    said = text_of(term, verdict.document)
                    assert not isinstance(said, str) or (said.isprintable() and 0 < len(said) <= 200)
    assert taken > MESSAGES / 20
    assert written > MESSAGES / 10_000
