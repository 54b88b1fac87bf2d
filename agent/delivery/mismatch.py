"""Why a signature does not fit: the usual mistakes are made on purpose until one gives what was sent.

A mistake is only told when it gives the very signature, so what is told is true. Rules for whoever
adds one: at most two at a time, or chance and work grow; secrets go in, none comes out. This is for a
person who has the keys and looks for a fault; nothing that answers strangers may call it.
"""

import base64
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final, TypeAlias

from agent.delivery.clue import Clue
from agent.delivery.keys import HMAC_PREFIX, PublicKey
from agent.delivery.rewritten import candidates

_HASHES: Final = {16: "md5", 20: "sha1", 32: "sha256", 48: "sha384", 64: "sha512"}
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
_LEAD: Final = re.compile(r"(?:v[0-9]+[a-z]*[,=]|sha[0-9]+=)")
_MOST: Final = 2
_ED25519: Final = 64  # bytes of a signature

_WITH_PREFIX: Final = Clue(
    "secret_with_prefix",
    "with the secret as it is written, `whsec_` included, as the key",
    "Take `whsec_` off and decode the rest from base64: the bytes that come out are the key.",
)
_UNDECODED: Final = Clue(
    "secret_undecoded",
    "with the secret's text without `whsec_`, not decoded, as the key",
    "Decode what stands after `whsec_` from base64: the bytes that come out are the key.",
)
_PREFIX_DECODED: Final = Clue(
    "secret_prefix_decoded",
    "with `whsec_` decoded from base64 together with the rest as the key",
    "Take `whsec_` off first (Node's Buffer.from reads it as base64 without a complaint), then decode.",
)
_DECODED: Final = Clue(
    "secret_decoded",
    "with the secret decoded from base64 as the key",
    "With hex signatures the text itself is the key, `whsec_` included: do not decode it.",
)
_NEWLINE: Final = Clue(
    "secret_with_newline",
    "with the secret with a line feed at its end as the key",
    "The secret was read from a file with its last line feed: strip it.",
)
_SWAPPED: Final = Clue(
    "id_and_timestamp_swapped",
    "with the timestamp before the id",
    "What is signed is `ID.TIMESTAMP.BODY`, in this order.",
)
_BODY_ALONE: Final = Clue(
    "body_alone",
    "over the body alone, without id and timestamp",
    "What is signed is `ID.TIMESTAMP.BODY`, with a dot between.",
)
_NO_ID: Final = Clue("id_left_out", "with the id left out", "What is signed is `ID.TIMESTAMP.BODY`.")
_NO_TIME: Final = Clue(
    "timestamp_left_out", "with the timestamp left out", "What is signed is `ID.TIMESTAMP.BODY`."
)
_NO_DOTS: Final = Clue(
    "dots_left_out", "with no dots between", "What is signed is `ID.TIMESTAMP.BODY`, with a dot between."
)
_STAMPED: Final = Clue(
    "id_and_timestamp_signed",
    "with id and timestamp before the body",
    "A hex signature is over the body alone; for `ID.TIMESTAMP.BODY` use the standard scheme.",
)
_IN_HEX: Final = Clue("hexadecimal", "in hexadecimal digits", "Expected base64: digest(), not hexdigest().")
_HEX_IN_BASE64: Final = Clue(
    "base64_of_hexadecimal",
    "in base64 of hexadecimal digits",
    "Expected base64 of the 32 bytes themselves: digest(), not hexdigest().",
)
_IN_BASE64: Final = Clue("base64", "in base64", "Expected hexadecimal digits: hexdigest().")
_FOR_URLS: Final = Clue(
    "base64_variant",
    "in base64 for URLs, or without its padding",
    "Expected base64 with + and / and with = at its end.",
)
_HASH: Final = Clue("other_hash", "with another hash than SHA-256", "Expected HMAC with SHA-256.")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked into.

    Attributes:
        keys: a secret as it is written, or a public key.
        identity: the header's text, empty where there is none.
        timestamp: the same.
        hexadecimal: whether the scheme is that of a hexadecimal signature over the body.
    """

    keys: Sequence[str | PublicKey] = field(repr=False)
    identity: str
    timestamp: str
    body: bytes
    hexadecimal: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a signature came about.

    Attributes:
        key: the place of the key among the subject's.
        clues: what was done otherwise; empty: nothing, it is right.
    """

    key: int
    clues: tuple[Clue, ...]


_Try: TypeAlias = Callable[[bytes], tuple[Clue, ...] | None]
_Lay: TypeAlias = Callable[[bytes], bytes]


