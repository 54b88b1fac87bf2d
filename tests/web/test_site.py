"""The page's port of a running agent: what each route answers to whom, and what a reload changes at once."""

import asyncio
import gzip
import itertools
import json
import logging
import socket
from contextlib import suppress

import pytest
from rigs.site import ANNA, BOB, gone, site
from rigs.stores import eventually

from agent.store.records import EventFilter
from agent.web import access, door, routes, serve
from agent.web.files import PAGE, read_page
from agent.web.site import site_app

EVERYWHERE = {"listen": "0.0.0.0"}
ORDER = {"rules": ["R"], "reason": "seen"}
WRONG = "wrong-0123456789-token"


def routes_of(here):
    """Method and an address of every route that is served."""
    served = here.agent.site
    for route in site_app(here.agent, served._door, served._page).router.routes():
        path = route.resource.canonical
        for name, value in (("{seq}", "1"), ("{name}", "plc"), ("{destination}", "d")):
            path = path.replace(name, value)
        yield route.method, path


FREE = {"/live", "/ready", "/api/whoami", *read_page()}


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
async def test_every_route_asks_for_what_it_should(tmp_path, free_port, listen, monkeypatch):
    """Method x path x address x token: none, a wrong and a right one; and every answer has the headers of the house."""
    monkeypatch.setattr(access, "_SLOWED_S", 0.0)
    async with site(tmp_path, free_port(), listen=listen) as here:
        routes = [(method, path) for method, path in routes_of(here) if path != "/api/live"]
        assert len(routes) > 40
        for method, path in routes:
            free = path in FREE or (method != "POST" and listen == "127.0.0.1")
            none, wrong, right = [await here.ask(path, method, token) for token in (None, WRONG, ANNA)]
            for status, headers, _ in (none, wrong, right):
                assert_headers(headers, path, status)
            assert (none[0] in {401, 403, 421}) is not free, (method, path, none[0])
            assert (wrong[0] == 401) is (path not in FREE or path == "/api/whoami"), (method, path)
            assert right[0] not in {401, 403, 415, 421}, (method, path, right)
            assert right[0] != 405, (method, path)


async def test_what_is_refused_at_the_door_is_in_the_document(tmp_path, free_port, monkeypatch):
    """No token, a wrong one, a foreign name, another site's page: a status that the OpenAPI document declares."""
    monkeypatch.setattr(access, "_SLOWED_S", 0.0)
    strangers = [{"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}]
    async with site(tmp_path, free_port(), listen="0.0.0.0") as here:
        document = json.loads((await here.ask("/api/openapi.json", "GET", ANNA))[2])
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                for token, headers in itertools.product((None, WRONG), strangers):
                    asked = path.replace("{seq}", "1"), method.upper(), token
                    status = (await here.ask(*asked, headers=headers))[0]
                    assert str(status) in operation["responses"], (asked, headers, status)


def assert_headers(headers, path, status):
    assert headers["Server"] == "edge-relay"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == ("no-cache" if path in read_page() and status < 400 else "no-store")
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert "Set-Cookie" not in headers
    assert ("WWW-Authenticate" in headers) is (status == 401)


async def test_what_probes_may_know(tmp_path, free_port):
    """Beyond loopback the status and no word more, but to whoever has a token."""
    async with site(tmp_path, free_port(), **EVERYWHERE) as here:
        for path in ("/live", "/ready"):
            assert json.loads((await here.ask(path))[2]) == {"status": "ok"}
            assert json.loads((await here.ask(path, token=WRONG))[2]) == {"status": "ok"}
            assert json.loads((await here.ask(path, token=ANNA))[2]) == {"status": "ok", "problems": []}
        assert await here.status("/metrics", token=ANNA) == 200


@pytest.mark.parametrize(
    ("section", "token", "expected"),
    [
        ({}, None, {"by": "", "may": "read", "tokens": True}),
        ({}, BOB, {"by": "bob", "may": "operate", "tokens": True}),
        ({"tokens": "{}"}, None, {"by": "", "may": "read", "tokens": False}),
        (EVERYWHERE, None, {"by": "", "may": "token", "tokens": True}),
        (EVERYWHERE, ANNA, {"by": "anna", "may": "operate", "tokens": True}),
    ],
)
async def test_whoami(tmp_path, free_port, section, token, expected):
    """What the page needs to know before it asks for anything."""
    async with site(tmp_path, free_port(), **section) as here:
        assert json.loads((await here.ask("/api/whoami", token=token))[2]) == expected


async def test_who_ordered_it_is_in_the_event_and_in_the_log(tmp_path, free_port, caplog):
    """By the token's name; neither body nor token nor query is."""
    caplog.set_level(logging.INFO)
    async with site(tmp_path, free_port()) as here:
        await eventually(lambda: here.agent.hand.alarms()["open"])
        status, _, body = await here.ask("/api/alarms/acknowledge", "POST", ANNA, json=ORDER)
        assert (status, json.loads(body)["done"]) == (200, ["R"])
        await here.ask("/api/deadletters/drop?reason=private", "POST", BOB)
        [event] = await here.agent.store.events(EventFilter(type="alarm.acknowledged"), 10)

    assert event.stored.event.data["by"] == "anna"
    told = [each.getMessage() for each in caplog.records if each.name == door.__name__]
    assert told == ["anna ordered /api/alarms/acknowledge: 200", "bob ordered /api/deadletters/drop: 200"]
    assert not [secret for secret in (ANNA, BOB, "private", "seen") if secret in caplog.text]


async def test_without_tokens_the_remedy_is_named(tmp_path, free_port):
    """The page can be looked at, and says how it could be more."""
    async with site(tmp_path, free_port(), tokens="{}") as here:
        assert await here.status("/api/status") == 200
        status, _, body = await here.ask("/api/reload", "POST")

    assert status == 403
    assert "http: {tokens:" in json.loads(body)["error"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"json": ORDER, "headers": {"Host": "evil.example"}}, 421),
        ({"json": ORDER, "headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
        ({"json": ORDER, "headers": {"Origin": "http://127.0.0.1:1"}}, 403),
        ({"data": json.dumps(ORDER), "headers": {"Content-Type": "text/plain"}}, 415),
        ({"data": {"rules": "R"}}, 415),
        ({"data": b"x" * 70_000, "headers": {"Content-Type": "application/json"}}, 413),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
    ],
)
async def test_what_is_no_order(tmp_path, free_port, more, expected):
    """Each is refused in JSON, with a sentence, and nothing is done."""
    async with site(tmp_path, free_port()) as here:
        await eventually(lambda: here.agent.hand.alarms()["open"])
        status, _, body = await here.ask("/api/alarms/acknowledge", "POST", ANNA, **more)

        assert status == expected
        assert list(json.loads(body)) == ["error"]
        assert "acknowledged_by" not in here.agent.hand.alarms()["open"][0]


async def test_a_body_that_never_ends_is_given_up(tmp_path, free_port, monkeypatch):
    """Byte by byte it would hold a connection for ever."""
    monkeypatch.setattr(routes, "_BODY_WITHIN_S", 0.1)
    async with site(tmp_path, free_port()) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        head = f"POST /api/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ANNA}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n1".encode())
        async with asyncio.timeout(30):
            assert b"408" in await reader.readline()
        writer.close()


