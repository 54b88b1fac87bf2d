"""What each answer means: the table of the specification, a row for each kind of answer."""

import pytest

from agent.delivery.judge import Crash, Dead, Delivered, Disable, Fault, History, Retry, Scope, judge
from agent.model import SECOND, Answer, Blocked, NoAnswer

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
HTML = "\ufeff  <!DOCTYPE html><title>Hotel</title>"
NOW = 1_795_000_000 * SECOND


def answer(status, headers=None, excerpt=""):
    return Answer(status, headers or {}, 0.01, excerpt)


def history(**known):
    return History(**{"dice": 0.5, "wall": NOW} | known)


def retry(after, fault, *, charged=False):
    return after, fault, charged


HEALTHY = history()
LONG_OUTAGE = history(failures=99, outage=2 * HOUR)
PASSED = history(passed=True, charged=1)
LONE = history(lone=HOUR, failures=9, outage=HOUR)
WEATHER = retry(SECOND // 2, Fault.RECEIVER)
LINK = retry(SECOND // 2, Fault.LINK)
MENDING = retry(5 * MINUTE, Fault.CONFIGURATION)
REFUSED = retry(MINUTE, Fault.EVENT)

RETRIES = [
    # No answer of the receiver, and answers that it cannot now: the destination backs off.
    ("no answer", NoAnswer("DNS: not found"), HEALTHY, LINK),
    ("captive portal", answer(200, excerpt=HTML), history(plain_http=True), LINK),
    ("captive portal, html", answer(200, excerpt="<HTML>"), history(plain_http=True), LINK),
    *((f"{status}", answer(status), HEALTHY, WEATHER) for status in (408, 500, 502, 503, 504, 507, 599)),
    ("429 that names no time", answer(429), HEALTHY, WEATHER),
    ("429, unreadable time", answer(429, {"retry-after": "soon"}), HEALTHY, WEATHER),
    ("503, a time gone by", answer(503, {"retry-after": "0"}), HEALTHY, WEATHER),
    ("no answer for hours", NoAnswer("x"), LONG_OUTAGE, retry(150 * SECOND, Fault.LINK)),
    # It named the time to come back.
    ("429 with a time", answer(429, {"retry-after": "7"}), HEALTHY, retry(7 * SECOND, Fault.THROTTLED)),
    ("503 with a time", answer(503, {"retry-after": "1.2"}), PASSED, retry(2 * SECOND, Fault.THROTTLED)),
    ("500 with a time", answer(500, {"retry-after": "7"}), HEALTHY, WEATHER),
    # A person has to mend it.
    *((f"{status}", answer(status), PASSED, MENDING) for status in (401, 403, 404, 407, 300, 301, 302, 308)),
    ("our own key", NoAnswer("x", blocked=Blocked.CONFIGURATION), PASSED, MENDING),
    # What failed beside the receiver, or before anything was sent to it, proves nothing, whoever passed.
    ("never connected, others pass", NoAnswer("x", unsent=True), PASSED, LINK),
    ("proxy down, others pass", NoAnswer("x", blocked=Blocked.WEATHER), PASSED, LINK),
    # It does not take this one.
    *((f"{status}", answer(status), HEALTHY, REFUSED) for status in (400, 402, 405, 409, 413, 415, 418, 422)),
    ("crash", Crash("crash: TypeError"), HEALTHY, REFUSED),
    ("fourth refused in a row", answer(400), history(refused=3), REFUSED),
    ("fifth refused in a row", answer(400), history(refused=4, passed=True), MENDING),
    ("fifth crash in a row", Crash("crash"), history(refused=4), MENDING),
    # Poison shows itself by others passing; only then, or when nobody could show it, is it charged.
    ("5xx, others pass", answer(500), PASSED, retry(SECOND // 2, Fault.RECEIVER, charged=True)),
    ("no answer, others pass", NoAnswer("x"), PASSED, retry(SECOND // 2, Fault.LINK, charged=True)),
    ("400, others pass", answer(400), PASSED, retry(5 * MINUTE, Fault.EVENT, charged=True)),
    ("crash, others pass", Crash("x"), PASSED, retry(5 * MINUTE, Fault.EVENT, charged=True)),
    ("429, others pass", answer(429), PASSED, WEATHER),
    ("500, lone for an hour", answer(500), LONE, retry(150 * SECOND, Fault.RECEIVER, charged=True)),
    ("400, lone for an hour", answer(400), LONE, retry(MINUTE, Fault.EVENT, charged=True)),
    ("400, lone for less", answer(400), history(lone=HOUR - 1), REFUSED),
    ("502, lone for an hour", answer(502), LONE, retry(150 * SECOND, Fault.RECEIVER)),
    ("no answer, lone for an hour", NoAnswer("x"), LONE, retry(150 * SECOND, Fault.LINK)),
    # Where nothing can pass it, the receiver's word about it counts at once; weather counts as ever.
    ("400, in line", answer(400), history(in_line=True), retry(MINUTE, Fault.EVENT, charged=True)),
    ("fifth refused in a row, in line", answer(400), history(in_line=True, refused=4), MENDING),
    ("500, in line", answer(500), history(in_line=True), WEATHER),
    ("no answer, in line", NoAnswer("x"), history(in_line=True), retry(SECOND // 2, Fault.LINK)),
    # The last charge is not the end: the wait after it is.
    (
        "third charge",
        answer(400),
        history(passed=True, charged=2),
        retry(30 * MINUTE, Fault.EVENT, charged=True),
    ),
]


@pytest.mark.parametrize(
    ("outcome", "known", "expected"), [row[1:] for row in RETRIES], ids=[row[0] for row in RETRIES]
)
def test_what_is_tried_again(outcome, known, expected):
    """Who waits, how long, and whether the attempt counts."""
    verdict = judge(outcome, known)

    assert isinstance(verdict, Retry)
    assert expected == (verdict.after, verdict.fault, verdict.charged)
    assert verdict.why


@pytest.mark.parametrize("fault", Fault)
def test_only_a_refused_event_waits_alone(fault):
    """Every other fault is its destination's."""
    expected = Scope.EVENT if fault is Fault.EVENT else Scope.DESTINATION

    assert expected is Retry("why", 1, fault).scope


ENDS = [
    ("200", answer(200), HEALTHY, Delivered),
    ("204, charged before", answer(204), history(charged=3, passed=True), Delivered),
    ("299, long outage", answer(299), LONG_OUTAGE, Delivered),
    ("a web page over TLS", answer(200, excerpt=HTML), HEALTHY, Delivered),
    ("json over plain http", answer(200, excerpt='{"html": 1}'), history(plain_http=True), Delivered),
    ("2xx that asks to abort", answer(202, {"webhook-delivery": "abort-message"}), HEALTHY, Delivered),
    ("410", answer(410), HEALTHY, Disable),
    ("disable", answer(500, {"webhook-delivery": "disable"}), HEALTHY, Disable),
    ("disable with 2xx", answer(200, {"webhook-delivery": " Disable "}), HEALTHY, Disable),
    ("abort", answer(400, {"webhook-delivery": "abort-message"}), HEALTHY, Dead),
    ("abort with 503", answer(503, {"webhook-delivery": "abort-message", "retry-after": "9"}), HEALTHY, Dead),
    ("400 after its schedule", answer(400), history(passed=True, charged=3), Dead),
    ("400 in line after its schedule", answer(400), history(in_line=True, charged=3), Dead),
    ("500 after its schedule", answer(500), history(passed=True, charged=3), Dead),
    ("no answer after its schedule", NoAnswer("x"), history(passed=True, charged=3), Dead),
    ("crash after its schedule", Crash("x"), history(lone=HOUR, charged=3), Dead),
    ("own schedule", answer(400), history(passed=True, charged=1, schedule=(MINUTE,)), Dead),
]


@pytest.mark.parametrize(
    ("outcome", "known", "expected"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS]
)
def test_what_ends_a_delivery_or_a_destination(outcome, known, expected):
    """Nothing but these words does."""
    assert expected is type(judge(outcome, known))


@pytest.mark.parametrize(
    "outcome", [answer(429), answer(401), answer(503, {"retry-after": "5"}), NoAnswer("x")]
)
def test_weather_never_kills(outcome):
    """An event whose schedule is used up still waits for what is not its own fault."""
    assert isinstance(judge(outcome, history(charged=99, lone=24 * HOUR)), Retry)


def test_the_reasons_name_the_remedy():
    """What a person reads says what to look at."""
    assert "`url`" in judge(answer(404), HEALTHY).why
    assert "never followed" in judge(answer(302), HEALTHY).why
    assert "`signing`" in judge(answer(400), history(refused=4)).why
    assert "given up after 4 attempts" in judge(answer(422), history(passed=True, charged=3)).why


@pytest.mark.parametrize("status", [401, 403, 404, 413, 500, 503])
def test_a_receiver_that_speaks_no_http_is_quoted_in_its_own_words(status):
    """Nobody is sent to look at a `url` that a broker's section does not have."""
    said = "no stream takes the subject plant.a: add it to one"
    verdicts = [
        judge(Answer(status, {}, 0.01, said=said), each) for each in (HEALTHY, history(refused=4), LONE)
    ]

    assert all(each.why.startswith(said) and "url" not in each.why for each in verdicts)
