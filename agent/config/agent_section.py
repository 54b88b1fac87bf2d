"""The agent's own section: who it is and where it keeps its state; all that a command needs to find it.

Rules for whoever changes this: what `edge-relay status` imports is paid for at each of its calls, so this
knows nothing of sources, rules and destinations.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from agent.config.checking import Checking
from agent.config.fields import FilePath, Section
from agent.config.times import ZoneName
from agent.errors import ConfigError


class AgentSection(Section):
    """Who this agent is, and where it keeps its state."""

    site: Annotated[str, Field(min_length=1)]
    """The plant or building, as receivers know it; every event carries it."""
    name: Annotated[str, Field(min_length=1)]
    """This agent, unique within the site; every event carries it."""
    data_dir: FilePath = Path("/var/lib/edge-relay")
    """The folder of the store; a relative one is relative to the folder of the configuration."""
    zone: ZoneName = "UTC"
    """The time zone of every time in the rules that names none, such as Europe/Berlin."""
    clock: Literal["check", "trusted"] = "check"
    """trusted: this machine's clock is right, though nothing here can prove it (PTP, GPS, chrony)."""


def load_agent(path: Path) -> AgentSection:
    """Load the section alone; the rest of the file may be wrong.

    Raises:
        ConfigError: that section has errors, or was not found.
    """
    loading = Checking(path, os.environ)
    agent = loading.section("agent", TypeAdapter(AgentSection))
    if agent is None:
        raise ConfigError(loading.problems)
    return agent
