"""Whom a receiver must be certified by, and who the agent is to it; what becomes of files that change."""

import asyncio
import datetime as dt
import shutil
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from hashlib import sha256

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rigs.authority import Authority
from rigs.http_proxy import http_proxy
from rigs.raw_server import answers, raw_server
from rigs.token_endpoint import token_endpoint
from rigs.webhook import MESSAGE, MovedClock, opened, section

from agent.destinations import expiring
from agent.http.trust import pin_of
from agent.model import SECOND, Answer, Blocked, NoAnswer

UNKNOWN = "name the PEM file of the authority that signed it as tls: {ca: FILE}"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on one of the loops: the agent runs on uvloop where it can."""

    def run(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(coroutine)

    return run


@pytest.fixture
def authority(tmp_path):
    """One that this machine knows nothing of."""
    return Authority(tmp_path)


async def attempt(certificate, tls, clients=None, **more: object):
    """One attempt at a receiver with this certificate; what came of it, and what it was sent."""
    async with (
        raw_server(answers(), certificate, clients) as server,
        opened(f"https://127.0.0.1:{server.port}/x?key=c4n4ry", tls=tls, **more) as destination,
    ):
        return await destination.deliver(MESSAGE), server.requests


def test_a_private_authority_is_trusted_where_it_is_named(authority, run):
    """And it alone."""
    server = authority.issue("server")
    named, requests = run(attempt(server, {"ca": str(authority.certificate)}))
    unnamed, _ = run(attempt(server, {}))

    assert isinstance(named, Answer)
    assert len(requests) == 1
    assert unnamed.why.endswith(UNKNOWN)


def test_another_authority_is_not(authority, tmp_path, run):
    """One private authority does not vouch for another's."""
    other = Authority(tmp_path, "other")

    outcome, requests = run(attempt(authority.issue("server"), {"ca": str(other.certificate)}))

    assert outcome.why.endswith(UNKNOWN)
    assert requests == []


@pytest.mark.parametrize("password", ["", "s3cret"])
def test_the_receiver_knows_the_agent_by_its_certificate(password, authority, run):
    """Mutual TLS, with a key that is encrypted or lies readable."""
    certificate, key = authority.issue("agent", password=password)
    tls = {"ca": str(authority.certificate), "certificate": str(certificate), "key": str(key)}
    tls |= {"key_password": password} if password else {}

    outcome, requests = run(attempt(authority.issue("server"), tls, authority.certificate))

    assert isinstance(outcome, Answer)
    assert len(requests) == 1


