"""`edge-relay bundle`: what is struck out, and that it is made whatever is broken."""

import asyncio
import io
import itertools
import json
import stat
import tarfile

import pytest
import yaml
from rigs.agent_process import command

from agent.bundling.archive import LARGEST_PART, Archive
from agent.bundling.redact import covered, is_secret_key, known_secrets, redacted
from agent.config.fields import Section
from agent.config.schema import json_schema
from agent.config.secrets import Secret

NUMBERS = itertools.count(1000)


def canary():
    """A secret that no rule would know by its looks."""
    return f"canary of a mine {next(NUMBERS)}"


def sections(section=Section):
    for child in section.__subclasses__():
        yield child
        yield from sections(child)


def secret_fields():
    """Every field of every section whose type holds a Secret, as the models say: not by the schema's word."""
    json_schema()  # imports all of them
    for section in sections():
        for name, field in section.model_fields.items():
            if section.__module__.startswith("agent.") and Secret in leaves(field):
                yield field.alias or name


def leaves(part):
    """All types within an annotation."""
    inside = getattr(part, "annotation", None)
    arguments = [*getattr(part, "__args__", ()), *([inside] if inside is not None else [])]
    return {part} if not arguments else set().union(*map(leaves, arguments))


FIELDS = sorted(set(secret_fields()))


def everything(value):
    """A configuration in which every secret-bearing key of all sections stands, bare, in a list and in a map."""
    return {
        "destinations": {
            name: {
                "a": 1,
                name: value(),
                "b": [{name: value()}, {"x": {name: {"deep": value()}}}],
                "c": [value.plain],
            }
            for name in FIELDS
        },
        "more": {name: [value(), value()] for name in FIELDS},
    }


class Canaries:
    """Gives canaries, and knows which."""

    plain = "stays"

    def __init__(self):
        self.given = []

    def __call__(self):
        self.given.append(canary())
        return self.given[-1]


def test_the_models_have_the_secrets_that_are_tested():
    """The walk over the models sees what is known to be there."""
    assert {"password", "secret", "previous_secrets", "headers", "token", "tokens", "client_secret"} <= set(
        FIELDS
    )
    assert all(map(is_secret_key, FIELDS))


@pytest.mark.parametrize(
    "write",
    [
        yaml.safe_dump,
        lambda data: yaml.safe_dump(data, default_style='"'),
        lambda data: yaml.safe_dump(data, default_flow_style=True, width=60),
        lambda data: yaml.safe_dump(data, indent=8, default_style="|"),
        lambda data: json.dumps(data, indent=2),
        json.dumps,
        lambda data: "".join(f"# {line}\n" for line in yaml.safe_dump(data).splitlines()),
        lambda data: "a: [}\n" + yaml.safe_dump(data) + "\tb: }",
        lambda data: yaml.safe_dump(data).replace("\n", "\r\n"),
    ],
    ids=["block", "quoted", "flow", "literal", "json", "json in a line", "comment", "broken", "crlf"],
)
def test_no_secret_of_any_section_is_left_however_it_is_written(write):
    """A canary under every key that holds a secret, in every form of YAML: none in what the bundle shows."""
    canaries = Canaries()
    text = write(everything(canaries))

    shown = redacted(text)

    assert len(canaries.given) > 5 * len(FIELDS) / 2
    assert [each for each in canaries.given if each in shown or each[-4:] in shown] == []


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  secret: ${file:cmms.secret}", "  secret: ${file:cmms.secret}"),
        ("  bearer: abc${env:TOKEN}def # why", "  bearer: ***${env:TOKEN}"),
        ("  tokens: [${env:A}, ${env:B}]", "  tokens: [${env:A}, ${env:B}]"),
        ("site: dresden  # the plant", "site: dresden  # the plant"),
        ("# password: hunter2, on the wall", "# password: ***"),
        ("  db_passwd: hunter2", "  db_passwd: ***"),
        ("  x-api-key: hunter2", "  x-api-key: ***"),
        ("url: https://me:pw@host/hook?key=abc", "url: https://***@host/hook?***"),
        ("url: https://hooks.slack.com/services/T024BE7LD/B7Q2Lk9xZ3/x8Kd0Lq2Zp9Wm4Rt7Yb1Nc5V", None),
        ("note: it is whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "note: it is whsec_***"),
        ("note: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c", "note: ***"),
        ("node: ns=2;s=Line4_Press_Temperature12", "node: ns=2;s=Line4_Press_Temperature12"),
        ("tag: HydraulicPressureStation4", "tag: HydraulicPressureStation4"),
        ("url: tcp://192.168.10.21:502", "url: tcp://192.168.10.21:502"),
    ],
)
def test_a_line(line, shown):
    """References, names and addresses stay; what looks like a secret goes, under any key and in comments."""
    told = redacted(line).rstrip("\n")
    if shown is None:
        assert told.startswith("url: https://hooks.slack.com/services/")
        assert "x8Kd0Lq2" not in told
    else:
        assert told == shown


