"""The demo's folder: what is written anew, what is the user's."""

import stat

import yaml

from agent.clock import SystemClock
from agent.config.load import load
from agent.demo.configuration import RULES_YAML, Keys, Stage
from agent.demo.plant import Plant, Ports

KEYS = Keys("whsec_x", "a-token-of-a-visitor")


def test_the_folder_has_three_files_and_keys_of_its_owner(tmp_path):
    """agent.yaml points at the receiver and the page; its secrets are in files for their owner's eyes only."""
    Stage(tmp_path, 8470, 9000).write("sources: {}\n", KEYS)
    agent = yaml.safe_load((tmp_path / "agent.yaml").read_text())

    assert agent["destinations"]["receiver"] == {
        "url": "http://127.0.0.1:9000/events",
        "signing": {"secret": "${file:receiver.key}"},
    }
    assert agent["http"] == {"listen": "127.0.0.1:8470", "tokens": {"visitor": "${file:page.token}"}}
    assert agent["agent"]["data_dir"] == str(tmp_path / "data")
    assert (tmp_path / "rules.yaml").read_text() == RULES_YAML
    for name, text in {"receiver.key": KEYS.secret, "page.token": KEYS.token}.items():
        assert (tmp_path / name).read_text() == f"{text}\n"
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_the_configuration_is_one_without_a_word_of_complaint(tmp_path):
    """What the user is invited to edit passes the loader, warnings included."""
    plant = Plant(SystemClock(), Ports(5020, 4840, 1883), servers=None)
    Stage(tmp_path, 8470, 9000).write(plant.sources_yaml(), Keys("whsec_" + "A" * 44, KEYS.token))
    configuration = load(tmp_path)

    assert configuration.warnings == ()
    assert set(configuration.tags) == {
        "R1.TT101",
        "R1.PT102",
        "P101.RUN",
        "TANK1.LT",
        "BOILER.STEAM",
        "COMP1.CURRENT",
    }
    assert {"R1-temperature", "boiler-steam", "compressor-current"} <= {
        rule.name for rule in configuration.rules
    }


def test_rules_that_the_user_edited_are_kept(tmp_path):
    """The ports are this run's, the rules are the user's."""
    Stage(tmp_path, 8470, 9000).write("sources: {}\n", KEYS)
    (tmp_path / "rules.yaml").write_text("rules: {}\n")
    Stage(tmp_path, 8471, 9000).write("sources: {a: {}}\n", KEYS)

    assert (tmp_path / "rules.yaml").read_text() == "rules: {}\n"
    assert "8471" in (tmp_path / "agent.yaml").read_text()
    assert (tmp_path / "sources.yaml").read_text() == "sources: {a: {}}\n"


def test_a_folder_with_an_odd_name_is_still_yaml(tmp_path):
    """A colon, a quote and a brace in the path stay in the path."""
    folder = tmp_path / 'de: "mo" {1}'
    Stage(folder, 8470, 9000).write("sources: {}\n", KEYS)

    assert yaml.safe_load((folder / "agent.yaml").read_text())["agent"]["data_dir"] == str(folder / "data")
