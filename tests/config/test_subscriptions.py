"""A destination that asks for what there is not would be told nothing, and nobody would know."""

import pytest

from agent.config.load import load

CONFIGURATION = """\
agent: {{site: dresden, name: line-4}}
sources:
  plant: {{type: simulated, tags: {{P1.FT: {{signal: sine}}, P2.FT: {{signal: sine}}}}}}
  {broker}
rules:
  flow: {{for_each: [P1, P2], tag: "{{each}}.FT", high: 5}}
  loss: {{calc: P1.FT - P2.FT, high: 1}}
destinations:
  cmms: {{url: "https://cmms.example.com/", signing: none, {wanted}}}
"""
BROKER = """broker: {type: mqtt, url: "mqtt://broker.plant", client_id: line4, tags: {"COMP{1}.I": {topic: plant/+/i, payload: plain}}}"""


@pytest.mark.parametrize(
    ("wanted", "warning"),
    [
        ('rules: [flow, loss, plant.communication, "f*", "*"]', ""),
        ('tags: [P1.FT, "P?.FT"]', ""),
        ("rules: []", ""),
        ("rules: [flwo]", "rules: no rule is called `flwo`: did you mean `flow`?"),
        ('rules: ["R1-*", loss]', "rules: no rule is called `R1-*`"),
        (
            "rules: [flow/P1]",
            "rules: no rule is called `flow/P1`, that is one of its names: write `flow`, and `tags` to choose among them",
        ),
        ('tags: ["R1.*"]', "tags: no tag is called `R1.*`"),
    ],
)
def test_a_pattern_that_nothing_fits_is_doubted(tmp_path, wanted, warning):
    """It is allowed, for rules come and go; with the place of the pattern."""
    (tmp_path / "a.yaml").write_text(CONFIGURATION.format(wanted=wanted, broker=""))
    found = [str(each).partition(" destination cmms, ")[2] for each in load(tmp_path, {}).warnings]

    assert found == ([warning] if warning else [])


def test_tags_that_messages_name_are_not_judged(tmp_path):
    """Which there will be shows only when they come."""
    (tmp_path / "a.yaml").write_text(CONFIGURATION.format(wanted="tags: [COMP7.I, nothing]", broker=BROKER))

    assert not [each for each in load(tmp_path, {}).warnings if "cmms" in each.text]
