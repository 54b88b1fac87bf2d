"""What somebody sends who means harm, or whose program is broken, over real sockets to the page's port."""

import json

import pytest
from rigs.site import ANNA, site
from rigs.stores import eventually

from agent.store.records import EventFilter

HOST = b"Host: localhost\r\n"
RIGHT = f"Authorization: Bearer {ANNA}\r\n".encode()
ORDER = b"POST /api/reload HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n" + HOST


@pytest.mark.parametrize(("token", "status"), [(b"", 401), (RIGHT, 400)])
async def test_a_body_that_is_not_packed_as_it_says_is_refused(tmp_path, free_port, caplog, token, status):
    """In words to whoever may order; nobody fills the log by it."""
    async with site(tmp_path, free_port()) as here:
        answer = await here.raw(ORDER + token + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")
    head, _, body = answer.partition(b"\r\n\r\n")

    assert int(head.split()[1]) == status
    assert list(json.loads(body)) == ["error"]
    assert "Traceback" not in caplog.text
    assert "Unhandled" not in caplog.text


async def test_a_question_does_not_wait_for_a_body(tmp_path, free_port):
    """It has none, so one that never comes holds nothing: who may only look cannot keep connections for ever."""
    async with site(tmp_path, free_port()) as here:
        head = b"GET /api/status HTTP/1.1\r\nConnection: close\r\nContent-Length: 9\r\n" + HOST
        assert b" 200 " in (await here.raw(head + b"\r\n1"))[:20]


PROXIED = [
    ("Host", "plant-pc.local"),
    ("Host", "10.1.2.3"),
    ("X-Forwarded-For", "10.9.9.9"),
    ("Forwarded", "for=_x"),
]


@pytest.mark.parametrize("header", PROXIED)
async def test_who_comes_through_a_proxy_is_not_taken_for_somebody_at_this_machine(
    tmp_path, free_port, header
):
    """A proxy that speaks TLS before loopback opens nothing: who has no token is told so, and does not look."""
    async with site(tmp_path, free_port(), more=", names: [plant-pc.local]") as here:
        through = {"headers": dict([header])}
        told = [await here.ask("/api/whoami", token=token, **through) for token in (None, ANNA)]
        assert [json.loads(body)["may"] for _, _, body in told] == ["token", "operate"]
        for path in ("/api/status", "/metrics", "/health", "/api/live"):
            assert await here.status(path, **through) == 401
        assert await here.status("/api/status", token=ANNA, **through) == 200
        assert json.loads((await here.ask("/live", **through))[2]) == {"status": "ok"}
        here.write(tokens="{}", more=", names: [plant-pc.local]")
        await here.agent.reload()
        assert await here.status("/api/status", **through) == 200, (
            "a proxy with a login of its own, and no tokens"
        )


async def test_what_a_person_writes_steers_no_terminal_of_another(tmp_path, free_port):
    """Reasons and names stand in status, events and logs: one line of what can be printed."""
    order = {"for_s": 60, "by": "eve\r\nroot\x1b[2J", "reason": " old\n\n  probe\x07 \u202eü "}
    async with site(tmp_path, free_port()) as here:
        await eventually(lambda: here.agent.hand.alarms()["open"])
        shelve = {"json": {**order, "rules": ["R"]}}
        assert await here.status("/api/alarms/shelve", "POST", ANNA, **shelve) == 200
        [event] = await here.agent.store.events(EventFilter(type="alarm.shelved"), 1)
        _, _, paused = await here.ask(
            "/api/sources/plc/pause", "POST", ANNA, json={"for_s": 60, "by": order["by"]}
        )

    told = event.stored.event.data
    assert (told["by"], told["reason"]) == ("eve root?[2J (anna)", "old probe? ?ü")
    assert json.loads(paused)["reason"].startswith("paused by eve root?[2J (anna) until ")
