"""The schema that editors complete from says what the loader takes."""

from agent.config.schema import json_schema


def walk(schema):
    yield schema
    for value in schema.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from walk(inner)


def test_every_section_is_described():
    """Its keys have a sentence each, and unknown ones are refused as the loader refuses them."""
    schema = json_schema()
    sections = [section for section in schema["$defs"].values() if "properties" in section]
    silent = [
        f"{section['title']}.{key}"
        for section in [schema, *sections]
        for key, field in section["properties"].items()
        if not {"description", "const", "$ref"} & set(field)  # what a reference leads to is looked at itself
    ]

    assert len(sections) > 10
    assert silent == []
    assert [section["title"] for section in sections if section["additionalProperties"] is not False] == []


def test_the_top_level_has_the_sections_and_asks_for_none():
    """A file of a folder holds some of them."""
    schema = json_schema()

    assert set(schema["properties"]) == {
        "agent", "store", "http", "watch", "sources", "templates", "destinations",
        "defaults", "profiles", "rules", "maintenance", "flood", "chattering", "inbound",
    }  # fmt: skip
    assert "required" not in schema


def test_defaults_are_written_as_in_a_file():
    """`1m`, not 60000000000; and no default that a file could not hold."""
    definitions = json_schema()["$defs"]
    defaults = [schema["default"] for schema in walk(json_schema()) if "default" in schema]

    assert definitions["SimulatedTag"]["properties"]["period"]["default"] == "1m"
    assert definitions["StoreSection"]["properties"]["keep_delivered"]["default"] == "7d"
    assert definitions["HttpSection"]["properties"]["listen"]["default"] == "127.0.0.1:8470"
    assert [default for default in defaults if default is None or isinstance(default, dict)] == []
    assert [default for default in defaults if isinstance(default, int) and default > 1_000_000] == []


def test_a_source_may_name_a_template_and_tags_a_list():
    """Editors complete these keys, and ask for those of the protocol where there is no template."""
    schema = json_schema()
    modbus = schema["$defs"]["ModbusSource"]
    [source] = [
        each
        for each in schema["properties"]["sources"]["additionalProperties"]["anyOf"]
        if "Modbus" in each["$ref"]
    ]

    assert {"template", "prefix", "omit"} <= modbus["properties"].keys()
    assert modbus["properties"]["tags"]["properties"]["import"]["anyOf"][1]["required"] == ["file"]
    assert source["anyOf"] == [{"required": ["template"]}, {"required": ["type", "url", "tags"]}]
    assert {"$ref": "#/$defs/ModbusSource"} in schema["properties"]["templates"]["additionalProperties"][
        "anyOf"
    ]
