"""What a running agent answers is what its OpenAPI document says, field for field; what cannot be asked is refused in words."""

import gzip
import json
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator
from rigs.agent_process import quiet_port
from rigs.populated import populated


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    with populated(tmp_path_factory.mktemp("plant"), quiet_port()) as it:
        yield it


def answered(paths, method, template):
    """The schema of what is answered, and what it refers to."""
    operation = paths["paths"][template][method.lower()]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": paths["components"]})


def some(answer):
    """A list with something in it."""
    return isinstance(answer, list) and answer


def fields(*names):
    return lambda answer: set(names) <= {name for row in answer for name in row}


ALARM = {"rules": ["hot"], "by": "the night shift"}
TEMPLATES = {
    "/api/deadletters/cmms/1": "/api/deadletters/{destination}/{seq}",
    "/api/events/1": "/api/events/{seq}",
    "/api/events/DAMAGED": "/api/events/{seq}",
    **{
        f"/api/{kind}/{name}/{verb}": f"/api/{kind}/{{name}}/{verb}"
        for kind, name in (("sources", "plc"), ("destinations", "cloud"), ("destinations", "held"))
        for verb in ("pause", "resume", "enable")
    },
}
# Method and path, the body, and what must be in the answer for it to be worth looking at.
ANSWERS = [
    ("GET", "/api/status", None, lambda it: it["alarms"] and it["relays"] and it["store"]["room"]["size"]),
    ("GET", "/api/rules", None, fields("rule", "sentence", "tag", "instances")),
    (
        "GET",
        "/api/alarms",
        None,
        lambda it: it["open"] and fields("shelved", "out_of_service")(it["unwatched"]),
    ),
    ("GET", "/api/events", None, fields("type", "data", "damaged", "deliveries")),
    ("GET", "/api/events?after=2&limit=2", None, lambda it: [each["seq"] for each in it] == [3, 4]),
    ("GET", "/api/events/1", None, lambda it: any(each["attempts"] for each in it["deliveries"])),
    ("GET", "/api/events/DAMAGED", None, lambda it: it["damaged"] and "data" not in it),
    ("GET", "/api/inbound", None, lambda it: {each["state"] for each in it} > {"waiting", "settled"}),
    ("GET", "/api/audit", None, lambda it: {True, "a", None} <= {each["old"] for each in it}),
    ("GET", "/api/deadletters?seq=1", None, fields("reason", "settled", "type")),
    ("GET", "/api/deadletters/count", None, lambda it: it["counts"]["cmms"]["count"] > 1),
    ("GET", "/api/deadletters/cmms/1", None, lambda it: it["attempts"] and it["body"]),
    ("GET", '/api/trends?tags=["T"]', None, lambda it: it["every_s"]),
    ("GET", "/api/openapi.json", None, lambda it: it["openapi"] == "3.1.0"),
    ("POST", "/api/deadletters/resend?seq=1", None, lambda it: it["resent"] == 1),
    ("POST", "/api/deadletters/drop?limit=1", None, lambda it: it["dropped"]),
    ("POST", "/api/replay", {"since_ms": 0, "destination": "cloud"}, lambda it: it["replayed"]),
    ("POST", "/api/replay", {"since_ms": 0, "dry_run": True}, lambda it: it["counts"]),
    ("POST", "/api/alarms/shelve", ALARM | {"reason": "old", "for_s": 60}, lambda it: it["done"] == ["hot"]),
    ("POST", "/api/alarms/unshelve", ALARM, lambda it: it["done"]),
    ("POST", "/api/alarms/out_of_service", ALARM | {"reason": "old"}, lambda it: it["done"]),
    ("POST", "/api/alarms/in_service", {"rules": ["hot", "off"]}, lambda it: it["done"] and it["refused"]),
    ("POST", "/api/alarms/acknowledge", {"all": True}, lambda it: it["done"]),
    ("POST", "/api/sources/plc/pause", {"for_s": 60}, lambda it: it["paused"] == "plc"),
    ("POST", "/api/sources/plc/resume", None, lambda it: it["resumed"] == "plc"),
    ("POST", "/api/destinations/cloud/pause", {"for_s": 60, "reason": "rebuilt"}, lambda it: it["reason"]),
    ("POST", "/api/destinations/held/resume", None, lambda it: it["waited"]),
    ("POST", "/api/destinations/held/enable", None, lambda it: it["state"] == "healthy"),
    ("POST", "/api/samples/flush", None, lambda it: it["flushed"]),
    ("POST", "/api/reload", None, lambda it: it == {"changed": []}),
]


