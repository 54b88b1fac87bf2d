"""What a template may say: told before it is tried, with the line and the remedy.

Rules for whoever changes this: what is not listed is refused; a word that is refused is one that a body
does not need, or whose work nothing bounds (macros, blocks that are kept as a text, calls).
"""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from jinja2 import TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

from agent.config.messages import did_you_mean
from agent.formats.scope import FIELDS
from agent.formats.template.sandbox import COUNTED, JOINED, Sandbox

NAMES: Final = ("type", "time", "time_ns", "time_s", "data", "secrets", *FIELDS)
"""What stands beside the fields of `data`, and these."""

_LAWFUL: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.With),
    *(nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword),
    *(nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice),
    *(nodes.Concat, nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)
_CALLS: Final = {
    "items": "write `x | items`",
    "keys": "write `x | list`",
    "format": "write `| round(1)`, `| local(...)`",
}


class Slip(NamedTuple):
    """Something that a template says wrong; `word` is what stands in the line where it is."""

    line: int
    word: str
    text: str


def slips(sandbox: Sandbox, text: str, secrets: Collection[str]) -> Iterator[Slip]:
    """Everything that is wrong with a template, as far as it can be told without an event."""
    try:
        tree = sandbox.parse(text)
    except TemplateSyntaxError as error:
        yield Slip(error.lineno, "", f"{error.message or 'this cannot be read'}".rstrip("."))
        return
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    known = {*NAMES, *own, "range", "loop"}
    for node in tree.find_all(nodes.Node):
        yield from _wrong(node, sandbox, secrets)
        if isinstance(node, nodes.Name) and node.name not in known:
            known.add(node.name)  # once
            yield Slip(node.lineno, node.name, f"no event has `{node.name}`{did_you_mean(node.name, NAMES)}")


def prepared(sandbox: Sandbox, text: str) -> nodes.Template:
    """The template with what bounds it: loops that count, texts that are measured."""
    tree = sandbox.parse(text)
    _Bounding().visit(tree)
    tree.set_environment(sandbox)
    return tree


def _wrong(node: nodes.Node, sandbox: Sandbox, secrets: Collection[str]) -> Iterator[Slip]:
    line = node.lineno
    match node:
        case nodes.Pow():
            yield Slip(line, "**", "`**` is not for bodies: leave it out")
        case nodes.For(recursive=True):
            yield Slip(line, "recursive", "a loop within itself is not for bodies: leave `recursive` out")
        case nodes.Filter(name=name) if name not in sandbox.filters:
            yield Slip(
                line, name, f"there is no filter `{name}`{did_you_mean(name, _public(sandbox.filters))}"
            )
        case nodes.Test(name=name) if name not in sandbox.tests:
            yield Slip(line, name, f"there is no test `{name}`{did_you_mean(name, sandbox.tests)}")
        case nodes.Call(node=nodes.Name(name="range")):
            pass
        case nodes.Call(node=called):
            name = called.attr if isinstance(called, nodes.Getattr) else getattr(called, "name", "")
            remedy = _CALLS.get(name, "use a filter, such as {{ message | upper }}")
            yield Slip(line, name, f"a template calls nothing but range(...): {remedy}")
        case nodes.Getattr(node=nodes.Name(name="secrets"), attr=name) if name not in secrets:
            known = did_you_mean(name, secrets) if secrets else ": write it under `secrets`"
            yield Slip(line, name, f"there is no secret `{name}`{known}")
        case nodes.Getattr(node=nodes.Name(name="data"), attr=name) if name not in {*FIELDS, *_CALLS}:
            yield Slip(line, name, f"no event has `data.{name}`{did_you_mean(name, FIELDS)}")
        case _ if not isinstance(node, _LAWFUL) and not isinstance(node, nodes.Helper):
            word = type(node).__name__.lower()
            yield Slip(line, "", f"`{word}` is not for bodies: use for, if and set")


def _public(names: Collection[str]) -> list[str]:
    return [name for name in names if name.isidentifier()]


class _Bounding(NodeTransformer):
    """Puts the counting filter before every loop, and makes one of every `~`."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - the visitor's name for it
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, COUNTED, [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - as above
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, JOINED, [], [], None, None, lineno=node.lineno)
