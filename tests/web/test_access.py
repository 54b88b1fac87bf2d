"""Who may ask what, as a table: kind of thing, method, reach and token; and what browsers say of themselves."""

import pytest

from agent.config.http_section import HttpSection
from agent.config.secrets import Secret
from agent.model import SECOND
from agent.web.access import Asking, Guesses, Kind, Refusal, judge

ANNA, BOB = "anna-0123456789-token", "bob-0123456789-token"
TOKENS = {"anna": Secret(ANNA), "bob": Secret(BOB)}
HERE, EVERYWHERE = "127.0.0.1:8470", "0.0.0.0:8470"
OWN = {"line-4", "line-4.plant.example"}


def verdict(kind=Kind.DATA, method="GET", *, listen=HERE, tokens=TOKENS, token=None, names=(), **more):
    """The name, or the status."""
    http = HttpSection(listen=listen, tokens=tokens, names=names)
    hosts = more.pop("hosts", ("127.0.0.1:8470",))
    shown = more.pop("authorization", "" if token is None else f"Bearer {token}")
    found = judge(Asking(kind, method, hosts, authorization=shown, **more), http, OWN)
    return found.status if isinstance(found, Refusal) else found


@pytest.mark.parametrize(
    ("kind", "method", "none", "wrong", "right"),
    [
        # Where all is configured, on loopback.
        (Kind.FILE, "GET", "", "", "anna"),
        (Kind.PROBE, "GET", "", "", "anna"),
        (Kind.NOTHING, "POST", "", "", "anna"),
        (Kind.WHOAMI, "GET", "", 401, "anna"),
        (Kind.DATA, "GET", "", 401, "anna"),
        (Kind.DATA, "HEAD", "", 401, "anna"),
        (Kind.DATA, "POST", 401, 401, "anna"),
        (Kind.DATA, "DELETE", 401, 401, "anna"),
    ],
)
def test_on_loopback_questions_are_free_and_orders_are_not(kind, method, none, wrong, right):
    """A token that is shown and not known is refused even where none is needed: its holder believes in it."""
    assert verdict(kind, method) == none
    assert verdict(kind, method, token="x" * 20) == wrong
    assert verdict(kind, method, token=ANNA) == right
    assert verdict(kind, method, token=BOB) == ("bob" if right == "anna" else right)


@pytest.mark.parametrize(
    ("kind", "method", "none"),
    [
        (Kind.FILE, "GET", ""),
        (Kind.PROBE, "GET", ""),
        (Kind.WHOAMI, "GET", ""),
        (Kind.DATA, "GET", 401),
        (Kind.DATA, "HEAD", 401),
        (Kind.DATA, "POST", 401),
    ],
)
def test_beyond_loopback_data_wants_a_token(kind, method, none):
    """Whoever may only look is nobody there."""
    assert verdict(kind, method, listen=EVERYWHERE) == none
    assert verdict(kind, method, listen=EVERYWHERE, token=ANNA) == "anna"


@pytest.mark.parametrize("listen", ["[::]:1", "192.168.1.5:1", EVERYWHERE])
def test_every_address_that_others_reach_is_beyond_loopback(listen):
    """And every one of loopback is not."""
    assert verdict(listen=listen) == 401
    assert verdict(listen="[::1]:1") == verdict(listen="localhost:1") == ""


def test_without_any_token_configured_nobody_orders():
    """Whatever is shown; a login of a proxy before this changes nothing, and the remedy is named."""
    for authorization in ("", f"Bearer {ANNA}", "Basic YTpi"):
        assert verdict(tokens={}, authorization=authorization) == ""
        assert verdict(method="POST", tokens={}, authorization=authorization) == 403
    refused = judge(Asking(Kind.DATA, "POST", ["localhost"]), HttpSection(), OWN)
    assert "http: {tokens: " in refused.sentence
    assert "edge-relay keygen --token" in refused.sentence


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (f"bearer {ANNA}", "anna"),
        (f"BEARER   {ANNA} ", "anna"),
        (f"Basic {ANNA}", 401),
        (ANNA, 401),
        (f"Bearer {ANNA}x", 401),
        (f"Bearer {ANNA[:-1]}", 401),
        (f"Bearer {ANNA} {BOB}", 401),
        ("Bearer", 401),
        ("Bearer \udcff\udcfe", 401),
        ("Bearer ünicode-0123456789", 401),
    ],
)
def test_how_a_token_is_shown(authorization, expected):
    """The scheme in any case, one token, the whole of it."""
    assert verdict(method="POST", authorization=authorization) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8470", ""),
        ("10.1.2.3", ""),
        ("[::1]:8470", ""),
        ("[fe80::1]", ""),
        ("localhost", ""),
        ("LOCALHOST.:8470", ""),
        ("line-4:8470", ""),
        ("line-4.plant.example", ""),
        ("plant-pc.local:80", ""),
        ("Plant-PC.local", ""),
        ("evil.example:8470", 421),
        ("line-4.evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.example@127.0.0.1", 421),
        ("127.0.0.1/evil", 421),
        ("::1", 421),
        ("[::1", 421),
        ("", 421),
        (":8470", 421),
        ("127.0.0.1:", 421),
    ],
)
def test_only_names_of_this_agent_are_answered(host, expected):
    """Any address, for nobody can turn one elsewhere; of names those that are known; of every kind of thing."""
    for kind in (Kind.DATA, Kind.FILE, Kind.PROBE, Kind.WHOAMI, Kind.NOTHING):
        assert verdict(kind, hosts=[host], names=["plant-pc.local"], tokens={}) == expected