def test_every_answer_is_as_the_document_says(plant):
    """Of an agent in which there is something of everything; no field is missing, and none is there beside them."""
    paths = plant.ask("/api/openapi.json")[1]
    seen = set()
    for method, path, body, worth in ANSWERS:
        template = TEMPLATES.get(path, path.partition("?")[0])
        status, answer = plant.ask(path.replace("DAMAGED", str(plant.numbers["damaged"])), method, body)
        assert (status, bool(worth(answer))) == (200, True), (path, status, answer)
        answered(paths, method, template).validate(answer)
        seen.add((method, template))
    elsewhere = {
        ("GET", each) for each in ("/health", "/live", "/ready", "/metrics", "/api/live", "/api/whoami")
    }
    told = {(method.upper(), path) for path, each in paths["paths"].items() for method in each}

    assert told - seen - elsewhere == {("POST", "/api/alarms/reset")}, "it has nothing to reset"


def test_a_refused_configuration_is_told_in_the_status_and_what_changed_by_the_reload(plant):
    """422 with each problem and its place; the answer of the next one names rule, key, and both values."""
    file = plant.folder / "agent.yaml"
    good = file.read_text()
    paths = plant.ask("/api/openapi.json")[1]
    try:
        file.write_text(good.replace("quiet: {tag: U", "quiet: {tag: Ü"))
        status, refused = plant.ask("/api/reload", "POST")
        assert status == 422
        assert "agent.yaml:" in refused["error"]
        told = plant.ask("/api/status")[1]
        assert told["rejected"]
        answered(paths, "GET", "/api/status").validate(told)
        file.write_text(good.replace("quiet: {tag: U, high: 90}", "quiet: {tag: U, high: 91}"))
        status, changed = plant.ask("/api/reload", "POST")
        assert (status, changed) == (
            200,
            {"changed": [{"rule": "quiet", "key": "high", "from": 90, "to": 91}]},
        )
        answered(paths, "POST", "/api/reload").validate(changed)
    finally:
        file.write_text(good)
        plant.ask("/api/reload", "POST")


def test_a_page_of_events_follows_the_other(plant):
    """Each number once, oldest first, with nothing between two answers; and a filter counts as ever."""
    newest = [each["seq"] for each in plant.ask("/api/events")[1]]
    followed, after = [], 0
    while rows := plant.ask(f"/api/events?after={after}&limit=3")[1]:
        followed += [each["seq"] for each in rows]
        after = followed[-1]
    assert followed[: len(newest)] == newest == sorted(newest)
    assert {each["type"] for each in plant.ask("/api/events?after=0&type=alarm.")[1]} >= {"alarm.raised"}
    status, refused = plant.ask("/api/events/99999999")
    assert (status, refused["error"].startswith("there is no event 99999999: the newest is ")) == (404, True)


