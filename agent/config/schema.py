"""The JSON Schema of a configuration, for editors: completion, and a sentence for every key.

A file that begins with `# yaml-language-server: $schema=edge-relay.schema.json` gets it in any
editor with a YAML language server. What an editor cannot judge (whether a tag exists) `check` says.
"""

from collections.abc import Iterator

from pydantic import JsonValue, TypeAdapter

from agent.config import fields
from agent.config.model import File

_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


def json_schema() -> dict[str, JsonValue]:
    """Give the schema of one file; a file of a folder may leave out sections that stand in another."""
    schema = _JSON.validate_python(File.model_json_schema())
    del schema["required"]
    schema["title"] = "Edge Relay configuration"
    _without_what_a_template_brings(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _tidied(schema)


def _without_what_a_template_brings(schema: dict[str, JsonValue]) -> None:
    """Ask for the keys of a source where it has no template; a template may leave out any of them."""
    sections, definitions = _map(schema, "properties"), _map(schema, "$defs")
    references = list(_references(_map(sections, "sources")["additionalProperties"]))
    needed = {name: _map(definitions, name).pop("required") for name in map(_name, references)}
    with_template: JsonValue = {"required": ["template"]}
    sources: list[JsonValue] = [
        {"$ref": reference, "anyOf": [with_template, {"required": needed[_name(reference)]}]}
        for reference in references
    ]
    _map(sections, "sources")["additionalProperties"] = {"anyOf": sources}
    members: list[JsonValue] = [{"$ref": reference} for reference in references]
    _map(sections, "templates")["additionalProperties"] = {"anyOf": members}


def _references(schema: JsonValue) -> Iterator[str]:
    """The members of a union, which may hold unions itself."""
    if isinstance(schema, dict) and isinstance(reference := schema.get("$ref"), str):
        yield reference
    members = schema.get("oneOf") if isinstance(schema, dict) else None
    for member in members if isinstance(members, list) else ():
        yield from _references(member)


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _map(schema: dict[str, JsonValue], key: str) -> dict[str, JsonValue]:
    inner = schema[key]
    if not isinstance(inner, dict):
        raise TypeError(f"{key} of a schema is a map")
    return inner


def _tidied(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Say defaults as they are written in YAML, and that a key without a value is refused."""
    tidied: dict[str, JsonValue] = {}
    for key, value in schema.items():
        if isinstance(value, dict) and key != "default":
            tidied[key] = _tidied(value)
        elif isinstance(value, list) and key != "default":
            members = [_tidied(member) if isinstance(member, dict) else member for member in value]
            tidied[key] = [member for member in members if member != {"type": "null"}]
        elif key != "default":
            tidied[key] = value
        elif not isinstance(written := _as_written(value, schema), dict | None):
            tidied[key] = written
    return tidied


def _as_written(default: JsonValue, schema: JsonValue) -> JsonValue:
    if isinstance(schema, dict) and isinstance(default, list):
        return [_as_written(item, schema.get("items")) for item in default]
    if isinstance(schema, dict) and isinstance(default, int):
        match schema.get("pattern"):
            case fields.DURATION_PATTERN:
                return fields.format_duration(default)
            case fields.SIZE_PATTERN:
                return fields.format_size(default)
    return default
