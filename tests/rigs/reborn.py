"""A player whose agent is killed and started anew, also in another boot whose clock has another zero."""

from rigs.rules import Player

from agent.model import SECOND
from agent.rules.engine import Engine
from agent.rules.saved import encode


class Reborn(Player):
    """A player whose agent can be killed: only what the store had is left."""

    def kept(self):
        return {name: encode(run.spec, run.state) for name, run in self.engine.runs.items()}

    def restart(self, at, since, *rules, kept=None, shift=0.0):
        """Start anew at `at`; nobody watched from `since` on. `shift`: the new boot's clock less the old one's."""
        kept = self.kept() if kept is None else kept
        self.rules = rules or self.rules
        engine = self.fresh()
        self.engine = Engine(
            self.rules,
            [tag.spec for tag in engine.tags.values()],
            ["plc"],
            mint=self.mint,
            started=round(at * SECOND),
        )
        self.keep(
            self.engine.restore(kept, {}, shift=round(shift * SECOND), away_since=round(since * SECOND))
        )
