"""The samples for NATS and MQTT, and what a broker's section may not say beside the others."""

import re
from pathlib import Path

import pytest
from rigs.nats_operator import Operator

from agent.config.load import load
from agent.errors import ConfigError

SAMPLES = Path(__file__).parents[2] / "config" / "destinations"
AGENT = "agent: {site: dresden, name: line-4}\n"


def loaded(folder, text):
    """Load a sample beside an agent; every credential is there."""
    credentials = folder / "credentials"
    credentials.mkdir(exist_ok=True)
    (credentials / "nats").write_text(Operator().credentials)
    for name in ("broker", "nats_password", "nats_token"):
        (credentials / name).write_text("x")
    for name in ("panels", "plant_log"):
        (credentials / name).write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    (credentials / "nats_seed").write_text("SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY")
    (folder / "agent.yaml").write_text(AGENT + text)
    return load(folder / "agent.yaml", {"CREDENTIALS_DIRECTORY": str(credentials)})


@pytest.mark.parametrize(("sample", "name"), [("nats", "plant-log"), ("mqtt", "panels")])
def test_the_sample_loads_as_it_stands(sample, name, tmp_path):
    """Without a warning."""
    configuration = loaded(tmp_path, (SAMPLES / f"{sample}.yaml").read_text())

    assert (list(configuration.destinations), configuration.warnings) == ([name], ())


@pytest.mark.parametrize("sample", ["nats", "mqtt"])
def test_every_option_that_the_sample_shows_is_one(sample, tmp_path):
    """Each is taken in alone; logins in the place of the one that is in use."""
    text = (SAMPLES / f"{sample}.yaml").read_text()
    options = re.findall(r"^    #(\w+): ", text, re.MULTILINE)
    for option in options:
        taken = re.sub(rf"^    #(?={option}: )", "    ", text, flags=re.MULTILINE)
        if option in {"user", "password"}:
            taken = re.sub(r"^    #(?=(user|password): )", "    ", text, flags=re.MULTILINE)
        if option in {"user", "password", "token", "nkey"}:
            taken = re.sub(r"^    credentials: .*\n", "", taken, flags=re.MULTILINE)
        [destination] = loaded(tmp_path, taken).destinations.values()
        assert option in destination.model_fields_set, option

    assert len(options) >= 6


def test_a_destination_and_a_source_may_not_be_one_client_of_a_broker(tmp_path):
    """They would throw each other out for ever, and neither would be told why."""
    text = """
sources:
  floor: {type: mqtt, url: mqtt://broker.plant, client_id: line4, tags: {T: {topic: t}}}
destinations:
  panels: {type: mqtt, url: mqtt://broker.plant, client_id: line4}
"""
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    [problem] = refused.value.problems

    assert problem.text == (
        "destination panels, client_id: source floor and destination panels would throw each other out: "
        "a broker lets in one client of an id at a time: write in destination panels another one, "
        "client_id: line4-2"
    )
