"""How a destination's events are written, in the configuration.

Rules for whoever changes this: what can be wrong with a format is found here, when the file is loaded.
"""

from typing import Literal

from agent.config.fields import Section


class FormatSection(Section):
    """What a destination of any kind may say of its bodies."""

    format: Literal["standard"] = "standard"
    """standard: JSON as the README describes it."""
