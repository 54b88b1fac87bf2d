"""Keys of NATS users, against what the official tool printed (its documentation)."""

import pytest

from agent.codec.nkeys import credentials, user_key

SEED = "SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY"
PUBLIC = "UD466L6EBCM3YY5HEGHJANNTN4LSKTSUXTH7RILHCKEQMQHTBNLHJJXT"
SIGNED = "0CK1XmkxNfUGfudxliWTWeoETgIo23m9qowS9yTfYFSrjR8HgAW63jQ3NxPU_jG38hZPW61IZSun37N690CkDg"
ANOTHER = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
FILE = f"""-----BEGIN NATS USER JWT-----
eyJ0eXAiOiJKV1QifQ.e30.c2lnbmF0dXJl
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
{SEED}
------END USER NKEY SEED------
"""


def test_a_seed_gives_the_public_key_and_the_signature_of_the_official_tool():
    """Both of its published examples; the signature is over `Hello World!` and a line feed."""
    assert user_key(SEED).public == PUBLIC
    assert user_key(f" {SEED}\n").sign("Hello World!\n") == SIGNED
    assert user_key(ANOTHER).public == "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_a_key_never_shows_itself():
    """What a log could print of it is public."""
    assert repr(user_key(SEED)) == f"UserKey({PUBLIC})"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PUBLIC, "begin with SU"),
        (SEED[:-1], "begin with SU"),
        (SEED[:20] + "A" + SEED[21:], "cut off or misspelt"),
        ("SAAGXWVZHQ5BLB5LDVTHUKSC4QRXGHGHBGYMLDTVUJFWM7NGCUD3ZBJZLM", "SU"),
        ("not base32 !", "begin with SU"),
        ("", "begin with SU"),
    ],
)
def test_what_is_no_seed_of_a_user_is_refused_without_being_repeated(text, why):
    """A public key, a typing error, an account's seed."""
    with pytest.raises(ValueError, match=why) as refused:
        user_key(text)

    assert not text or text not in str(refused.value)


def test_a_credentials_file_holds_a_token_and_a_key():
    """As `nsc generate creds` writes it."""
    token, key = credentials(FILE)

    assert (token, key.public) == ("eyJ0eXAiOiJKV1QifQ.e30.c2lnbmF0dXJl", PUBLIC)


@pytest.mark.parametrize("text", [SEED, FILE.partition("*****")[0], "", "x" * 1000])
def test_half_a_credentials_file_is_none(text):
    """The message says where one comes from."""
    with pytest.raises(ValueError, match="nsc generate creds"):
        credentials(text)
