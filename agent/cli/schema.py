"""`edge-relay schema`: JSON Schema of the configuration, for editors, or of events; OpenAPI of what an agent can be asked."""

import argparse
import json
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from agent.web.api import Controlled

SUMMARY = "print the schema of the configuration, the events, or the API"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--event", action="store_true", help="of what is sent to receivers (`format: standard`)"
    )
    which.add_argument(
        "--api", action="store_true", help="the OpenAPI document of what an agent can be asked"
    )
    parser.epilog = """examples:
  edge-relay schema > edge-relay.schema.json
  # yaml-language-server: $schema=edge-relay.schema.json     (first line of each YAML file)
  edge-relay schema --event > event.schema.json
  edge-relay schema --api > openapi.json

A running agent serves the document of its API at /api/openapi.json.
"""


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    if arguments.event:
        from agent.formats.event_schema import event_schema

        schema = event_schema()
    elif arguments.api:
        from agent.web.api import api_routes
        from agent.web.openapi import document

        schema = document(api_routes(cast("Controlled", _Nobody())))
    else:
        from agent.config.schema import json_schema

        schema = json_schema()
    print(json.dumps(schema, indent=2, ensure_ascii=False))
    return 0


class _Nobody:
    """In an agent's place, where it is not asked."""

    def __getattr__(self, name: str) -> Self:
        return self
