"""Each error of the house names the thing, the cause and what to do, where a person meets it (issue 7)."""

import asyncio
import importlib
import pkgutil

import pytest
from rigs.provoked import PROVOCATIONS, Scene

import agent

# Whoever catches one of these has no text of it.
BASES = {"agent.errors.EdgeRelayError": "the base of all; its own messages are those of the commands below"}


def all_below(error):
    """The classes of the product that are derived from an error, in any depth."""
    for child in error.__subclasses__():
        if child.__module__.startswith("agent."):
            yield child
        yield from all_below(child)


def every_error():
    """Name and class of each, with every module of the product imported."""
    for module in pkgutil.walk_packages(agent.__path__, "agent."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {f"{error.__module__}.{error.__qualname__}": error for error in all_below(Exception)}


def test_each_class_of_errors_has_a_provocation():
    """Who adds one shows how a person meets it; who deletes one takes its row away."""
    assert {each.error for each in PROVOCATIONS} | BASES.keys() == every_error().keys()


@pytest.mark.parametrize("provocation", PROVOCATIONS, ids=lambda each: each.make.__name__)
async def test_what_is_told_names_the_thing_the_cause_and_the_remedy(
    provocation, tmp_path, capsys, monkeypatch, caplog
):
    """The class is really made on the way; no traceback, no name of a class, no bare exception is what is read."""
    monkeypatch.chdir(tmp_path)
    error, made = every_error()[provocation.error], []
    initial = error.__init__

    def counted(self, *arguments, **keys):
        made.append(type(self))
        initial(self, *arguments, **keys)

    monkeypatch.setattr(error, "__init__", counted)

    async with asyncio.timeout(30):
        told = await provocation.make(Scene(tmp_path, capsys, monkeypatch, caplog))

    assert error in made, told
    for words in (provocation.thing, provocation.cause, provocation.remedy):
        assert words in told, (words, told)
    assert "Traceback" not in told
    assert error.__name__ not in told
