"""All commands alike: how they are listed, helped with, completed, and printed for scripts."""

import io
import os
import re
import shlex
import socket
import subprocess
import sys
import textwrap
from importlib import import_module

import pytest

from agent.cli import COMMANDS, GROUPS, main, parser_of
from agent.cli.asking import SilentError, ask
from agent.paths import CONTROL_SOCKET

SPEAK_OTHERWISE = {
    "demo": "it plays for a person; --once has its exit status",
    "init": "it writes files, and says which",
    "run": "its log is `--log-format json`",
    "relay": "the same; its orders have the option",
    "receiver": "it shows what comes; `--log` has it as JSON lines",
    "simulate": "it prints a configuration",
    "schema": "what it prints is JSON",
    "completion": "a shell reads it",
    "bundle": "it writes a file",
}
CHILDREN = parser_of([*COMMANDS])._subparsers._group_actions[0].choices


def all_help(parser):
    """The help of a command and of its verbs."""
    text = parser.format_help()
    for action in parser._actions:
        if isinstance(action.choices, dict):
            text += "".join(map(all_help, action.choices.values()))
    return text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_line_and_examples(name):
    """Its summary fits the list, and its help ends with examples of itself."""
    assert len(import_module(COMMANDS[name]).SUMMARY) <= 62
    assert f"  edge-relay {name}" in CHILDREN[name].epilog.partition("examples:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_are_commands(name, monkeypatch):
    """The parser takes each, as it stands there; nothing is run."""
    monkeypatch.setattr(import_module(COMMANDS[name]), "run", lambda arguments: 0)
    text = CHILDREN[name].epilog.replace("\\\n", " ")
    for line in re.findall(rf"^  (?:.* )?edge-relay ({name}\b.*)$", text, re.MULTILINE):
        words = shlex.split(re.split(r" [|<>&#]|  [a-z(]|   +[a-z]", line)[0])
        assert main(words) == 0, line


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in SPEAK_OTHERWISE])
def test_a_command_speaks_to_scripts(name):
    """It has --json, or a reason why not."""
    assert "--json" in all_help(CHILDREN[name])


def test_the_list_has_all_of_them_in_a_screen(capsys):
    """Each once, in no more than 80 columns; bare, and misspelt, the exit status is 2 and help is near."""
    assert main([]) == 2
    listed = capsys.readouterr().err
    for name in COMMANDS:
        assert len(re.findall(rf"^  {name} ", listed, re.MULTILINE)) == 1
    assert max(map(len, listed.splitlines())) <= 80
    assert len(COMMANDS) == sum(map(len, GROUPS.values()))
    with pytest.raises(SystemExit, match="2"):
        main(["stauts"])
    assert "did you mean `status`" in capsys.readouterr().err


@pytest.mark.parametrize("error", [BrokenPipeError(), ExceptionGroup("", [BrokenPipeError()])])
def test_a_reader_who_has_enough_is_no_error(error, monkeypatch):
    """`edge-relay read | head` ends with neither traceback nor failure, also where tasks print."""

    def printing(_):
        raise error

    monkeypatch.setattr("sys.stderr", io.StringIO())
    monkeypatch.setattr(import_module(COMMANDS["schema"]), "run", printing)

    assert main(["schema"]) == 0


def test_a_terminal_without_our_letters_still_shows_the_rest(tmp_path):
    """In a locale that has no degree sign a rule is explained all the same."""
    rule = """
        agent: {site: s, name: n, data_dir: data}
        sources: {plc: {type: simulated, tags: {T: {signal: sine, unit: °C}}}}
        rules: {hot: {tag: T, high: 80}}
    """
    (tmp_path / "agent.yaml").write_text(textwrap.dedent(rule), encoding="utf-8")
    command = (sys.executable, "-m", "agent", "explain", "-c", str(tmp_path))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment)

    assert (run.returncode, run.stderr) == (0, "")
    assert "80 ?C" in run.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_as_wide_as_the_terminal(name, monkeypatch):
    """But for the examples, which are copied as they stand."""
    monkeypatch.setenv("COLUMNS", "60")
    prose = [
        line
        for line in CHILDREN[name].format_help().splitlines()
        if not line.startswith(" ") and not line.endswith(":")
    ]

    assert max(map(len, prose)) <= 60


@pytest.mark.parametrize("words", [["deadletters"], ["deadletters", "--destination", "cmms"]])
def test_dead_letters_are_listed_without_a_verb(words, monkeypatch):
    """Who types the bare command at night wants to see them."""
    seen = []
    monkeypatch.setattr(
        import_module(COMMANDS["deadletters"]), "run", lambda given: seen.append(given.verb) or 0
    )

    assert (main(words), seen) == (0, ["list"])


@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_ends_each_without_a_traceback(name, monkeypatch):
    """With the status that shells know it by, wherever in its work it comes."""

    def interrupted(_):
        raise KeyboardInterrupt

    module = import_module(COMMANDS[name])
    monkeypatch.setattr(module, "configure", lambda _: None)
    monkeypatch.setattr(module, "run", interrupted)
    monkeypatch.delattr(module, "completed", raising=False)

    assert main([name]) == 130


async def test_an_agent_that_hangs_is_found_out_soon(tmp_path):
    """It has its socket, and says nothing: the sentence says what that is, and what to do."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / CONTROL_SOCKET))
        silent.listen()
        with pytest.raises(SilentError, match=r"hangs or is stopped: `sudo edge-relay bundle`.*restart"):
            await ask(tmp_path, "GET", "/api/status", within_s=0.1)


def test_a_shell_completes_them(tmp_path, capsys):
    """Bash itself is asked, with the script loaded: commands, options, and files for `-c`."""
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "edge-relay"
    script.write_text(capsys.readouterr().out)
    (tmp_path / "plant.yaml").touch()

    def completed(*words):
        line = shlex.join(words)
        asked = f"""
            . {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'
            function=$(complete -p edge-relay | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            cd {tmp_path}; $function edge-relay '{words[-1]}' '{words[-2]}'; printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        run = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=30, check=True)
        return run.stdout.split()

    assert {"status", "shelve"} <= set(completed("edge-relay", "s")) <= {*COMMANDS}
    assert "--reason" in completed("edge-relay", "shelve", "--re")
    assert "plant.yaml" in completed("edge-relay", "status", "-c", "pl")