@pytest.mark.parametrize("path", ["/health", "/live", "/ready", "/metrics", "/api/whoami", "/api/live"])
def test_what_is_no_route_is_told_as_it_is(plant, path):
    """Monitoring, the stream and whose token it is, at the page's port."""
    told = plant.ask("/api/openapi.json")[1]
    try:
        response = urllib.request.urlopen(f"http://127.0.0.1:{plant.port}{path}", timeout=30)
    except urllib.error.HTTPError as failing:  # /health, once a source has been away for its 15 s of grace
        response = failing
    with response:
        kind = response.headers.get_content_type()
        first = response.readline()
    [(promised, content)] = told["paths"][path]["get"]["responses"][str(response.status)]["content"].items()

    assert kind == promised
    if kind == "application/json":
        Draft202012Validator({**content["schema"], "components": told["components"]}).validate(
            json.loads(first)
        )
    else:
        assert first.startswith((b"# HELP", b"event: state"))


def test_both_doors_have_the_document(plant):
    """And it is the same."""
    with urllib.request.urlopen(f"http://127.0.0.1:{plant.port}/api/openapi.json", timeout=30) as response:
        assert json.load(response) == plant.ask("/api/openapi.json")[1]


# --- what cannot be asked ---------------------------------------------------------------------------

DIGITS = "9" * 5000
REFUSED = [
    ("GET", f"/api/events/{DIGITS}", 404),
    ("GET", "/api/events/0", 404),
    ("GET", "/api/events/-1", 400),
    ("GET", "/api/events/%D9%A3", 400),  # a digit, and none of ours
    ("GET", "/api/events/x", 400),
    ("GET", "/api/events/%00", 400),
    ("GET", "/api/events/%FF", 400),
    ("GET", "/api/events/", 404),
    ("GET", f"/api/events?after={DIGITS}", 200),
    ("GET", "/api/events?limit=0&after=000", 200),
    ("GET", "/api/events?limit=-1", 400),
    ("GET", "/api/events?limit=", 400),
    ("GET", "/api/events?since=1e3", 400),
    ("GET", "/api/events?state=", 400),
    ("GET", "/api/events?state=Dead", 400),
    ("GET", "/api/events?rule=%00&type=%ED%A0%80", 200),
    ("GET", "/api/events?limit=1&limit=2", 400),
    ("GET", "/api/events?%00=%FF", 400),
    ("GET", f"/api/events?{'x' * 5000}=1", 400),
    ("GET", f"/api/deadletters/cmms/{DIGITS}", 404),
    ("GET", "/api/deadletters/cmms/x", 400),
    ("GET", "/api/deadletters/a%2Fb%00/1", 404),
    ("GET", "/api/deadletters/%ED%A0%80/1", 404),
    ("GET", f"/api/deadletters?seq={DIGITS}&destination=cmms", 200),
    ("GET", "/api/deadletters?reason=%00%25_*?&rule=%FF", 200),
    ("GET", "/api/deadletters?destination=%00", 404),
    ("GET", "/api/deadletters?destination=", 404),
    ("POST", f"/api/deadletters/resend?destination=cmms&after={DIGITS}&upto=0&limit=0", 200),
    ("GET", "/api", 404),
    ("GET", "/api/", 404),
    ("GET", "/api/nothing%00", 404),
    ("GET", "/api/../api/%2e%2e", 404),
    ("POST", "/api/sources/%00/resume", 404),
    ("POST", "/api/sources//resume", 404),
    ("POST", "/api/sources/a%2Fb/resume", 404),
    ("POST", "/api/destinations/%ff%fe/enable", 404),
    ("POST", "/api/destinations/relay/orders/pause", 400),  # no body
    ("GET", "/api/reload", 405),
    ("POST", "/api/status", 405),
    ("DELETE", "/api/events/1", 405),
    ("PROPFIND", "/api/status", 405),
    ("OPTIONS", "/api/status", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), REFUSED, ids=[f"{m} {p[:40]}" for m, p, _ in REFUSED])
def test_whatever_is_asked_has_a_clean_answer(plant, method, path, status):
    """JSON, the status that its case has, and a sentence that is not longer than somebody reads."""
    told, answer = plant.ask(path, method)

    assert told == status, answer
    if status != 200:
        assert list(answer) == ["error"]
        assert 5 < len(answer["error"]) < 400


