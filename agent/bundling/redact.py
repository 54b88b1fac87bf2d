"""A configuration without its secrets, whether it can be read or not; and any text without those that are known.

Twice, because each alone has holes: line by line, whatever looks like a secret is struck out, in comments and
under unknown keys too; and every text that the files or their references give as a secret is looked for in the
whole bundle. References (`${file:PATH}`) stay: they say where a secret is kept, not what it is.

Rules for whoever changes this: struck out is what might be a secret, also where that loses something useful.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from agent.config.files import read_files
from agent.config.schema import json_schema
from agent.config.secrets import SecretPlaces, resolve
from agent.config.yaml_text import Plain
from agent.errors import ConfigError
from agent.logs.lines import without_address_secrets
from agent.model import Json

HIDDEN: Final = "***"
_SHORTEST: Final = 6  # of a secret that is looked for everywhere; a shorter one would tear words apart
_REFERENCE: Final = re.compile(r"\$\{[^{}\n]*\}")
_WORDS: Final = re.compile(
    r"pass|pwd|secret|token|credential|api_?key|private|authorization|bearer|cookie|nkey|pin$"
)
_KEY: Final = re.compile(r"""(?:^|(?<=[\s{,\[?#-]))(["']?)([\w.-]+)\1\s*[:=](?=[\s"'\[{$]|$)""")
_MARKED: Final = re.compile(r"(whsec_|whsk_|xox[a-z]-|gh[a-z]_|Bearer +|Basic +)[\w+/=.-]{4,}")
_ADDRESS: Final = re.compile(r"(?<=://)[^\s\"'}\],]+")
_TOKEN: Final = re.compile(r"[A-Za-z0-9+=_-]{16,}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{24,}")
_MIXED: Final = 0.42  # of neighbours that are of different kinds: words have fewer, random texts 0.47 to 0.62
_PEM: Final = re.compile(r"-----(BEGIN|END) [A-Z ]+-----")


def redacted(text: str, struck: set[str] | None = None) -> str:
    """A file of a configuration, in which nothing is left that may be a secret; `struck` is told what stood there."""
    struck = set() if struck is None else struck
    lines: list[str] = []
    under: int | None = None  # where the key of a secret stands, whose value goes on below
    pem = False
    for line in text.splitlines():
        plain = line.replace("#", " ").expandtabs()
        content = plain.lstrip(" -")
        indent = len(plain) - len(content)
        begins = re.search(r"BEGIN", line) is not None
        if _PEM.search(line):
            pem = begins
        if not content:
            lines.append(line)
        elif pem or _PEM.search(line):
            lines.append(line[: len(line) - len(line.lstrip())] + HIDDEN)
        elif under is not None and indent > under:
            lines.append(
                line[: len(line) - len(line.lstrip(" #-\t"))] + _hidden(line.lstrip(" #-\t"), struck)
            )
        else:
            written, is_secret = _line(line, struck)
            lines.append(written)
            under = indent if is_secret else None
    return "\n".join(lines) + "\n"


def _line(line: str, struck: set[str]) -> tuple[str, bool]:
    """One line, and whether it ends in the value of a secret's key."""
    for key in _KEY.finditer(line):
        if is_secret_key(key[2]):
            before, after = line[: key.end()], line[key.end() :]
            return _struck(before) + (f" {_hidden(after, struck)}" if after.strip() else ""), True
    return _struck(line), False


def _hidden(value: str, struck: set[str]) -> str:
    """A secret's value: its references, and stars for what stands beside them."""
    beside = _REFERENCE.sub("", value).strip(" \"'[]{},|>")
    struck.add(beside)
    return value.strip() if not beside else HIDDEN + "".join(_REFERENCE.findall(value))


def _struck(text: str) -> str:
    """A text without what looks like a secret wherever it stands."""
    text = without_address_secrets(text)
    text = _MARKED.sub(lambda match: match[1] + HIDDEN, text)
    text = _ADDRESS.sub(lambda match: _TOKEN.sub(_if_random, match[0]), text)
    return _TOKEN.sub(_if_random, text)


def _if_random(match: re.Match[str]) -> str:
    text = match[0]
    kinds = ["a" if each.islower() else "A" if each.isupper() else "0" for each in text if each.isalnum()]
    mixed = sum(one != other for one, other in pairwise(kinds)) / max(1, len(kinds))
    return HIDDEN if _HEX.search(text) or mixed > _MIXED else text


def is_secret_key(key: str) -> bool:
    """Whether what stands under this key is one, by the configuration's own types or by its name."""
    return key in _secret_fields() or _WORDS.search(key.lower().replace("-", "_")) is not None


@cache
def _secret_fields() -> frozenset[str]:
    return frozenset(_fields(json_schema()))


def _fields(schema: Json) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from (name for name, of in properties.items() if _is_secret(of))
        for of in schema.values():
            yield from _fields(of)
    elif isinstance(schema, list):
        for of in schema:
            yield from _fields(of)


def _is_secret(schema: Json) -> bool:
    """Whether it is one, or a list or a map of them; see `Secret.__get_pydantic_json_schema__`."""
    if isinstance(schema, list):
        return any(_is_secret(of) for of in schema)
    if not isinstance(schema, dict):
        return False
    examples = schema.get("examples")
    if isinstance(examples, list) and "${credential:NAME}" in examples:
        return True
    return any(_is_secret(schema.get(key)) for key in ("anyOf", "oneOf", "items", "additionalProperties"))


def files_of(path: Path) -> list[Path]:
    """The files of a configuration, a file or a folder; none where they cannot be seen."""
    try:
        return sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
    except OSError:
        return []


def text_of(path: Path) -> str:
    """A file, whatever is in it; empty where it cannot be read."""
    try:
        return path.read_bytes().decode(errors="backslashreplace")
    except OSError:
        return ""


def known_secrets(path: Path) -> list[str]:
    """Every secret that the files of a configuration hold or refer to, as far as they can be read; the longest first."""
    found: set[str] = set()
    with suppress(ConfigError):
        found.update(_written(read_files(path).data, under=False))
    places = SecretPlaces(folder=path if path.is_dir() else path.parent)
    for text in map(text_of, files_of(path)):
        redacted(text, found)
        for reference in _REFERENCE.findall(text):
            with suppress(ValueError):
                found.add(resolve(reference, places).reveal())
    parts = {part.strip() for text in found for part in (text, *_REFERENCE.split(text), *text.splitlines())}
    parts |= {json.dumps(part)[1:-1] for part in parts}
    secrets = (part for part in parts if len(part) >= _SHORTEST and not _REFERENCE.fullmatch(part))
    return sorted(secrets, key=len, reverse=True)


def _written(data: Plain, *, under: bool) -> Iterator[str]:
    if isinstance(data, dict):
        for key, of in data.items():
            yield from _written(of, under=under or is_secret_key(str(key)))
    elif isinstance(data, list):
        for of in data:
            yield from _written(of, under=under)
    elif under and isinstance(data, str):
        yield data


def covered(text: str, secrets: Sequence[str]) -> str:
    """A text in which none of these stands."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _MARKED.sub(lambda match: match[1] + HIDDEN, text)