# --- files ---------------------------------------------------------------------------------------------------


async def test_the_page_is_served_from_its_list_alone(tmp_path, free_port):
    """Packed for whoever takes it, once for whoever has it; nothing else of the disk, however it is asked for."""
    async with site(tmp_path, free_port(), **EVERYWHERE) as here:
        status, headers, body = await here.ask("/", headers={"Accept-Encoding": "identity"})
        assert (status, body) == (200, (PAGE / "index.html").read_text())
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        status, packed, same = await here.ask("/", headers={"Accept-Encoding": "gzip"})
        assert (packed["Content-Encoding"], same) == ("gzip", body)
        assert (await here.ask("/", headers={"If-None-Match": headers["ETag"]}))[::2] == (304, "")
        for path in (
            "/../site.py", "/..%2fsite.py", "/%2e%2e/site.py", "/page/../../app.py", "//etc/passwd",
            "/index.html/../../site.py", "/main.js%00.html", "/.", "/nothing.js", "/page", "/main.js/",
        ):  # fmt: skip
            answer = await here.raw(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("latin-1")
            )
            assert answer.split(b" ")[1] in {b"400", b"404"}, path
            assert b"import " not in answer


def test_only_what_a_page_is_made_of_is_read(tmp_path):
    """Whatever an editor or a package has left in the folder."""
    for name in ("index.html", "main.js", "main.js~", ".hidden.js.swp", "notes.md", "x.py"):
        (tmp_path / name).write_text("x" * 1000)
    (tmp_path / "folder.js").mkdir()
    files = read_page(tmp_path)

    assert set(files) == {"/", "/main.js"}
    assert gzip.decompress(files["/"].packed) == files["/"].body
    assert len(files["/"].packed) < 100


# --- strangers -----------------------------------------------------------------------------------------------