@contextmanager
def asks_for_a_certificate(authority, version):
    """A server that says in TLS why it hangs up, as OpenSSL's do; asyncio's only hangs up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    context.load_verify_locations(authority.certificate)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, version

    def refuse(listener):
        with suppress(OSError):
            connection, _ = listener.accept()
            plain = connection.dup()
            with connection, plain, suppress(OSError):
                with suppress(ssl.SSLError):
                    context.wrap_socket(connection, server_side=True)
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(65_536):
                    pass  # unread, it would be a reset, which overtakes the alert

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_a_receiver_that_asks_for_a_certificate_is_told_as_such(version, authority, run):
    """Its alert is named, and the keys that are missing."""

    async def check():
        with asks_for_a_certificate(authority, version) as port:
            async with opened(
                f"https://127.0.0.1:{port}/", tls={"ca": str(authority.certificate)}
            ) as destination:
                return await destination.deliver(MESSAGE)

    outcome = run(check())

    assert isinstance(outcome, NoAnswer)
    assert "ALERT" in outcome.why or "while we sent" in outcome.why  # it may overtake our request, or not
    assert outcome.why.endswith("if it asks for a certificate, write tls: {certificate: FILE, key: FILE}")


def test_one_that_hangs_up_without_a_word_may_have_asked_for_one(authority, run):
    """Nothing has arrived."""
    tls = {"ca": str(authority.certificate)}

    outcome, requests = run(attempt(authority.issue("server"), tls, authority.certificate))

    assert isinstance(outcome, NoAnswer)
    assert requests == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"ca": "none.pem"},
            r"none.pem cannot be used (No such file or directory): tls: ca: wants a PEM file",
        ),
        ({"ca": "agent.key"}, r"agent.key cannot be used ("),
        ({"certificate": "none.pem"}, "want PEM files that belong together, the key without a password"),
        ({"key": "server.key"}, "key values mismatch"),
        ({"key_password": "c4n4ry"}, "the key of this `key_password`"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_fault_of_ours(change, why, authority, tmp_path, run):
    """Named with the file and the key; no event is charged, a person has to mend it."""
    certificate, key = authority.issue("agent", password="right")
    authority.issue("server")
    tls = {"ca": str(authority.certificate), "certificate": str(certificate), "key": str(key)}
    tls |= {name: text if name == "key_password" else str(tmp_path / text) for name, text in change.items()}

    async def check():
        async with opened("https://127.0.0.1:1/", tls=tls) as destination:
            return await destination.deliver(MESSAGE)

    outcome = run(check())

    assert (outcome.blocked, outcome.unsent) == (Blocked.CONFIGURATION, True)
    assert why in outcome.why
    assert "c4n4ry" not in outcome.why


# --- pins ----------------------------------------------------------------------------------------------


def pin(file):
    return pin_of(x509.load_pem_x509_certificate(file.read_bytes()))


@pytest.mark.parametrize("whose", ["server", "authority"])
def test_a_pinned_key_is_accepted_and_any_other_refused(whose, authority, tmp_path, run):
    """The receiver's own key, or that of an authority above it; the refusal shows both, to be compared."""
    server = authority.issue("server")
    pins = {"server": pin(server[0]), "authority": pin(authority.certificate)}
    another = pin(Authority(tmp_path, "another").certificate)
    ca = str(authority.certificate)

    fits, _ = run(attempt(server, {"ca": ca, "pin": pins[whose]}))
    one_of, _ = run(attempt(server, {"ca": ca, "pin": [another, pins[whose]]}))
    fits_not, requests = run(attempt(server, {"ca": ca, "pin": another}))

    assert isinstance(fits, Answer)
    assert isinstance(one_of, Answer)
    assert requests == []
    assert fits_not.why == (
        "TLS: the certificate of 127.0.0.1 is not accepted (none of its keys is pinned; they are "
        f"{pins['server']} of CN=server, {pins['authority']} of CN=authority): "
        "compare them with those of the receiver's people, and write the right one as tls: {pin: ...}"
    )


def test_a_pin_takes_the_place_of_no_check(authority, tmp_path, run):
    """The right key in a certificate of nobody, or for another host, is not accepted."""
    server = authority.issue("server")
    elsewhere = authority.issue("elsewhere", host="192.0.2.1")

    unknown, _ = run(attempt(server, {"pin": pin(server[0])}))
    for_another, _ = run(attempt(elsewhere, {"ca": str(authority.certificate), "pin": pin(elsewhere[0])}))

    assert unknown.why.endswith(UNKNOWN)
    assert for_another.why.endswith("write `url` with a name that the certificate has")


def test_a_pin_is_what_the_usual_tools_print(authority):
    """The digest, by openssl, of the SubjectPublicKeyInfo, in hexadecimal or Base64, with the prefix of browsers or curl."""
    certificate = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    encoded = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = sha256(encoded).hexdigest()
    base64 = pin_of(certificate).removeprefix("sha256/")
    spellings = [digest, digest.upper(), ":".join(map("".join, zip(digest[::2], digest[1::2], strict=True)))]
    spellings += [base64, f"sha256/{base64}", f"sha256//{base64}"]
    found = {section("https://x/", tls={"pin": spelling}).tls.pin for spelling in spellings}

    assert found == {(f"sha256/{base64}",)}


def test_a_pin_counts_through_a_proxy_too(authority, tmp_path, run):
    """The tunnel's end is the receiver, or nobody."""
    server = authority.issue("server")
    another = pin(Authority(tmp_path, "another").certificate)

    async def check(chosen):
        async with http_proxy() as proxy:
            tls = {"ca": str(authority.certificate), "pin": chosen}
            return await attempt(server, tls, proxy={"url": proxy.url})

    fits, _ = run(check(pin(server[0])))
    fits_not, requests = run(check(another))

    assert isinstance(fits, Answer)
    assert "none of its keys is pinned" in fits_not.why
    assert requests == []


