"""`edge-relay completion`: what a shell needs to complete the commands and their options."""

import argparse
from pathlib import Path
from typing import Final

SUMMARY = "print what your shell needs to complete commands and options"
_SHELLS: Final = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", choices=_SHELLS, help="which shell it is for")
    parser.epilog = """examples:
  edge-relay completion bash | sudo tee /usr/share/bash-completion/completions/edge-relay
  edge-relay completion zsh > ~/.zfunc/_edge-relay
  edge-relay completion fish > ~/.config/fish/completions/edge-relay.fish

Then open a new shell.
"""


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    import shtab

    from agent.cli import COMMANDS, parser_of

    parser = parser_of([*COMMANDS])
    _complete_files(parser, shtab.FILE)
    print(shtab.complete(parser, arguments.shell))
    return 0


def _complete_files(parser: argparse.ArgumentParser, file: object) -> None:
    """Mark what takes a path, in this parser and those of its commands."""
    for action in parser._actions:  # noqa: SLF001 - argparse names no other way to its options
        if action.type is Path:
            action.complete = file  # type: ignore[attr-defined]
        if isinstance(action.choices, dict):
            for child in action.choices.values():
                _complete_files(child, file)
