"""What monitoring gets: names and units as Prometheus has them, and a dashboard and alert rules that ask for what there is."""

import json
import re
import shutil
import subprocess
from importlib import import_module

import pytest
import yaml
from prometheus_client import generate_latest
from rigs.agent_process import until
from rigs.small_plant import alarm, small_plant
from rigs.source_tree import ROOT

MONITORING = ROOT / "config" / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana.json").read_text())
ALERTS = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
NOT_OURS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
NOT_BASE_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|days|kb|kilobytes|megabytes|percent)(_|$)")
COLLECTORS = {
    collector._name: collector
    for collector in vars(import_module("agent.metrics")).values()
    if hasattr(collector, "_name")
}
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]


def names_in(expression):
    """The metrics that an expression asks for."""
    found = re.findall(r"\b(up|(?:edge_relay|process)_\w+)\b", expression)
    return {re.sub(r"_bucket$", "", name) for name in found}


def promtool(*words, text=None):
    """What Prometheus's own tool says; it is not on every machine that runs the tests."""
    run = subprocess.run(
        ["promtool", *words],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=MONITORING,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", COLLECTORS)
def test_a_metric_is_named_as_prometheus_has_it(name):
    """The rules of `promtool check metrics`: prefix, base units, a help text, `_total` for counters and for them alone."""
    collector = COLLECTORS[name]
    sample = f"{name}_total" if collector._type == "counter" else name

    assert re.fullmatch(r"edge_relay(_[a-z0-9]+)*", name)
    assert not NOT_BASE_UNITS.search(name)
    assert not name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert collector._documentation.endswith((".", "..."))
    assert set(collector._labelnames).isdisjoint({"le", "quantile", "instance", "job"})
    if collector._type == "histogram":
        assert name.endswith("_seconds")
    assert f"# HELP {sample} " in generate_latest(collector).decode() or collector._type == "info"


def test_prometheus_itself_agrees():
    """Where its tool is installed: the metrics, the alert rules, what they say of a plant, and the sample of a job."""
    if shutil.which("promtool") is None:
        return  # the tests beside this one hold the same rules
    promtool("check", "metrics", text=generate_latest().decode())
    promtool("check", "rules", "alerts.yaml")
    promtool("test", "rules", "alerts.test.yaml")
    promtool("check", "config", "--syntax-only", "prometheus.yaml")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_there(expression):
    """A misspelt metric is an empty panel, or an alert that never comes."""
    samples = {f"{name}_total" if each._type == "counter" else name for name, each in COLLECTORS.items()}

    assert names_in(expression)
    assert names_in(expression) <= samples | NOT_OURS
    assert expression.count("(") == expression.count(")")


def test_an_alert_says_which_thing_and_what_to_do():
    """Who is called at night reads the summary, and has a command."""
    for rule in ALERTS:
        assert "$labels.instance" in rule["annotations"]["summary"], rule["alert"]
        assert re.search(
            r"edge-relay \w|curl |systemctl |store: |poll_every", rule["annotations"]["description"]
        )
        assert rule["labels"]["severity"] in {"warning", "critical"}
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)


def test_the_panels_lie_side_by_side():
    """None covers another, each says what it shows, and all follow the choice of the agent."""
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert all('instance=~"$instance"' in target["expr"] for target in panel["targets"])
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


async def test_a_running_agent_tells_all_of_them(tmp_path):
    """One scrape has each metric; an alarm is counted while it is open; a destination that is gone is gone."""
    async with small_plant(tmp_path) as (plc, receiver, agent):
        await alarm(plc, receiver)
        plc.added = 100
        await until(lambda: agent.metric("edge_relay_alarms_open", priority="medium"), agent.log)
        _, text = await agent.get("/metrics")
        told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE edge_relay")}
        for name in COLLECTORS:
            assert {name, f"{name}_total", f"{name}_info"} & told, name
        assert await agent.metric("edge_relay_alarms_unacknowledged", priority="medium") == 1
        assert await agent.metric("edge_relay_destination_up", destination="cloud") == 1
        file = agent.folder / "agent.yaml"
        file.write_text(file.read_text().replace("  cloud:", "  other:"))
        assert (await agent.command("reload"))[0] == 0
        assert 'destination="other"' in (await agent.get("/metrics"))[1]
        up = [
            line
            for line in (await agent.get("/metrics"))[1].splitlines()
            if "edge_relay_destination_up{" in line
        ]
        assert up == ['edge_relay_destination_up{destination="other"} 1.0']