def recipe(signatures: Iterable[str], subject: Subject) -> Recipe | None:
    """How one of the signatures (without versions) comes about; None if no usual mistake explains it."""
    signatures = list(signatures)
    keys = [*_hmac_tries(signatures, subject), *_ed25519_tries(signatures, subject)]
    bodies = [(None, subject.body), *candidates(subject.body)]
    layouts = list(_layouts(subject))
    for (number, key_clue, fits), (lay_clue, lay), (body_clue, body) in product(keys, layouts, bodies):
        clues = tuple(clue for clue in (body_clue, key_clue, lay_clue) if clue is not None)
        if len(clues) <= _MOST and (form := fits(lay(body))) is not None:
            return Recipe(number, clues + form)
    return None


def _hmac_tries(signatures: Sequence[str], subject: Subject) -> Iterator[tuple[int, Clue | None, _Try]]:
    wanted = {
        digest: clues
        for signature in reversed(signatures)
        for digest, clues in _readings(signature, hexadecimal=subject.hexadecimal)
    }
    hashes = {len(digest) for digest in wanted} & _HASHES.keys()

    def tried(key: bytes) -> _Try:
        def fits(content: bytes) -> tuple[Clue, ...] | None:
            for length in hashes:
                clues = wanted.get(hmac.digest(key, content, _HASHES[length]))
                if clues is not None:
                    return clues if _HASHES[length] == "sha256" else (*clues, _HASH)
            return None

        return fits

    if hashes:
        for number, secret in _secrets(subject):
            ways = _hex_keys(secret) if subject.hexadecimal else _standard_keys(secret)
            yield from ((number, clue, tried(key)) for clue, key in ways)


def _secrets(subject: Subject) -> Iterator[tuple[int, str]]:
    return ((number, key) for number, key in enumerate(subject.keys) if isinstance(key, str))


def _standard_keys(secret: str) -> Iterator[tuple[Clue | None, bytes]]:
    bare = secret.removeprefix(HMAC_PREFIX)
    if (key := _lenient(bare)) is not None:
        yield None, key
    yield _WITH_PREFIX, (HMAC_PREFIX + bare).encode()
    yield _UNDECODED, bare.encode()
    if (key := _lenient(HMAC_PREFIX + bare)) is not None:
        yield _PREFIX_DECODED, key
    yield _NEWLINE, f"{secret}\n".encode()
    yield _NEWLINE, f"{bare}\n".encode()


def _hex_keys(secret: str) -> Iterator[tuple[Clue | None, bytes]]:
    yield None, secret.encode()
    yield _NEWLINE, f"{secret}\n".encode()
    bare = secret.removeprefix(HMAC_PREFIX)
    if bare != secret:
        yield _UNDECODED, bare.encode()
    if (key := _lenient(bare)) is not None:
        yield _DECODED, key


def _ed25519_tries(signatures: Sequence[str], subject: Subject) -> Iterator[tuple[int, Clue | None, _Try]]:
    wanted = [
        (base64.b64encode(digest).decode(), clues)
        for signature in signatures
        for digest, clues in _readings(signature, hexadecimal=False)
        if len(digest) == _ED25519
    ]

    def tried(key: PublicKey) -> _Try:
        return lambda content: next((clues for text, clues in wanted if key.made(text, content)), None)

    keys = ((number, key) for number, key in enumerate(subject.keys) if isinstance(key, PublicKey))
    return ((number, None, tried(key)) for number, key in keys if wanted)


def _layouts(subject: Subject) -> Iterator[tuple[Clue | None, _Lay]]:
    identity, timestamp = (
        subject.identity.encode(errors="replace"),
        subject.timestamp.encode(errors="replace"),
    )

    def after(*parts: bytes, dot: bytes = b".") -> _Lay:
        return lambda body: dot.join([*parts, body])

    if subject.hexadecimal:
        yield None, after()
        yield _STAMPED, after(identity, timestamp)
        yield _STAMPED, after(timestamp)
        return
    yield None, after(identity, timestamp)
    yield _SWAPPED, after(timestamp, identity)
    yield _BODY_ALONE, after()
    yield _NO_ID, after(timestamp)
    yield _NO_TIME, after(identity)
    yield _NO_DOTS, after(identity, timestamp, dot=b"")


def _readings(signature: str, *, hexadecimal: bool) -> Iterator[tuple[bytes, tuple[Clue, ...]]]:
    """The digests that a text may stand for, the likeliest last: it is the one that counts."""
    text = _LEAD.sub("", signature.strip(), count=1)
    if (digest := _lenient(text)) is not None:
        if _HEX.fullmatch(digits := digest.decode("latin-1")):
            yield bytes.fromhex(digits), (_HEX_IN_BASE64,)
        as_usual = base64.b64encode(digest).decode() == text
        yield digest, (_IN_BASE64,) if hexadecimal else () if as_usual else (_FOR_URLS,)
    if _HEX.fullmatch(text):
        yield bytes.fromhex(text), () if hexadecimal else (_IN_HEX,)


def _lenient(text: str) -> bytes | None:
    """Base64 as forgiving programs read it: either alphabet, with or without padding; None: it is none."""
    usual = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(usual + "=" * (-len(usual) % 4), validate=True)
    except ValueError:
        return None