def test_what_follows_a_secret_is_shown():
    """A list under its key is hidden, at the key's own column too; the next key, and the next of a list, are not."""
    text = "a:\n- secret: x1\n- name: y\nsecrets:\n- z1\n- z2\nsite: d\n"

    assert redacted(text) == "a:\n- secret: ***\n- name: y\nsecrets:\n- ***\n- ***\nsite: d\n"


def test_a_key_in_a_file_is_struck_out_wherever_it_stands():
    """PEM, under a key that says nothing."""
    text = "a: |\n  -----BEGIN PRIVATE KEY-----\n  aGVsbG8gd29ybGQ\n  -----END PRIVATE KEY-----\nb: 1\n"

    assert redacted(text) == "a: |\n  ***\n  ***\n  ***\nb: 1\n"


@pytest.mark.parametrize("end", ["", "d: ["], ids=["whole", "broken"])
def test_what_the_files_give_as_a_secret_is_looked_for_everywhere(tmp_path, monkeypatch, end):
    """What stands under a secret's key, in a file or outside is in no part of a bundle, if the file is broken too."""
    (tmp_path / "kept").write_text("from a file 77\n")
    (tmp_path / "kept").chmod(0o600)
    monkeypatch.setenv("CANARY", "from outside 88")
    text = "a:\n  secret: ${file:kept}\n  url: https://x/${env:CANARY}\nb: {password: 'in the wall 99'}\nc: {token: ab}\n"
    (tmp_path / "agent.yaml").write_text(text + end)

    secrets = known_secrets(tmp_path)

    told = covered("1 from a file 77; 2 from outside 88; 3 in the wall 99; 4 absent", secrets)
    assert told == "1 ***; 2 ***; 3 ***; 4 absent"


def test_what_only_yaml_sees_is_known_to_it(tmp_path):
    """A password far from its key: the lines do not tell that it is one, the file as read does."""
    (tmp_path / "agent.yaml").write_text('b: {"pass\\u0077ord": in the wall 99}\n')

    assert "in the wall 99" in known_secrets(tmp_path)


def test_a_part_that_is_too_large_keeps_its_end_and_says_so(tmp_path):
    """And the whole is for its owner alone, and overwrites nothing."""
    archive = Archive("b", ["hunter2"], 0)
    archive.add("log.txt", "the log", "x" * LARGEST_PART + "hunter2 the end")
    archive.leave_out("journal.txt", "no hunter2 here")
    path = tmp_path / "b.tar.gz"
    archive.write(path)

    files = unpacked(path)
    assert files["log.txt"].endswith("x*** the end")
    assert len(files["log.txt"]) == LARGEST_PART
    assert "11 before them are left out" in files["MANIFEST.txt"]
    assert "no *** here" in files["MANIFEST.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        archive.write(path)


def unpacked(path):
    with tarfile.open(path) as tar:
        return {
            entry.name.partition("/")[2]: tar.extractfile(entry).read().decode() for entry in tar.getmembers()
        }


def test_without_an_agent_with_a_broken_configuration_and_a_damaged_store_there_is_a_bundle(tmp_path):
    """Each part that cannot be had is named with its reason; nothing that was there is changed, none is an exception."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "events.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (tmp_path / "agent.yaml").write_text(
        "agent: {site: dresden, name: [\n data_dir: data\npassword: hunter22\n"
    )
    before = {each.name: each.read_bytes() for each in data.iterdir()}

    output = tmp_path / "out.tar.gz"
    words = ("bundle", "-c", str(tmp_path), "-o", str(output), "--json")
    status, out, errors = asyncio.run(command(*words))

    assert (status, json.loads(out)) == (0, {"file": str(output)}), errors
    assert "Traceback" not in errors
    files = unpacked(output)
    manifest = files["MANIFEST.txt"]
    missing = manifest.partition("What could not be had:")[2]
    for name in ("status.json", "log.txt", "stacks.txt", "process.txt"):
        assert f"{name} " in missing
    assert "no agent is running" in manifest
    assert "check.json: line" in manifest
    assert json.loads(files["store.json"])["files"]["events.db"]["bytes"] == 5016
    assert "a bug in making it" not in manifest
    assert not [name for name, text in files.items() if "hunter22" in text]
    assert {each.name: each.read_bytes() for each in data.iterdir()} == before
    assert io.BytesIO(output.read_bytes()).read(2) == b"\x1f\x8b"
