"""`edge-relay schema`: the JSON Schema of the configuration, for editors."""

import argparse
import json

SUMMARY = "print the JSON Schema of the configuration, for editors"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = """examples:
  edge-relay schema > edge-relay.schema.json
  # yaml-language-server: $schema=edge-relay.schema.json     (first line of each YAML file)
"""


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - it has no options
    """Print it."""
    from agent.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0
