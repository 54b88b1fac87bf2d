"""How much is drawn, so that a plant of many rules and a history of years is still a few megabytes.

Rules for whoever changes it: more rules make each one coarser, never incomplete; what is thinned is told.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """What one rule may put on the page.

    Attributes:
        columns: of one curve.
        bars: of one state in one strip.
        listed: events that are listed one by one.
        marked: events whose marks the script may arrange anew when the view is zoomed.
    """

    columns: int
    bars: int
    listed: int
    marked: int

    @classmethod
    def share(cls, rules: int) -> "Budget":
        """Share among so many rules what the whole page may hold."""
        rules = max(rules, 1)
        return cls(
            columns=min(max(40_000 // rules, 300), 1500),
            bars=min(max(6_000 // rules, 60), 600),
            listed=min(max(5_000 // rules, 25), 400),
            marked=min(max(50_000 // rules, 100), 2_000),
        )
