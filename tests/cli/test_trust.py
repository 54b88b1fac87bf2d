"""`edge-relay trust`: an engineer tells the agent, once, which server is the right one."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys

import pytest
from cryptography import x509
from rigs.opcua_server import make_certificate
from rigs.opcua_session import watching

from agent.cli import main
from agent.cli.trust import outcome
from agent.config.load import load
from agent.sources.opcua.certificates import long_thumbprint, thumbprint


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """This agent's certificate: making a key takes a while."""
    folder = tmp_path_factory.mktemp("identity")
    make_certificate(folder / "certificate.der", folder / "key.pem", "urn:test:edge-relay")
    (folder / "key.pem").chmod(0o600)
    return folder


@pytest.fixture
def site(plant, tmp_path, own):
    """A configuration whose server nobody has trusted yet; the password is not on this machine."""
    (tmp_path / "data/pki").mkdir(parents=True)
    (tmp_path / "data/pki/own").symlink_to(own)
    (tmp_path / "agent.yaml").write_text(f"""
agent: {{site: s, name: n, data_dir: data}}
sources:
  boiler:
    type: opcua
    url: {plant.url}
    security: sign_and_encrypt
    timeout: 2s
    user: relay
    password: ${{env:NOT_ON_THIS_MACHINE}}
    tags: {{T: {{node: i=2258}}}}
  pinned: {{type: opcua, url: "{plant.url}", security: {{server_certificate: it.der}}, tags: {{P: {{node: i=2258}}}}}}
  away: {{type: opcua, url: "opc.tcp://127.0.0.1:1", security: sign, tags: {{A: {{node: i=2258}}}}}}
  open: {{type: opcua, url: "{plant.url}", security: none, tags: {{O: {{node: i=2258}}}}}}
  trial: {{type: simulated, tags: {{S: {{signal: sine}}}}}}
""")
    return tmp_path


@pytest.fixture
def shown(plant):
    return x509.load_der_x509_certificate(plant.certificate.read_bytes())