async def test_what_is_no_http_is_answered_without_a_word_of_it(tmp_path, free_port, caplog):
    """Neither versions nor what was sent; and no line in the log for each."""
    async with site(tmp_path, free_port()) as here:
        for sent in (
            f"{WRONG}\r\n\r\n",
            f"GET / HTTP/1.1\r\nBad Header{WRONG}: x\r\n\r\n",
            "\x16\x03\x01\x02\r\n\r\n",
        ):
            answer = await here.raw(sent.encode("latin-1"))
            assert b" 400 " in answer
            assert b"Server: edge-relay\r\n" in answer
            assert b"nosniff" in answer
            assert b"aiohttp" not in answer
            assert WRONG.encode() not in answer
    assert WRONG not in caplog.text
    assert "Error handling" not in caplog.text


async def test_wrong_tokens_lock_nobody_out(tmp_path, free_port, caplog, monkeypatch):
    """Ten are answered, the others held back for an hour; who has a right one waits for none of them; one line is logged."""
    monkeypatch.setattr(access, "_SLOWED_S", 3600.0)
    async with site(tmp_path, free_port()) as here:
        tried = [asyncio.create_task(here.status("/api/status", token=f"{WRONG}{n}")) for n in range(100)]
        await eventually(lambda: sum(task.done() for task in tried) == 10)
        assert await here.status("/api/reload", "POST", ANNA) == 200
        answered = [task.result() for task in tried if task.done()]
        for task in tried:
            task.cancel()
        await asyncio.wait(tried)

    assert answered == [401] * 10
    assert caplog.text.count("a wrong token was shown by 127.0.0.1") == 1
    assert WRONG not in caplog.text


async def test_connections_are_bounded_and_strangers_go_first(tmp_path, free_port, monkeypatch):
    """Silent ones cannot keep out whoever may ask, nor end a stream that is open."""
    monkeypatch.setattr(serve, "_MOST_CONNECTIONS", 10)
    async with site(tmp_path, free_port()) as here, here.stream() as content:
        silent = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(30)]
        assert await here.status("/api/status") == 200
        ended = [reader for reader, _ in silent if await is_over(reader)]
        assert len(ended) >= 20
        async with asyncio.timeout(30):
            assert await content.readany()
        for _, writer in silent:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def is_over(reader):
    try:
        async with asyncio.timeout(0.05):
            return await reader.read(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


# --- reload --------------------------------------------------------------------------------------------------


async def test_a_reload_takes_tokens_and_names_up_at_once(tmp_path, free_port):
    """A revoked token is good for no request more and ends its streams; others go on; no restart, no new connection."""
    async with site(tmp_path, free_port(), **EVERYWHERE) as here:
        async with here.stream(BOB) as theirs, here.stream(ANNA) as ours:
            assert await here.status("/api/status", headers={"Host": "plant-pc.local"}, token=ANNA) == 421
            here.write(
                tokens=f'{{anna: "{ANNA}", carl: "carl-0123456789-token"}}',
                more=", names: [plant-pc.local]",
                **EVERYWHERE,
            )
            changed = await here.agent.reload()
            assert changed == [{"section": "http", "key": "names"}, {"section": "http", "key": "tokens"}]
            assert await here.status("/api/status", token=BOB) == 401
            assert await here.status("/api/status", token="carl-0123456789-token") == 200
            assert await here.status("/api/status", headers={"Host": "plant-pc.local"}, token=ANNA) == 200
            await gone(theirs)
            async with asyncio.timeout(30):
                assert await ours.readuntil(b"event: change")
        events = await here.agent.store.events(EventFilter(type="agent."), 10)
    assert not [event for event in events if "token" in json.dumps(event.stored.event.data["message"])]
    assert ANNA not in str(events)


async def test_a_reload_changes_the_address_with_all_its_connections(tmp_path, free_port):
    """What was open as loopback must not stay open beyond it, nor the other way."""
    async with site(tmp_path, free_port()) as here:
        async with here.stream() as content:
            here.write(**EVERYWHERE)
            await here.agent.reload()
            await gone(content)
        await up(here)
        assert await here.status("/api/status", token=ANNA) == 200
        assert await here.status("/api/status") == 401
        before, here.port = here.port, free_port()
        here.write()
        await here.agent.reload()
        await up(here)
        assert await here.status("/api/status") == 200
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", before))


async def up(here):
    """Return once its page is served."""
    async with asyncio.timeout(30):
        while not await here.is_up():
            await asyncio.sleep(0.05)


async def test_a_port_that_is_taken_stops_nothing(tmp_path, free_port, caplog, monkeypatch):
    """It is waited for; the alarms go on."""
    monkeypatch.setattr(serve, "_LISTEN_AGAIN_S", 0.1)
    port = free_port()
    async with site(tmp_path, port) as here:
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        here.write(port=taken.sockets[0].getsockname()[1])
        await here.agent.reload()
        await eventually(lambda: "cannot listen on" in caplog.text)
        taken.close()
        here.port = (
            taken.sockets[0].getsockname()[1] if taken.sockets else here.agent.configuration.http.listen.port
        )
        await up(here)