@pytest.mark.parametrize(
    ("host", "forwarded", "expected"),
    [
        ("127.0.0.1:8470", False, ""),
        ("[::1]", False, ""),
        ("localhost.", False, ""),
        ("127.0.0.1:8470", True, 401),
        ("10.1.2.3", False, 401),
        ("line-4", False, 401),
        ("plant-pc.local", False, 401),
    ],
)
def test_behind_a_proxy_on_loopback_may_be_anybody(host, forwarded, expected):
    """So where tokens are written each one shows his; a proxy that asks people itself lets them look without any."""
    asked = {"hosts": [host], "names": ["plant-pc.local"], "forwarded": forwarded}
    assert verdict(**asked) == expected
    assert verdict(token=ANNA, **asked) == "anna"
    assert verdict(tokens={}, **asked) == ""
    assert verdict(Kind.PROBE, **asked) == verdict(Kind.FILE, **asked) == ""


def test_two_hosts_are_none():
    """What a proxy before this would have read is not what is read here; no browser leaves the header out."""
    assert verdict(hosts=["localhost", "localhost"]) == 421
    assert verdict(hosts=[]) == ""


@pytest.mark.parametrize(
    ("said", "elsewhere"),
    [
        ({}, False),
        ({"site": "same-origin"}, False),
        ({"site": "none"}, False),
        ({"site": "same-site"}, True),
        ({"site": "cross-site"}, True),
        ({"site": "something new"}, True),
        ({"origin": "http://127.0.0.1:8470"}, False),
        ({"origin": "HTTP://127.0.0.1:8470"}, False),
        ({"origin": "http://127.0.0.1:9000"}, True),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://[bad"}, True),
        ({"origin": "https://plant.example", "site": "same-origin"}, False),  # a proxy has changed the Host
    ],
)
def test_no_page_of_another_site_asks_for_data(said, elsewhere):
    """Whatever it knows; on another port it is another site. The page's own files say nothing, so anyone may."""
    for method in ("GET", "POST"):
        assert verdict(method=method, token=ANNA, **said) == (403 if elsewhere else "anna")
    assert verdict(Kind.FILE, **said) == ""


def test_an_order_is_json_or_nothing():
    """What forms can send is no order; a question's body is nobody's business."""
    assert verdict(method="POST", token=ANNA, media=None) == "anna"
    assert verdict(method="POST", token=ANNA, media="application/json") == "anna"
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert verdict(method="POST", token=ANNA, media=media) == 415


def test_no_sentence_repeats_a_token_or_strange_text():
    """What is refused may stand in logs and on screens."""
    http = HttpSection(tokens=TOKENS)
    for hosts in (["<script>"], ["localhost"], ["evil.example"]):
        asking = Asking(Kind.DATA, "POST", hosts, authorization="Bearer my-secret-token-of-elsewhere")
        sentence = judge(asking, http, OWN).sentence
        assert "my-secret" not in sentence
        assert "<" not in sentence


def test_guesses_are_slow_and_few_words():
    """10,000 in a minute: ten are answered at once, all others after a second, one line is logged; then it begins anew."""
    guesses = Guesses()
    answers = [guesses.wrong(number * SECOND // 200) for number in range(10_000)]

    assert [delay for delay, _ in answers] == [0.0] * 10 + [1.0] * 9_990
    assert [told for _, told in answers if told] == [1]
    assert guesses.wrong(61 * SECOND) == (0.0, 10_000)
    assert guesses.wrong(62 * SECOND) == (0.0, 0)
