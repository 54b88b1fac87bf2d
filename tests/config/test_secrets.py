"""Secrets come from outside the file, and nothing shows them."""

import json

import pytest
from pydantic import ValidationError

from agent.config.fields import Section
from agent.config.secrets import Secret, SecretPlaces, resolve

TEXT = "correct horse battery staple"


class Login(Section):
    password: Secret


@pytest.fixture
def places(tmp_path):
    """A folder with a secret file and a credential, and an environment with a variable."""
    (tmp_path / "credentials").mkdir()
    for name in ("file.key", "credentials/broker"):
        (tmp_path / name).write_text(TEXT + "\n")
        (tmp_path / name).chmod(0o640)
    environment = {"PASSWORD": TEXT, "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    return SecretPlaces(environment, tmp_path)


@pytest.mark.parametrize("reference", ["${env:PASSWORD}", "${file:file.key}", "${credential:broker}"])
def test_a_reference_stands_for_what_is_kept_there(places, reference):
    """A file's last line break is not part of it; a relative path begins at the configuration."""
    secret = resolve(reference, places)

    assert (secret.reveal(), secret.exposed) == (TEXT, "")


def test_a_reference_may_stand_within_a_text(places):
    """`Token ${env:NAME}` is as secret as the name's text."""
    secret = resolve("Token ${env:PASSWORD}!", places)

    assert (secret.reveal(), secret.exposed) == (f"Token {TEXT}!", "")


def test_plain_text_is_taken_and_known_to_be_plain(places):
    """The loader warns of it (thingsboard-gateway#1601)."""
    assert resolve(TEXT, places).exposed == "in plain text"


def test_only_the_last_line_break_is_stripped(places):
    """Blanks and line breaks before it belong to the secret."""
    (places.folder / "file.key").write_bytes(b" a \r\n\r\n")

    assert resolve("${file:file.key}", places).reveal() == " a \r\n"


def test_a_file_that_everyone_may_read_is_refused(places):
    """The message has the command that mends it (reliability X8)."""
    path = places.folder / "file.key"
    path.chmod(0o644)

    with pytest.raises(
        ValueError, match=r"is readable by everyone: chmod o-rwx .*file\.key .*\{insecure_file:file\.key\}"
    ):
        resolve("${file:file.key}", places)
    allowed = resolve("${insecure_file:file.key}", places)

    assert (allowed.reveal(), allowed.exposed) == (TEXT, "in a file that everyone may read")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("${env:NOBODY}", "the environment variable NOBODY is not set"),
        ("${file:nobody}", "cannot read the secret file .*nobody \\(No such file"),
        ("${file:.}", "it is not a file"),
        ("${file:empty}", "the secret file .*empty is empty"),
        ("${file:picture}", "the secret file .*picture is not UTF-8 text"),
        ("${file:large}", "the secret file .*large is larger than"),
        (
            "${credential:nobody}",
            "no credential nobody: add LoadCredential=nobody:PATH to the service's unit",
        ),
        ("${credential:../file.key}", "expected the bare name of a credential"),
        ("${env:}", "unknown reference to a secret"),
        ("${secret:x}", "unknown reference to a secret"),
        ("${}", "unknown reference to a secret"),
        ("", "expected a secret, got an empty text"),
    ],
)
def test_what_is_not_there_is_an_error_with_its_remedy(places, reference, message):
    """Found when the file is loaded, not at the first alarm."""
    for name, content in (("empty", b"\n"), ("picture", b"\xff\xd8"), ("large", b"x" * 70_000)):
        (places.folder / name).write_bytes(content)
        (places.folder / name).chmod(0o600)

    with pytest.raises(ValueError, match=message):
        resolve(reference, places)


def test_nothing_shows_a_secret(places):
    """repr, str, format, JSON, a model's dump, a traceback's text."""
    login = Login.model_validate({"password": "${env:PASSWORD}"}, context=places)
    shown = [
        repr(login), str(login), f"{login.password} {login.password!r}", json.dumps(login.model_dump()),
        login.model_dump_json(), str(login.password), repr(vars(login)),
    ]  # fmt: skip

    assert login.password.reveal() == TEXT
    assert [text for text in shown if TEXT in text] == []
    assert repr(login.password) == "Secret(***)"


def test_no_error_shows_a_reference_that_may_be_a_secret(places):
    """A password that happens to hold `${...}` is not repeated."""
    with pytest.raises(ValidationError) as refused:
        Login.model_validate({"password": "a${" + TEXT + "}b"}, context=places)

    assert TEXT not in str(refused.value)


def test_equal_secrets_are_equal():
    """A reload must see whether a destination changed."""
    assert (Secret("a") == Secret("a"), Secret("a") == Secret("b"), Secret("a") == "a") == (
        True,
        False,
        False,
    )
    assert len({Secret("a"), Secret("a", exposed="in plain text"), Secret("b")}) == 2
