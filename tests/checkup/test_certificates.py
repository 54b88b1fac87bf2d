"""How long certificates are good for: this agent's own, by their files."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from agent.checkup.case import Case, parts_of
from agent.checkup.certificates import examine_certificates
from agent.checkup.finding import Verdict
from agent.clock import SystemClock

DAY = dt.timedelta(days=1)
SITE = """
agent: {site: s, name: n, data_dir: data}
destinations:
  cmms: {url: "https://cmms.example/", signing: none, tls: {certificate: client.pem}}
"""


def certificate(file, *, begins, ends):
    """Write a certificate that signs itself, by days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "line-4")])
    now = dt.datetime.now(dt.UTC) + DAY / 2
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins * DAY)
        .not_valid_after(now + ends * DAY)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(built.public_bytes(Encoding.PEM))


@pytest.mark.parametrize(
    ("begins", "ends", "verdict", "word"),
    [
        (-300, 100, Verdict.GOOD, "ends in 100 days"),
        (-300, 29, Verdict.WARNING, "ends in 29 days"),
        (-300, 1, Verdict.WARNING, "ends in 1 day,"),
        (-300, -2, Verdict.PROBLEM, "has ended"),
        (1, 100, Verdict.PROBLEM, "is good from"),
        (-1, 6, Verdict.GOOD, "ends in 6 days"),  # renewed by a timer every few days
    ],
)
def test_each_is_told_with_the_days_that_are_left(tmp_path, begins, ends, verdict, word):
    """Within 30 days of its end, or in the last third of a short life, it is a warning; beyond it, a problem."""
    (tmp_path / "agent.yaml").write_text(SITE)
    certificate(tmp_path / "client.pem", begins=begins, ends=ends)
    case = Case(tmp_path, parts_of(tmp_path))
    found = [each for each in examine_certificates(case, SystemClock()) if word in each.said]

    assert [(each.verdict, each.thing) for each in found] == [(verdict, "destination cmms, client.pem")]


def test_a_file_that_is_none_is_a_problem(tmp_path):
    """There is no such file, or another thing in it."""
    (tmp_path / "agent.yaml").write_text(SITE)
    case = Case(tmp_path, parts_of(tmp_path))
    absent = list(examine_certificates(case, SystemClock()))
    (tmp_path / "client.pem").write_text("-----BEGIN NOTHING-----\n")
    rubbish = list(examine_certificates(case, SystemClock()))

    assert [each.verdict for each in (*absent, *rubbish)] == [Verdict.PROBLEM, Verdict.PROBLEM]
    assert "No such file" in absent[0].said
    assert "no PEM file" in rubbish[0].said
