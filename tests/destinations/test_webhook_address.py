"""Where a webhook goes: an address that is a secret is read from elsewhere, and shown nowhere."""

import pytest

from agent.config.load import load
from agent.config.secrets import NOT_NEEDED
from agent.errors import ConfigError
from agent.http.urls import shown

CANARY = "canary4711"
WRITTEN = "agent: {{site: dresden, name: line-4}}\ndestinations:\n  room: {{url: {url}, signing: none}}\n"


@pytest.fixture
def loaded(tmp_path):
    def load_it(url, kept=f"https://example.com/hooks/{CANARY}?sig={CANARY}", environment=None):
        path = tmp_path / "agent.yaml"
        path.write_text(WRITTEN.format(url=url))
        (tmp_path / "room.url").write_text(f"{kept}\n")
        (tmp_path / "room.url").chmod(0o600)
        return load(path, {} if environment is None else environment).destinations["room"]

    return load_it


def test_an_address_may_stand_in_a_file(loaded):
    """Whole, or the part of it that is the secret; it is sent to as it stands there."""
    whole = loaded('"${file:room.url}"')
    part = loaded('"https://example.com/hooks/${file:room.url}"', CANARY)

    assert whole.url == f"https://example.com/hooks/{CANARY}?sig={CANARY}"
    assert part.url == f"https://example.com/hooks/{CANARY}"
    assert shown(whole.url) == shown(part.url) == "https://example.com/(not shown)"


def test_an_address_that_is_written_is_shown_without_its_query(loaded):
    """As before: whoever reads the file sees it anyway, but a query may hold a key."""
    assert (
        shown(loaded(f"https://example.com/hooks/plant?key={CANARY}").url)
        == "https://example.com/hooks/plant"
    )


@pytest.mark.parametrize(
    "kept", [f"ftp://example.com/{CANARY}", f"https://anna:{CANARY}@example.com/", CANARY]
)
def test_what_is_no_address_is_refused_without_being_repeated(loaded, kept):
    """The rules for an address hold wherever it stands."""
    with pytest.raises(ConfigError) as refused:
        loaded('"${file:room.url}"', kept)

    assert "room" in str(refused.value)
    assert CANARY not in str(refused.value)


def test_a_file_that_is_not_there_is_named(loaded):
    """With the remedy of every secret."""
    with pytest.raises(ConfigError, match=r"cannot read the secret file .*other.url"):
        loaded('"${file:other.url}"')


def test_whoever_needs_no_secret_needs_no_address(loaded):
    """Rules are proven elsewhere, where no secret is."""
    assert loaded('"${credential:room}"', environment=NOT_NEEDED).url.startswith("https://")
    assert loaded('"https://example.com/${credential:room}"', environment=NOT_NEEDED).url.startswith(
        "https://ex"
    )