BODIES = [
    (b"", 400),
    (b"\xff\xfe", 400),
    (b'{"rules": ["\\ud800"]}', 400),
    (b'{"rules": ["\\u0000"]}', 404),
    (b'{"rules": [""]}', 404),
    (b'{"rules": []}', 400),
    (b'{"rules": ["a"], "for_s": NaN}', 400),
    (b'{"rules": ["a"], "for_s": 1e999}', 400),
    (b'{"rules": ["a"], "for_s": %s}' % DIGITS.encode(), 400),
    (b'{"rules": ["%s"]}' % (b"a" * 501), 400),
    (b'{"rules": [%s"a"]}' % (b'"b",' * 10_000), 400),
    (json.dumps({"rules": [f"hat {n}" for n in range(9_000)]}).encode(), 404),
    (b"[" * 100_000, 400),
    (b"x" * (1 << 20), 400),
    (b"x" * ((1 << 20) + 1), 413),
]


@pytest.mark.parametrize(("body", "status"), BODIES, ids=[f"{b[:40]!r} {len(b)}" for b, _ in BODIES])
def test_whatever_is_ordered_has_a_clean_answer(plant, body, status):
    """And nothing is done."""
    before = plant.agent.store.seq
    told, headers, answer = exchanged(plant, "POST", "/api/alarms/acknowledge", body)

    assert told == status, answer
    assert headers["content-type"].startswith("application/json")
    assert 5 < len(json.loads(answer)["error"]) < 1000
    assert plant.agent.store.seq == before


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "gzip", "Content-Length": "5"}, b"not so"),
        ({"Transfer-Encoding": "chunked"}, b"xyz\r\n"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b" " * 50_000_000)),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(plant, headers, body):
    """400, or 413 of what unfolds to more than an order; and the next question is answered."""
    told, _, answer = exchanged(plant, "POST", "/api/replay", body, **headers)

    assert told in {400, 413}, answer
    assert plant.ask("/api/status")[0] == 200


def test_who_goes_away_mid_order_leaves_nothing_behind(plant, caplog):
    """No error of the agent is logged, and nothing is done."""
    server = urlsplit(plant.url)
    for promised in ("Transfer-Encoding: chunked", "Content-Length: 5000"):
        with socket.create_connection((server.hostname, server.port), timeout=30) as connection:
            head = f"POST /api/replay HTTP/1.1\r\nHost: agent\r\n{promised}\r\nExpect: 100-continue\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue"), "it waits for the body now"
            connection.sendall(b'5\r\n{"si')
    for _ in range(3):  # and has seen by then that nobody is there any more
        assert plant.ask("/api/status")[0] == 200
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


def test_what_a_question_takes_is_said_where_it_is_asked_otherwise(plant):
    """405 with `Allow`; HEAD is answered as GET is, without the body."""
    status, headers, answer = exchanged(plant, "DELETE", "/api/status", b"")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert json.loads(answer)["error"] == "/api/status takes GET, HEAD, not DELETE"
    status, headers, answer = exchanged(plant, "HEAD", "/api/status", b"")
    assert (status, answer) == (200, b"")
    assert int(headers["content-length"]) > 500


def exchanged(plant, method, path, body, **more):
    """Status, headers and body of an answer to bytes that no client library would send."""
    server = urlsplit(plant.url)
    headers = {"Host": server.netloc, "Connection": "close", **more}
    if "Transfer-Encoding" not in headers:
        headers.setdefault("Content-Length", str(len(body)))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    with socket.create_connection((server.hostname, server.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"\r\n" + body)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    first, _, rest = answer.partition(b"\r\n")
    head, _, content = rest.partition(b"\r\n\r\n")
    fields = (line.partition(": ") for line in head.decode().split("\r\n"))
    return int(first.split()[1]), {name.lower(): value for name, _, value in fields}, content
