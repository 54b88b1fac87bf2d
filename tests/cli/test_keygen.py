"""`edge-relay keygen`: what it makes is taken by the configuration, and only its owner may read it."""

import json
import os
import stat

import pytest
from rigs.signing_vectors import BAD_PAIR, C_PUBLIC, A, C

from agent.cli import main
from agent.config.load import load
from agent.delivery.keys import decode_public_key, decode_secret, decode_signing_key

AGENT = """\
agent: {site: dresden, name: line-4}
destinations:
  cmms: {url: "https://cmms.example.com/", signing: SECTION}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def said(capsys, *words):
    status = main(["keygen", *words])
    output, errors = capsys.readouterr()
    return status, output, errors


def loaded(tmp_path, section):
    """The section as the configuration takes it."""
    (tmp_path / "agent.yaml").write_text(AGENT.replace("SECTION", section))
    configuration = load(tmp_path / "agent.yaml")
    assert configuration.warnings == ()
    return configuration.destinations["cmms"].signing


@pytest.mark.parametrize("words", [[], ["--hex"]])
def test_alone_it_prints_the_secret_and_nothing_else(capsys, words):
    """`keygen > file` is what scripts do; each run has another."""
    first, second = (said(capsys, *words) for _ in range(2))

    assert (first[0], first[1].count("\n"), first[2]) == (0, 1, "")
    assert first[1] != second[1]
    assert len(decode_secret(first[1].strip()).raw) == 32 if not words else len(bytes.fromhex(first[1])) == 32


@pytest.mark.parametrize("words", [[], ["--hex"], ["--ed25519"]])
def test_what_goes_into_a_file_is_not_shown_and_loads_as_it_says(tmp_path, capsys, words):
    """For its owner alone, whatever the umask; the section that is printed is the one that works."""
    before = os.umask(0)
    try:
        status, output, errors = said(capsys, *words, "--out", "cmms.key")
    finally:
        os.umask(before)
    secret = (tmp_path / "cmms.key").read_text().strip()
    section = output.partition("`signing: ")[2].partition("`")[0]
    signing = loaded(tmp_path, section)

    assert (status, errors) == (0, "")
    assert stat.S_IMODE((tmp_path / "cmms.key").stat().st_mode) == 0o600
    assert secret not in output
    assert secret == (signing.key if "--ed25519" in words else signing.secret).reveal()


def test_a_pair_is_printed_each_half_with_its_place(capsys):
    """Who reads it knows which one to hand over."""
    status, output, _ = said(capsys, "--ed25519")
    stays, goes = output.split("The public key is for the receiver")
    private, public = (text.split("\n\n  ")[1].strip() for text in (stays, goes))

    assert status == 0
    assert stays.startswith("The signing key stays on this machine")
    assert decode_signing_key(private).public == decode_public_key(public)


@pytest.mark.parametrize("words", [["--ed25519"], ["--ed25519", "--out", "k"], [], ["--out", "k"]])
def test_for_scripts(tmp_path, capsys, words):
    """One document; what is in the file is not in it."""
    _, output, _ = said(capsys, *words, "--json")
    document = json.loads(output)
    called = "file" if "--out" in words else "signing_key" if words else "secret"

    assert set(document) == {called} | ({"public_key"} if "--ed25519" in words else set())
    if words == ["--ed25519", "--out", "k"]:
        key = decode_signing_key((tmp_path / "k").read_text().strip())
        assert str(key.public) == document["public_key"]


def test_the_public_key_is_given_again(tmp_path, capsys):
    """For the next receiver, months later (vector C)."""
    (tmp_path / "k").write_text(C.key + "\n")

    assert said(capsys, "--public-of", "k") == (0, C_PUBLIC + "\n", "")
    assert json.loads(said(capsys, "--public-of", "k", "--json")[1]) == {"public_key": C_PUBLIC}


def test_a_token_names_whoever_has_it(tmp_path, capsys):
    """By its file; the section that is printed is the one that works, and the token is not shown."""
    status, output, errors = said(capsys, "--token", "--out", "anna.token")
    section = output.partition("for `")[2].partition("`")[0]
    (tmp_path / "agent.yaml").write_text(f"agent: {{site: dresden, name: line-4}}\n{section}\n")
    configuration = load(tmp_path / "agent.yaml")
    token = configuration.http.tokens["anna"].reveal()

    assert (status, errors, configuration.warnings) == (0, "", ())
    assert len(token) == 43
    assert token not in output
    assert said(capsys, "--token")[1].count("\n") == 1


@pytest.mark.parametrize("left", ["a key in use", "link"])
def test_nothing_is_overwritten(tmp_path, capsys, left):
    """Neither a file, nor what a link that somebody left there points at."""
    if left == "link":
        (tmp_path / "cmms.key").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "cmms.key").write_text(left)
    status, output, errors = said(capsys, "--out", "cmms.key")

    assert (status, output) == (1, "")
    assert errors.startswith("edge-relay: cmms.key is there already")
    assert not (tmp_path / "elsewhere").exists()
    assert left == "link" or (tmp_path / "cmms.key").read_text() == left


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--out", "no/where"], 1, "no/where cannot be written: No such file or directory"),
        (["--public-of", "none"], 2, "none cannot be read: No such file or directory"),
        (["--public-of", "."], 2, ". cannot be read: Is a directory"),
        (["--public-of", "bytes"], 2, "bytes is not text"),
        (["--public-of", "secret"], 2, "secret: this is an HMAC secret: write {secret: ...} without"),
        (["--public-of", "pair"], 2, "pair: the public half of this signing key does not belong to it"),
        (["--public-of", "pair", "--out", "x"], 2, "--out is for what is secret: a public key is printed"),
    ],
)
def test_a_slip_is_answered_with_the_remedy(tmp_path, capsys, words, status, message):
    """A sentence, and no part of a key."""
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "secret").write_text(A.key)
    (tmp_path / "pair").write_text(BAD_PAIR)
    got, output, errors = said(capsys, *words)

    assert (got, output) == (status, "")
    assert errors.startswith(f"edge-relay: {message}")
    assert not any(text[8:20] in errors for text in (A.key, BAD_PAIR))
