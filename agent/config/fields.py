"""Field types that every section of the configuration shares.

Rules: a section is frozen and refuses unknown keys; a duration always carries its unit; a secret
never prints itself. A section's models live beside the code that uses them (a source's in its
folder); this file holds only what two of them need, and imports nothing of the house but the model.
"""

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from agent.config.secrets import SecretPlaces
from agent.config.sentences import say
from agent.model import MILLISECOND, SECOND

_UNITS: Final = {
    "ms": MILLISECOND,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86_400 * SECOND,
}
_LONGEST: Final = 366 * 86_400 * SECOND
DURATION_PATTERN: Final = r"^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$"
_DURATION: Final = re.compile(DURATION_PATTERN)
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class Section(BaseModel):
    """A map of the configuration: frozen, unknown keys refused, no silent conversion of types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # it may be a secret in the wrong place
        defer_build=True,  # most sections are only parts of others: a tenth of a command's start
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Say of each key what stands below it."""
        schema = handler(core_schema)
        say(cls, handler.resolve_ref_schema(schema))
        return schema


_NOT_IN_A_NAME: Final = r"{}\"\x00-\x1f\x7f"
TAG_NAME: Final = re.compile(rf"[^\s{_NOT_IN_A_NAME}](?:[^{_NOT_IN_A_NAME}]{{0,198}}[^\s{_NOT_IN_A_NAME}])?")
"""What a tag may be called: what expressions, files and receivers can hold."""
PLACE: Final = re.compile(r"\{[1-9]\}")
"""Where, in the name of tags that a source names itself, something of its own is put in."""


def parse_duration(value: object) -> int:
    """Read `10s`, `5m`, `1h30m`, `500ms`, `14d` as nanoseconds.

    Raises:
        ValueError: no unit, or not a duration.
    """
    if isinstance(value, str) and _DURATION.fullmatch(text := value.replace(" ", "")):
        parts = [float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(text)]
        if sum(parts) > _LONGEST:
            raise ValueError("expected a duration of a year at most")
        return sum(map(round, parts))
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"a duration needs a unit: write {value}s, {value}m or {value}ms")  # noqa: TRY004 - pydantic reports ValueError alone
    raise ValueError("expected a duration such as 500ms, 10s, 5m or 1h30m")


def format_duration(nanoseconds: int) -> str:
    """Write a duration as the configuration does: `1h30m`, `500ms`, `0s`."""
    parts: list[str] = []
    rest = nanoseconds
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["500ms", "10s", "1h30m"]}),
]


_SIZES: Final = {"kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
SIZE_PATTERN: Final = r"^\d+(?:kB|MB|GB)$"


def parse_size(value: object) -> int:
    """Read `500kB`, `200MB`, `1GB` as bytes.

    Raises:
        ValueError: no unit, or not a size.
    """
    if isinstance(value, str) and re.match(SIZE_PATTERN, text := value.replace(" ", "")):
        return int(text[:-2]) * _SIZES[text[-2:]]
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"a size needs a unit: write {value}MB or {value}kB")  # noqa: TRY004 - as above
    raise ValueError("expected a size such as 500kB, 200MB or 1GB")


def format_size(size: int) -> str:
    """Write a size as the configuration does, in the largest unit that divides it: `200MB`."""
    unit = max((unit for unit in _SIZES if size % _SIZES[unit] == 0), key=_SIZES.__getitem__, default="kB")
    return f"{size // _SIZES[unit]}{unit}"


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN, "examples": ["200MB", "1GB"]}),
]


def _beside_the_configuration(path: Path, info: ValidationInfo) -> Path:
    return (info.context.folder if isinstance(info.context, SecretPlaces) else Path()) / path


FilePath = Annotated[Path, Field(strict=False), AfterValidator(_beside_the_configuration)]
"""A file or folder; a relative path is relative to the folder of the configuration."""
