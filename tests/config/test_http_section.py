"""`http:`, who may do what at the page's port: each mistake has its line and its remedy, and no token is repeated."""

import pytest
from rigs.authority import Authority

from agent.changes import changes, needs_restart
from agent.config.load import load
from agent.config.secrets import NOT_NEEDED
from agent.errors import ConfigError

TOKEN = "anna-0123456789-token"
OTHER = "bob-0123456789-token"
ENVIRONMENT = {"ANNA": TOKEN, "BOB": OTHER, "SAME": TOKEN, "SHORT": "fifteen-charact", "BLANK": "fifteen charact r", "UMLAUT": "fünfzehn-zeichen-und-mehr"}  # fmt: skip


def loaded(folder, section, environment=ENVIRONMENT, **more):
    file = folder / "agent.yaml"
    file.write_text(f"agent: {{site: north, name: line-4}}\nhttp: {section}\n")
    return load(file, environment, **more)


def problems(folder, section, **more):
    """`LINE:COLUMN: TEXT` of each error, or warning."""
    try:
        found = loaded(folder, section, **more).warnings
    except ConfigError as error:
        found = error.problems
    return [f"{each.line}:{each.column}: {each.severity}: {each.text}" for each in found]


def test_nothing_is_asked_for_on_loopback(tmp_path):
    """A page that can only be looked at, by whoever is on the machine."""
    http = loaded(tmp_path, "{}").http

    assert (str(http.listen), http.tokens, http.names, http.tls) == ("127.0.0.1:8470", {}, (), None)
    assert not http.is_open
    assert problems(tmp_path, '{listen: "[::1]:8470"}') == []


def test_all_that_can_be_said(tmp_path):
    """Names are compared in lower case; nothing shows a token."""
    section = '{listen: "0.0.0.0:8470", tokens: {anna: "${env:ANNA}", Bob B.: "${env:BOB}"}, names: [Plant-PC.local.], tls: {certificate: a.pem, key: a.key}}'
    configuration = loaded(tmp_path, section)
    http = configuration.http

    assert http.tokens["Bob B."].reveal() == OTHER
    assert http.names == ("plant-pc.local",)
    assert http.tls.certificate == tmp_path / "a.pem"
    assert http.is_open
    assert configuration.warnings == ()
    assert not [
        text for text in (repr(configuration), http.model_dump_json()) if TOKEN in text or OTHER in text
    ]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{listen: 0.0.0.0:8470}", "2:16: error: http, listen: 0.0.0.0 can be reached from other machines, and without a token anybody there could look: make one with `edge-relay keygen --token"),
        ('{listen: "[::]:8470", tokens: {}}', "2:16: error: http, listen: :: can be reached"),
        ('{listen: 0.0.0.0:8470, tokens: {anna: "${env:ANNA}"}}', "2:16: warning: http, listen: 0.0.0.0 can be reached from other machines, and tokens and values travel readable: add `tls: {certificate: FILE, key: FILE}`, or listen on 127.0.0.1:8470 and put a proxy that speaks TLS before it"),
        ("{listen: plant-pc:8470}", "2:16: error: http, listen: expected an IP address before the port, got 'plant-pc': write 127.0.0.1:8470"),
        ("{listen: 8470}", "2:16: error: http, listen: expected an IP address and a port, such as"),
        ("{listen: 127.0.0.1:99999}", "2:16: error: http, listen: expected an IP address and a port, such as"),
        ('{tokens: {anna: "${env:SHORT}"}}', "2:23: error: http, tokens.anna: a token of less than 16 characters can be guessed: make one with `edge-relay keygen --token`"),
        ('{tokens: {anna: "${env:BLANK}"}}', "2:23: error: http, tokens.anna: expected a token of printable ASCII without blanks, in one line"),
        ('{tokens: {anna: "${env:UMLAUT}"}}', "2:23: error: http, tokens.anna: expected a token of printable ASCII"),
        ('{tokens: {anna: "${env:NONE}"}}', "2:23: error: http, tokens.anna: the environment variable NONE is not set"),
        ('{tokens: {anna: "${env:ANNA}", bob: "${env:SAME}"}}', "2:43: error: http, tokens.bob: it is the token of anna as well, and nobody could tell who it was: make another"),
        (f"{{tokens: {{anna: {TOKEN}}}}}", "2:23: warning: http, tokens.anna: a secret in plain text: put it into a file"),
        ('{tokens: {"an\\nna": "${env:ANNA}"}}', "expected a name of 1 to 63 letters"),
        ('{tokens: "${env:ANNA}"}', "2:16: error: http, tokens: expected a map"),
        ("{names: [https://plant-pc.local/]}", "2:16: error: http, names: expected the bare name of a host, without https:// and port, such as plant-pc.local"),
        ('{names: ["plant-pc.local:8470"]}', "expected the bare name of a host"),
        ('{names: ["${env:ANNA}"]}', "expected the bare name of a host"),
        ("{tls: {certificate: a.pem}}", "`key` is missing"),
        ("{token: x}", "did you mean `tokens`?"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_place_and_its_remedy(tmp_path, section, expected):
    """One at a time, and no part of a token in it."""
    [found] = problems(tmp_path, section)

    assert expected in found
    assert not [secret for secret in ENVIRONMENT.values() if secret in found]


def test_where_no_secret_is_looked_up_none_are_the_same(tmp_path):
    """`check --connections` and tests of rules run on machines that have none."""
    section = '{tokens: {anna: "${file:a}", bob: "${file:b}"}}'

    assert problems(tmp_path, section, environment=NOT_NEEDED) == []


def test_a_certificate_that_cannot_be_used_is_a_warning(tmp_path):
    """The alarms do not wait for it; it is looked at by `check` alone."""
    Authority(tmp_path).issue("page")
    for section, expected in (
        ("{tls: {certificate: page.pem, key: page.key}}", []),
        ("{tls: {certificate: page.pem, key: none.key}}", ["the page is not served until it can be used"]),
        ("{tls: {certificate: page.pem, key: agent.yaml}}", ["the page is not served until it can be used"]),
    ):
        found = problems(tmp_path, section, now_wall=1)
        assert len(found) == len(expected)
        assert all(text in line and "2:" in line for text, line in zip(expected, found, strict=True))
        assert problems(tmp_path, section) == []


def test_what_changes_is_named_without_what_it_says(tmp_path):
    """It goes into an event, for receivers; and nothing of it takes a restart."""
    old = loaded(tmp_path, '{tokens: {anna: "${env:ANNA}"}}')
    same = loaded(tmp_path, '{tokens: {anna: "${env:SAME}"}}')
    new = loaded(tmp_path, '{listen: 127.0.0.1:1, tokens: {anna: "${env:BOB}"}, names: [a.b]}')

    assert changes(old, same) == []
    assert changes(old, new) == [{"section": "http", "key": key} for key in ("listen", "names", "tokens")]
    assert needs_restart(old, new) == []
