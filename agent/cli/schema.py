"""`edge-relay schema`: the JSON Schema of the configuration, for editors, or of the events, for receivers."""

import argparse
import json

SUMMARY = "print JSON Schemas: of the configuration, of the events"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--event", action="store_true", help="of what is sent to receivers (`format: standard`)"
    )
    parser.epilog = """examples:
  edge-relay schema > edge-relay.schema.json
  # yaml-language-server: $schema=edge-relay.schema.json     (first line of each YAML file)
  edge-relay schema --event > event.schema.json
"""


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    if arguments.event:
        from agent.formats.event_schema import event_schema

        print(json.dumps(event_schema(), indent=2, ensure_ascii=False))
    else:
        from agent.config.schema import json_schema

        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0
