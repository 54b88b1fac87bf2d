"""Rules as text, over a small plant, through the loader."""

from agent.config.load import load
from agent.errors import ConfigError

AGENT = "agent: {site: dresden, name: line-4, zone: Europe/Berlin}\n"
TAGS = """\
sources:
  plant:
    type: simulated
    tags:
      TT1: {signal: sine, min: -1000, max: 1000, range: [0, 200], unit: °C}
      TT2: {signal: sine, min: -1000, max: 1000, range: [0, 200], unit: °C}
      FT1: {signal: ramp, min: -1000, max: 1000}
      RUN: {signal: steps, values: [true, false]}
      CODE: {signal: steps, values: [0, 1, 7, 9, 255]}
      MODE: {signal: steps, values: [AUTO, MANUAL]}
      TT-101: {signal: sine, min: -1000, max: 1000}
destinations:
  cmms: {url: "https://example.com/", signing: none}
  mes: {url: "https://example.com/", signing: none}
"""


class WrittenRules:
    """Loads `text`, which begins with `rules:` unless it says otherwise, as one file in `folder`."""

    def __init__(self, folder):
        self.path = folder / "plant.yaml"

    def configuration(self, rules, more="", agent=AGENT):
        self.path.write_text(f"{agent}{TAGS}{more}rules:\n{rules}\n")
        return load(self.path, {})

    def specs(self, rules, more="", agent=AGENT):
        """Every instance by its name, but for the rule over the connection."""
        loaded = self.configuration(rules, more, agent).rules
        return {spec.name: spec for spec in loaded if spec.name != "plant.communication"}

    def one(self, keys, more="", agent=AGENT):
        """The one instance of a rule with these keys."""
        [spec] = self.specs(f"  R: {{{keys}}}", more, agent).values()
        return spec

    def refused(self, rules, more=""):
        """The texts of what is wrong."""
        try:
            self.configuration(rules, more)
        except ConfigError as error:
            return [problem.text for problem in error.problems if problem.severity == "error"]
        return []
