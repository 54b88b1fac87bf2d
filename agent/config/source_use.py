"""What a source may say beside the keys of its protocol: which template it is of, and where its tags come from.

These keys are taken out before the protocol's own section sees the source (`templates`); editors and
messages learn of them here, from the schema.

Rules for whoever changes this: no key of a protocol; each has a docstring, because editors show it.
"""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from agent.config.fields import TAG_NAME, Section
from agent.config.register_map.options import Import
from agent.config.sentences import say
from agent.sources import SourceConfig

IMPORT = "import"


def _begins_a_name(prefix: str) -> str:
    if prefix and not TAG_NAME.fullmatch(prefix + "x"):
        raise ValueError('expected how a name begins, such as "VFD1.", without braces and quotes')
    return prefix


class SourceUse(Section):
    """How a source uses a template or a list of tags."""

    template: str | None = None
    """The entry of `templates` that describes the device; what the source says itself wins over it, key by key."""
    prefix: Annotated[str, AfterValidator(_begins_a_name), Field(max_length=100)] = ""
    """Stands before the name of every tag of this source: "VFD1." makes VFD1.SPEED of SPEED."""
    omit: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Tags of the template or the list that this source does not have, named as they are there."""


class _WithUse:
    """Adds to the schema of a source what `SourceUse` takes out, and the import among its tags."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        use = handler.resolve_ref_schema(handler(SourceUse.__pydantic_core_schema__))
        entry = handler(Import.__pydantic_core_schema__)
        say(SourceUse, use)
        say(Import, handler.resolve_ref_schema(entry))
        listed = {
            "description": "A vendor's list (CSV) whose rows are tags.",
            "anyOf": [
                {"type": "string", "examples": ["registers.csv"]},
                entry,
            ],
        }
        for source in _members(schema, handler):
            source["properties"] |= use["properties"]
            source["properties"].setdefault("tags", {"type": "object"})["properties"] = {IMPORT: listed}
        return schema


def _members(schema: JsonSchemaValue, handler: GetJsonSchemaHandler) -> Iterator[JsonSchemaValue]:
    """Every source of the union, which may hold unions itself."""
    resolved = handler.resolve_ref_schema(schema)
    if "properties" in resolved:
        yield resolved
    for member in resolved.get("oneOf") or ():
        yield from _members(member, handler)


WrittenSource: TypeAlias = Annotated[SourceConfig, _WithUse()]
"""A source as a file has it."""