@pytest.fixture
def said(site, capsys):
    def run(*words):
        capsys.readouterr()
        status = main(["trust", *words, "-c", str(site)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_a_script_names_the_thumbprint(site, said, shown, plant):
    """SHA-1 or SHA-256, however it is written; after it the source connects."""
    assert said("boiler", "--thumbprint", "00" * 20)[0] == 1
    assert said()[1].count("trusted") == 0
    status, out, _ = said("boiler", "--thumbprint", thumbprint(shown).lower().replace(" ", ":"))

    assert status == 0
    for text in (
        f"boiler, {plant.url}, presents:",
        "subject          CN=server",
        "issuer           CN=plant-authority",
        "application URI  urn:plant:boiler:server",
        f"SHA-1            {thumbprint(shown)}",
        f"SHA-256          {long_thumbprint(shown)}",
        "valid            2020-01-01 to 2050-01-01",
        "trusted: the next connect uses it, no restart is needed",
        "the server must trust this agent as well: ",
        str(site / "data/pki/own/certificate.der"),
    ):
        assert text in out
    assert "it is trusted already" in said("source:boiler")[1]
    status, _, err = said("boiler", "--thumbprint", "00" * 20)
    assert (status, "another certificate than 0000" in err) == (1, True), (
        "one is trusted, but not the one named"
    )

    async def reads():
        config = load(site, {"NOT_ON_THIS_MACHINE": "right"}).sources["boiler"]
        async with watching(config) as watch:
            await watch.until(lambda: watch.readings("T"))

    asyncio.run(reads())


@pytest.mark.parametrize(
    ("answer", "status", "text"), [("y", 0, "trusted: the next connect"), ("n", 1, "not trusted")]
)
def test_a_person_is_asked(site, answer, status, text):
    """On a terminal, after everything that is to be compared."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "agent", "trust", "boiler", "-c", site]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        os.write(ours, f"{answer}\n".encode())
        output = child.communicate(timeout=30)[0].decode()
    os.close(ours)
    os.close(theirs)

    assert child.returncode == status
    assert "Trust it? [y/N]" in output
    assert text in output


@pytest.mark.parametrize(
    ("years", "known", "said"),
    [
        ((2020, 2100), False, "trusted: the next connect uses it, no restart is needed"),
        ((2020, 2100), True, "it is trusted already"),
        ((2020, 2024), False, "trusted, but it is not valid today, "),
        ((2090, 2100), True, "it is trusted already, but it is not valid today, "),
    ],
)
def test_trusted_but_out_of_its_dates_is_said_to_be_refused(tmp_path, years, known, said):
    """Nobody goes home believing that the next connect will succeed."""
    file = tmp_path / "server.der"
    make_certificate(file, tmp_path / "server.pem", "urn:plant:old", years=years)
    told = outcome(x509.load_der_x509_certificate(file.read_bytes()), known=known)

    assert told.startswith(said)
    assert ("renew it at the server" in told) is ("not valid today" in told)


def test_nobody_to_ask_trusts_nothing(said):
    """A pipe cannot compare thumbprints; the way for scripts is said."""
    status, out, err = said("boiler")

    assert status == 1
    assert "presents:" in out
    assert err == "edge-relay: not trusted: nobody can be asked here; name it by --thumbprint\n"


def test_the_list_has_own_trusted_and_rejected(said, shown, site, tmp_path):
    """What the agent is to servers, and what servers are to it."""
    said("boiler", "--thumbprint", thumbprint(shown))
    (site / "data/pki/rejected").mkdir()
    make_certificate(site / "data/pki/rejected/old.der", tmp_path / "key.pem", "urn:x", years=(2020, 2022))
    status, out, _ = said()
    rows = [re.split("  +", line)[:4] for line in out.splitlines()]

    assert status == 0
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("state", "name", "valid until"),
        ("own", "CN=certificate", "2050-01-01"),
        ("trusted", "CN=server", "2050-01-01"),
        ("rejected", "CN=old", "expired on 2022-01-01"),
    ]
    listed = json.loads(said("--json")[1])
    assert [each["state"] for each in listed] == ["own", "trusted", "rejected"]
    assert listed[1]["thumbprint"] == thumbprint(shown)


def test_revoked_is_trusted_no_more(said, shown):
    """By thumbprint, without the server; it is kept for a look."""
    said("boiler", "--thumbprint", long_thumbprint(shown))
    status, out, _ = said("--revoke", thumbprint(shown))

    assert status == 0
    assert f"trusted no more: CN=server, thumbprint {thumbprint(shown)}" in out
    assert [row["state"] for row in json.loads(said("--json")[1])] == ["own", "rejected"]
    assert said("--revoke", thumbprint(shown)) == (
        1,
        "",
        f"edge-relay: no trusted certificate has the thumbprint {thumbprint(shown)}: `edge-relay trust` lists all\n",
    )


def test_json_asks_nobody(said, shown):
    """It shows, and trusts by thumbprint alone."""
    status, out, _ = said("boiler", "--json")
    assert (status, json.loads(out)["trusted"]) == (1, False)
    status, out, _ = said("boiler", "--json", "--thumbprint", thumbprint(shown))

    assert (status, json.loads(out)["trusted"], json.loads(out)["problem"]) == (0, True, "")
    assert json.loads(out)["presented"]["application_uris"] == ["urn:plant:boiler:server"]


def test_a_pinned_certificate_is_changed_in_its_file(said, plant, site, shown):
    """The file decides; the command says whether it fits."""
    status, _, err = said("pinned", "--thumbprint", thumbprint(shown))
    assert status == 1
    assert f"only {site}/it.der counts for this source (server_certificate)" in err
    (site / "it.der").write_bytes(plant.certificate.read_bytes())

    assert said("pinned")[0] == 0


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["boilr"], 2, "there is no source boilr: did you mean `boiler`?"),
        (["trial"], 2, "source trial is no OPC UA server"),
        (["open"], 2, "source open has `security: none`: write sign_and_encrypt"),
        (["away"], 1, "edge-relay: away, opc.tcp://127.0.0.1:1: nothing answers at this address and port"),
        (["boiler", "--revoke", "00"], 2, "--revoke stands alone"),
        (["--thumbprint", "00"], 2, "--thumbprint needs the source"),
    ],
)
def test_the_slip_is_named(said, words, status, expected):
    """The thing, the cause and the remedy."""
    ended, _, err = said(*words)

    assert ended == status
    assert expected in err
    assert err.count("\n") == 1, "a library speaks as well"


def test_before_the_first_connect_there_is_no_own_certificate(said, site):
    """It is said when it will be made."""
    (site / "data/pki/own").unlink()

    assert "this agent has no certificate yet: it is made at the first connect" in said()[1]
