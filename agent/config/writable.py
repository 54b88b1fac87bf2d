"""What a tag that may be written to refers to: the names in its `when`.

Rules for whoever changes this: what is said under `write` is checked by the protocol's own section; here
stands what needs the whole plant to be seen.
"""

from collections.abc import Mapping

from agent.config.compile import Plant
from agent.sources.base import SourceSection


def check_conditions(sources: Mapping[str, SourceSection], plant: Plant) -> None:
    """Report each mistake in a condition under which something may be written, where it stands."""
    for source, config in sources.items():
        for tag, grant in config.writes().items():
            if grant.when is not None:
                for column, why in plant.expression(grant.when)[1]:
                    path = ("sources", source, "tags", tag, "write", "when")
                    plant.report(path, why, column=column)
