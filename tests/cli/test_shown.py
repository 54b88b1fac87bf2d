"""What a person reads at night: short, true, and with the command that helps."""

from agent.cli.events import show_events
from agent.cli.letters_shown import show_letter
from agent.cli.status_shown import show_status

WELL = {
    "state": "healthy",
    "reason": "",
    "waiting": 0,
    "oldest_s": None,
    "failures": 0,
    "retry_in_s": 0,
    "width": 8,
    "concurrency": 8,
}
STATUS = {
    "agent": {"site": "dresden", "name": "line-4", "version": "1.0", "for_s": 93},
    "store": {"seq": 1, "waiting": 2, "dead": 1, "room": {}},
    "clock": {"standing": "right", "why": "somebody says so"},
    "problems": [],
    "alarms": [{"rule": "hot", "level": "high", "for_s": 3}],
    "sources": {},
}


def event(**deliveries: str):
    return {
        "seq": 7,
        "timestamp": "2026-11-21T08:00:03.120Z",
        "type": "alarm.raised",
        "data": {"priority": "high", "message": "too hot"},
        "deliveries": [{"destination": name, "state": state} for name, state in deliveries.items()],
    }


def test_an_event_of_many_destinations_leaves_room_for_its_message(capsys):
    """Two are named, more are counted; what it came to stands before what it did not come to."""
    show_events([event(cmms="delivered", chat="pending")])
    show_events([event(a="pending", b="delivered", c="dead", d="delivered", e="delivered", f="pending")])
    lines = capsys.readouterr().out.splitlines()

    assert "  cmms delivered, chat pending  too hot" in lines[1]
    assert "  3 delivered, a, f pending, c dead  too hot" in lines[3]


def test_one_is_no_plural(capsys):
    """`1 alarms` makes people look for the others."""
    show_status({**STATUS, "destinations": {}})

    assert "1 event stored, 2 waiting, 1 dead letter, 1 alarm open" in capsys.readouterr().out


def test_what_somebody_should_see_to_stands_under_the_verdict_and_once(capsys):
    """A pause of last week is seen at the first look; a reason that the verdict has said is not said again below."""
    held = {**WELL, "state": "paused", "reason": "by anna since Monday: moved", "waiting": 40}
    fails = {
        **WELL,
        "state": "failing",
        "reason": "it answered 404: check `url`",
        "failures": 2,
        "retry_in_s": 240,
    }
    attention = [
        "destination chat is paused by anna since Monday: moved; `edge-relay resume destination:chat` sends them"
    ]
    problems = ["destination cmms is failing: it answered 404: check `url`"]
    told = {**STATUS, "problems": problems, "attention": attention}
    show_status({**told, "destinations": {"chat": held, "cmms": fails}})
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == "dresden/line-4 does not do all of its work:"
    assert lines[1:4] == [f"  {problems[0]}", "to see to:", f"  {attention[0]}"]
    assert sum("check `url`" in line for line in lines) == 1
    assert sum("by anna since Monday" in line for line in lines) == 1
    assert any("the next is made in 4 min; sooner: edge-relay enable" in line for line in lines)


def test_a_verdict_that_has_scrolled_away_is_said_again(capsys, monkeypatch):
    """Twelve machines behind a dead switch fill more than a screen."""
    monkeypatch.setattr("agent.cli.tables.sys.stdout.isatty", lambda: True)
    show_status(
        {**STATUS, "problems": [f"source plc-{n} is down: no" for n in range(12)], "destinations": {}}
    )

    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "dresden/line-4 does not do all of its work: 12 problems, see the top"


def test_an_alarm_that_somebody_has_put_aside_says_so(capsys):
    """Who comes at night sees that the open alarm was shelved by the late shift."""
    alarms = [{"rule": "hot", "level": "high", "for_s": 3, "shelved": {"by": "anna"}}]
    show_status({**STATUS, "alarms": alarms, "destinations": {}})

    assert "hot    high   3 s       shelved" in capsys.readouterr().out


def test_who_has_mended_a_receiver_need_not_wait(capsys):
    """Where the next attempt is minutes away, the command that makes it now stands beside it."""
    soon = {**WELL, "state": "waiting", "failures": 3, "retry_in_s": 4, "reason": "connection refused"}
    late = {**WELL, "state": "failing", "failures": 1, "retry_in_s": 240, "reason": "answered 401"}
    show_status({**STATUS, "destinations": {"cmms": soon, "chat": late}})
    out = capsys.readouterr().out

    assert "    3 attempts failed in a row; the next is made in 4 s\n" in out
    assert (
        "    1 attempt failed in a row; the next is made in 4 min; sooner: edge-relay enable destination:chat\n"
        in out
    )


def test_what_was_refused_and_holds_the_others_is_told(capsys):
    """A healthy destination of which something waits for half an hour would look like one that drains."""
    held = {**WELL, "waiting": 99, "oldest_s": 600, "retry_in_s": 1500, "width": 2}
    drains = {**held, "retry_in_s": 0}
    show_status({**STATUS, "destinations": {"cmms": held, "chat": drains}})
    out = capsys.readouterr().out

    assert "    what it refused is sent again in 25 min, and what follows it waits for that; sooner: " in out
    assert "    it drains, 2 at a time" in out


def test_a_word_of_the_protocol_is_explained(capsys):
    """`expired` names what was decided; a person needs the key that decided it."""
    letter = {"destination": "cmms", "seq": 7, "charged": 0, "attempts": [], "damaged": True}
    show_letter({**letter, "reason": "expired"})
    show_letter({**letter, "reason": "answered 422"})
    first, second = (line for line in capsys.readouterr().out.splitlines() if line.startswith("event 7"))

    assert first == "event 7 was given up for cmms: expired, for it had waited longer than `max_age`"
    assert second == "event 7 was given up for cmms: answered 422"


def test_a_large_plant_fits_a_screen(capsys, monkeypatch):
    """Of forty sources and thirty destinations those that are not well, whole, and the others as a number."""
    up = {"state": "up", "for_s": 60, "reason": "", "tags": 9, "bad": {}, "late": {}, "skew_s": None}
    up["unreadable"] = {"last": [], "total": 0}
    sources = {f"plc-{number}": up for number in range(40)}
    sources["plc-33"] = {**up, "state": "down", "reason": "no route to 192.168.1.33: is the cable in?"}
    destinations = {f"cloud-{number}": WELL for number in range(30)}
    alarms = [{"rule": f"R{number}", "level": "high", "for_s": 3} for number in range(30)]
    monkeypatch.setattr("agent.cli.tables.sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "40")
    show_status({**STATUS, "alarms": alarms, "sources": sources, "destinations": destinations})
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) < 40
    assert max(map(len, lines)) <= 80
    first = next(at for at, line in enumerate(lines) if line.startswith("plc-"))
    assert lines[first].split() == ["plc-33", "down", "for", "60", "s", "9", "0"]
    assert lines[first + 1] == "    no route to 192.168.1.33: is the cable in?"
    assert "and 32 more, all well: edge-relay status --all" in lines
