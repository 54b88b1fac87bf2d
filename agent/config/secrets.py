"""Secrets: named in YAML, read from elsewhere when the file is loaded, shown by nothing.

A secret field takes text in which `${env:NAME}`, `${file:PATH}` and `${credential:NAME}` (systemd's
credentials directory) stand for what is kept there. Plain text is taken too; the loader warns of it.

Rules for whoever changes this file: no message, repr or serialisation contains the text or a part
of it; a missing reference is an error that says how to provide it (reliability X2, X8).
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_REFERENCE: Final = re.compile(r"\$\{([^{}]*)\}")
_FORMS: Final = "${env:NAME}, ${file:PATH} or ${credential:NAME}"
_KINDS: Final = ("env", "credential", "file", "insecure_file")
_HIDDEN: Final = "Secret(***)"
_LARGEST_FILE: Final = 65_536
_PLACEHOLDER: Final = "whsec_" + "A" * 43 + "="  # what every secret field takes

NOT_NEEDED: Final[Mapping[str, str]] = MappingProxyType({})
"""The environment of whoever needs no secret, to prove rules elsewhere: all references are good."""


@dataclass(frozen=True, slots=True)
class SecretPlaces:
    """Where references are looked up; the loader hands it to pydantic as the validation context.

    Attributes:
        environment: the variables of the process.
        folder: what a relative `${file:PATH}` is relative to: the configuration's folder.
        data_dir: the agent's own, in which an adapter may keep what it makes.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    folder: Path = field(default_factory=Path)
    data_dir: Path = Path("/var/lib/edge-relay")


class Secret:
    """A secret text. `reveal` gives it; repr, str, format and JSON show `Secret(***)`.

    `exposed`: how others can read it (`in plain text`), of which the loader warns; empty if they cannot.
    """

    __slots__ = ("_text", "exposed")

    def __init__(self, text: str, *, exposed: str = "") -> None:
        self._text = text
        self.exposed = exposed

    def reveal(self) -> str:
        """Give the text, for the one who must use it."""
        return self._text

    def __repr__(self) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _validate, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "examples": ["${env:NAME}", "${file:PATH}", "${credential:NAME}"]}


def refers(text: str) -> bool:
    """Whether something in a text is read from elsewhere."""
    return _REFERENCE.search(text) is not None


def resolve(text: str, places: SecretPlaces) -> Secret:
    """Put what they stand for into the place of all references in a text.

    Raises:
        ValueError: a reference is unknown, or nothing is kept there; with the remedy.
    """
    resolved = _REFERENCE.sub(lambda match: _look_up(match[1], places), text)
    if not resolved:
        raise ValueError(f"expected a secret, got an empty text: write {_FORMS}")
    kinds = {reference.partition(":")[0] for reference in _REFERENCE.findall(text)}
    if "insecure_file" in kinds:
        return Secret(resolved, exposed="in a file that everyone may read")
    return Secret(resolved, exposed="" if kinds else "in plain text")


def _validate(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError(f"expected a secret as text: {_FORMS}; a number as a secret needs quotes")  # noqa: TRY004 - pydantic reports ValueError alone
    return resolve(value, info.context if isinstance(info.context, SecretPlaces) else SecretPlaces())


def _look_up(reference: str, places: SecretPlaces) -> str:
    kind, _, name = reference.partition(":")
    if places.environment is NOT_NEEDED and kind in _KINDS and name:
        return _PLACEHOLDER
    match kind:
        case "env" if name:
            return _from_environment(name, places)
        case "credential" if name:
            return _from_credential(name, places)
        case "file" | "insecure_file" if name:
            return _from_file(name, places, open_to_all=kind == "insecure_file")
        case _:
            # The reference itself is not repeated: it may be a secret that happens to hold `${`.
            raise ValueError(f"unknown reference to a secret: expected {_FORMS}")


def _from_environment(name: str, places: SecretPlaces) -> str:
    if not (text := places.environment.get(name, "")):
        raise ValueError(
            f"the environment variable {name} is not set: set it where edge-relay is started "
            f"(systemd: Environment= or EnvironmentFile=)"
        )
    return text


def _from_credential(name: str, places: SecretPlaces) -> str:
    if name in {".", ".."} or "/" in name:
        raise ValueError("expected the bare name of a credential, as in LoadCredential=NAME:PATH")
    if not (directory := places.environment.get("CREDENTIALS_DIRECTORY", "")):
        raise ValueError(
            f"no credential {name}: CREDENTIALS_DIRECTORY is not set; systemd sets it for a service with "
            f"LoadCredential={name}:PATH, by hand set it to a folder that holds a file {name}"
        )
    path = Path(directory, name)
    if not path.exists():
        raise ValueError(f"no credential {name}: add LoadCredential={name}:PATH to the service's unit")
    return _read(path)


def _from_file(name: str, places: SecretPlaces, *, open_to_all: bool) -> str:
    path = places.folder / name
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ValueError(_unreadable(path, error)) from None
    if not stat.S_ISREG(mode):
        raise ValueError(f"cannot read the secret file {path}: it is not a file, write the path of one")
    if mode & stat.S_IROTH and not open_to_all:
        raise ValueError(
            f"the secret file {path} is readable by everyone: chmod o-rwx {path} "
            f"(where that cannot be, as in a container, write ${{insecure_file:{name}}})"
        )
    return _read(path)


def _unreadable(path: Path, error: OSError) -> str:
    return (
        f"cannot read the secret file {path} ({error.strerror}): check the path, and that the user that "
        "edge-relay runs as may read it"
    )


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(_unreadable(path, error)) from None
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"the secret file {path} is larger than {_LARGEST_FILE} bytes: is it the right one?")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError(
            f"the secret file {path} is not UTF-8 text: write the secret into it as text"
        ) from None
    if not (text := text.removesuffix("\n").removesuffix("\r")):
        raise ValueError(f"the secret file {path} is empty: write the secret into it")
    return text