async def test_a_pin_is_the_receivers_and_not_the_token_endpoints(authority):
    """They are two hosts; the endpoint is checked against the same authority all the same."""
    server = authority.issue("server")
    tls = {"ca": str(authority.certificate), "pin": pin(server[0])}
    async with (
        token_endpoint() as endpoint,
        opened("https://127.0.0.1:1/", tls=tls, auth={"oauth2": endpoint.oauth2}) as destination,
    ):
        trust = destination._tokens._trust

        assert (trust._tls.ca, trust._tls.pin) == (authority.certificate, ())


# --- files that change ---------------------------------------------------------------------------------


def later(clock):
    """The files are looked at again."""
    clock.passed += 6


class PassingClock(MovedClock):
    passed = 0.0

    def monotonic(self):
        return super().monotonic() + round(self.passed * SECOND)


async def test_a_renewed_certificate_counts_for_the_next_connection(authority, tmp_path, caplog):
    """Without a restart, and half of it leaves in force what was; said once each."""
    caplog.set_level("INFO")
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    files = tmp_path / "client.pem", tmp_path / "client.key"
    for source, file in zip(old.issue("first"), files, strict=True):
        shutil.copy(source, file)
    tls = {"ca": str(authority.certificate), "certificate": str(files[0]), "key": str(files[1])}
    clock = PassingClock()
    server = authority.issue("server")
    async with (
        raw_server(answers(Connection="close"), server, old.certificate) as before,
        raw_server(answers(Connection="close"), server, new.certificate) as after,
        opened(f"https://127.0.0.1:{before.port}/", clock, tls=tls) as destination,
    ):

        async def accepted(server):
            destination._url = f"https://127.0.0.1:{server.port}/"
            return isinstance(await destination.deliver(MESSAGE), Answer)

        seen = [await accepted(before), await accepted(after)]
        renewed = new.issue("second")
        shutil.copy(renewed[0], files[0])
        for _ in range(2):
            later(clock)
            seen += [await accepted(before), await accepted(after)]
        shutil.copy(renewed[1], files[1])
        later(clock)
        seen += [await accepted(before), await accepted(after)]

    assert seen == [True, False, True, False, True, False, False, True]
    said = [record.getMessage() for record in caplog.records if "destination" in record.getMessage()]
    assert len(said) == 2
    assert "cannot be used" in said[0]
    assert said[0].endswith("what was loaded before stays in force")
    assert said[1] == "destination cmms: its certificates have changed, new connections use them"


async def test_files_that_stay_are_read_once(authority, monkeypatch):
    """An attempt costs a look at the clock."""
    made = []
    create = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda **paths: made.append(1) or create(**paths))
    clock = PassingClock()
    tls = {"ca": str(authority.certificate)}
    async with raw_server(answers(), authority.issue("server")) as server:
        async with opened(f"https://127.0.0.1:{server.port}/", clock, tls=tls) as destination:
            for _ in range(5):
                assert isinstance(await destination.deliver(MESSAGE), Answer)
                later(clock)

        assert (len(made), server.connections) == (1, 1)


def test_certificates_that_expire_are_told(authority):
    """The agent's own and its authorities, a sentence each, when a third of their life is left, at most 60 days."""
    day = dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    agent = authority.issue("agent", ends_in=100 * day)
    token = authority.issue("token", ends_in=200 * day)
    tls = {"certificate": str(agent[0]), "key": str(agent[1])}
    oauth2 = {"token_url": "https://x/", "client_id": "x", "client_secret": "y"}
    oauth2 |= {"tls": {"certificate": str(token[0]), "key": str(token[1])}}
    config = section("https://x/", tls=tls, auth={"oauth2": oauth2})

    def told(days):
        return expiring("cmms", config, round((now + days * day).timestamp()) * SECOND)

    end = f"{now + 100 * day:%Y-%m-%d}"
    assert told(0) == []
    assert told(60) == []
    assert told(70) == [
        f"a certificate of destination cmms expires on {end}, that of this agent in {agent[0]}: renew it in time"
    ]
    assert [sentence.split(",")[0] for sentence in told(190)] == [
        f"a certificate of destination cmms expired on {end}",
        f"a certificate of destination cmms expires on {now + 200 * day:%Y-%m-%d}",
    ]
