"""The house stays small: lengths, broad excepts, promises for later.

Medians do not show rot, the tail does: so each rule names every place that breaks it.
"""

import ast
import re

import pytest
from rigs.source_tree import ROOT, Source, sources, violations

LONGEST_FILE = 300
LONGEST_FUNCTION = 40
# The supervisor, and around `deliver` (a poison event becomes a retry and cannot stop its destination).
BROAD_EXCEPT_FOLDERS = ("agent/supervise.py", "agent/dispatch/")
LATER = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
SKIP = re.compile(r"pytest\.(?:sk" + r"ip|mark\.(?:sk" + r"ip|xf" + r"ail)|importorsk" + r"ip)")
BARE_NOQA = re.compile(r"#\s*no" + r"qa(?!: [A-Z]+\d+(?:, ?[A-Z]+\d+)* - \S)")


def files_are_short(source):
    lines = source.text.count("\n")
    if lines > LONGEST_FILE:
        yield 1, f"{lines} lines, at most {LONGEST_FILE}"


def functions_are_short(source):
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield node.lineno, f"{node.name} has {lines} lines, at most {LONGEST_FUNCTION}"


def broad_excepts_stand_in_two_places(source):
    if source.path.startswith(BROAD_EXCEPT_FOLDERS):
        return
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and not cleans_up(node):
            yield node.lineno, "a broad except; name what is expected and let the supervisor have the rest"


def is_broad(handler):
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in caught)


def cleans_up(handler):
    """It ends in a bare `raise`: nothing is swallowed."""
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def lines_matching(pattern, what):
    def rule(source):
        for number, line in enumerate(source.text.splitlines(), 1):
            if pattern.search(line):
                yield number, what

    return rule


nothing_is_left_for_later = lines_matching(LATER, "left for later: do it now or leave it out")
no_test_is_passed_over = lines_matching(SKIP, "a test that may not run: install what it needs, or fail")
every_silenced_check_has_its_reason = lines_matching(BARE_NOQA, "say which check and why: CODE - reason")

RULES = {
    "files": (files_are_short, ["agent"]),
    "functions": (functions_are_short, ["agent"]),
    "broad excepts": (broad_excepts_stand_in_two_places, ["agent"]),
    "later": (nothing_is_left_for_later, ["agent", "tests"]),
    "silenced": (every_silenced_check_has_its_reason, ["agent", "tests"]),
    "passed over": (no_test_is_passed_over, ["tests"]),
}


@pytest.mark.parametrize("name", RULES)
def test_the_house_keeps_the_rule(name):
    """Every place that breaks it is named with its line."""
    rule, folders = RULES[name]
    broken = violations(rule, sources(*folders))

    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("files", "x = 1\n" * 301),
        ("functions", "def f():\n" + "    x = 1\n" * 40),
        ("functions", "class A:\n    async def f(self):\n" + "        x = 1\n" * 40),
        ("broad excepts", "try:\n    f()\nexcept Exception:\n    g()"),
        ("broad excepts", "try:\n    f()\nexcept (OSError, BaseException):\n    g()"),
        ("broad excepts", "try:\n    f()\nexcept:\n    g()"),
        ("later", "x = 1  # TO" + "DO: two"),
        ("silenced", "x = f()  # no" + "qa"),
        ("silenced", "x = f()  # no" + "qa: S101"),
        ("passed over", "@pytest.mark.sk" + "ip('some day')\ndef test_it(): ..."),
    ],
)
def test_the_rule_sees_what_breaks_it(name, text):
    """One violation in each sample."""
    assert len(list(RULES[name][0](Source("agent/web/page.py", text)))) == 1


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("files", "agent/a.py", "x = 1\n" * 300),
        ("functions", "agent/a.py", "def f():\n" + "    x = 1\n" * 39),
        ("broad excepts", "agent/supervise.py", "try:\n    f()\nexcept Exception:\n    g()"),
        ("broad excepts", "agent/a.py", "try:\n    f()\nexcept (OSError, ValueError):\n    g()"),
        ("broad excepts", "agent/a.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
        ("silenced", "agent/a.py", "x = f()  # no" + "qa: S101, BLE001 - the reason"),
    ],
)
def test_the_rule_leaves_the_lawful_alone(name, path, text):
    """At the limit, or in its lawful place: nothing."""
    assert list(RULES[name][0](Source(path, text))) == []


def test_the_top_level_is_what_the_design_fixed():
    """A new file at the top is a decision, not an accident."""
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().split()}
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - ignored
    fixed = {"pyproject.toml", "README.md", "agent", "config", "systemd", "tests", "Dockerfile"}

    assert fixed <= visible <= fixed | {"Makefile", "LICENSE", "CHANGELOG.md", "SECURITY.md"}
