"""What a tag says under `write` reaches the source that has the tag, however it was put together."""

from agent.config.load import load
from agent.sources.writing import WriteSection

PLANT = """
agent: {site: dresden, name: line-4}
templates:
  drive:
    type: modbus
    tags:
      SPEED: {address: "40001", type: uint16, scale: 0.1, write: {min: 0, max: 50, max_step: 5}}
      RUN: {address: "00001", write: {}}
      CURRENT: {address: "40002", type: uint16}
sources:
  d1:
    template: drive
    url: tcp://10.0.0.1
    prefix: "D1."
    tags:
      SPEED: {write: {min: 0, max: 30, when: 'D1.RUN and not active("hot")'}}
  d2: {template: drive, url: tcp://10.0.0.2, prefix: "D2."}
  listed:
    type: modbus
    url: tcp://10.0.0.3
    tags:
      import: {file: registers.csv, addresses: manual}
      SP: {write: {min: 5, max: 20, at_most_every: 1m}}
rules:
  hot: {tag: D1.CURRENT, high: 80}
"""
REGISTERS = "name,address,type\nSP,40001,int16\nPV,40002,int16\n"


def test_templates_and_lists_carry_what_may_be_written(tmp_path):
    """A source says more or less than its template, and adds to what a list brings, which itself grants nothing."""
    (tmp_path / "plant.yaml").write_text(PLANT)
    (tmp_path / "registers.csv").write_text(REGISTERS)

    sources = load(tmp_path / "plant.yaml", {}).sources

    narrower = WriteSection(min=0, max=30, when='D1.RUN and not active("hot")')
    assert sources["d1"].writes() == {"D1.SPEED": narrower, "D1.RUN": WriteSection()}
    assert sources["d2"].writes() == {
        "D2.SPEED": WriteSection(min=0, max=50, max_step=5),
        "D2.RUN": WriteSection(),
    }
    assert sources["listed"].writes() == {"SP": WriteSection(min=5, max=20, at_most_every="1m")}
