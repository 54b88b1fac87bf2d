"""The sentence below each key of a section, for the schema that editors read.

Read from the source when a schema is asked for: done for every class at its definition, as pydantic
does it (use_attribute_docstrings), it is a third of the start of each command.

Rules for whoever changes this: a string directly below an annotated name is that key's sentence;
a subclass has its parents' unless it says its own.
"""

import ast
import inspect
import textwrap
from itertools import pairwise

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue


def say(section: type[BaseModel], schema: JsonSchemaValue) -> None:
    """Put the sentence of each key into the schema of a section, where nothing else describes the key."""
    keys = schema.get("properties", {})
    for cls in reversed(section.__mro__):
        for name, sentence in _own(cls).items() if "__annotations__" in vars(cls) else ():
            field = section.model_fields.get(name)
            if field and field.description is None and (key := keys.get(field.alias or name)) is not None:
                key["description"] = sentence


def _own(cls: type) -> dict[str, str]:
    """The sentence of each field that has one, by the field's name."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # made while the agent runs, or installed without its source
        return {}
    [definition] = ast.parse(source).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    found = {}
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found
