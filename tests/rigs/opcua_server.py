"""A real OPC UA server on a thread of its own, which can be hurt; and a line to it that can go bad.

asyncua takes a second to build a server's address space and another to end, so one server serves a
whole run of tests; each test adds nodes of its own.
"""

import asyncio
import concurrent.futures
import contextlib
import datetime as dt
import logging
import threading
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.monitored_item_service import MonitoredItemService
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAMESPACE = "urn:plant:boiler"
APPLICATION = "urn:plant:boiler:server"
USER, PASSWORD = "relay", "right"
_POLICIES = [
    ua.SecurityPolicyType.NoSecurity,
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
]


class _Users:
    def __init__(self) -> None:
        self.anonymous = True
        self.certificates: set[bytes] = set()
        self.asked = 0
        """How often somebody wanted to log in."""

    def get_user(self, iserver, username=None, password=None, certificate=None):
        self.asked += 1
        if username is None:
            known = self.anonymous or certificate in self.certificates
            return User(role=UserRole.User) if known else None
        return User(role=UserRole.User) if (username, password) == (USER, PASSWORD) else None


class OpcUaServer:
    """The server; its methods may be called from any thread but its own."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.url = f"opc.tcp://127.0.0.1:{port}"
        self.certificate = folder / "server.der"
        self.authority = folder / "plant-authority.der"
        self._key = folder / "server.pem"
        self.requested: list[int] = []
        """How many monitored items each request asked for."""
        self._users = _Users()
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="opcua server")
        for chatty in ("asyncua.server", "asyncua.uaprocessor"):
            logging.getLogger(chatty).setLevel(logging.CRITICAL)

    def __enter__(self) -> Self:
        issuer = (self.authority, self.authority.with_suffix(".pem"))
        make_certificate(*issuer, "urn:plant:authority", authority=True)
        make_certificate(self.certificate, self._key, APPLICATION, issuer=issuer)
        self._thread.start()
        self._ready.result(60)  # a second on an idle machine
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self.server = Server(user_manager=self._users)
        await self.server.init()
        await self.server.set_application_uri(APPLICATION)
        self.server.set_endpoint(self.url)
        self.server.set_security_policy(_POLICIES)
        await self.server.load_certificate(self.certificate)
        await self.server.load_private_key(self._key)
        self.index = await self.server.register_namespace(NAMESPACE)
        await self.server.start()
        self._ready.set_result(None)
        await self._end.wait()
        await self.server.stop()

    def call(self, work):
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def add(
        self, name: str, value, variant: ua.VariantType | None = None, *, index: int | None = None
    ) -> None:
        node = ua.NodeId(name, self.index if index is None else index)
        parent = self.server.nodes.objects
        self.call(parent.add_variable(node, f"{node.NamespaceIndex}:{name}", ua.Variant(value, variant)))

    def add_below(self, *path: str, value=None) -> None:
        """Add a folder, or with a value a variable, below those that are there; each is `2:Name` or `Name`."""

        async def work():
            names = [self._qualified(text) for text in path]
            parent = self.server.nodes.objects
            for name in names[:-1]:
                parent = await parent.get_child([name])
            node = ua.NodeId("/".join(path), self.index)
            if value is None:
                await parent.add_folder(node, names[-1])
            else:
                await parent.add_variable(node, names[-1], value)

        self.call(work())

    def _qualified(self, text: str) -> ua.QualifiedName:
        index, colon, name = text.rpartition(":")
        return ua.QualifiedName(name, int(index) if colon else self.index)

    def set(self, name: str, value, variant=None, *, status: int = 0, stamp=None) -> None:
        data = ua.DataValue(ua.Variant(value, variant), ua.StatusCode(status), SourceTimestamp=stamp)
        self.call(self.server.write_attribute_value(ua.NodeId(name, self.index), data))

    def let_write(self, name: str, *, user: bool = True) -> None:
        """Make a variable writable; without `user`, for others than whoever logs in here."""

        async def work():
            node = self.server.get_node(ua.NodeId(name, self.index))
            await node.set_attr_bit(ua.AttributeIds.AccessLevel, ua.AccessLevel.CurrentWrite)
            if user:
                await node.set_attr_bit(ua.AttributeIds.UserAccessLevel, ua.AccessLevel.CurrentWrite)

        self.call(work())

    def write_node(self, number: int, value, variant=None) -> None:
        """Write one of the server's own nodes (operation limits, the namespace array)."""
        self.call(
            self.server.write_attribute_value(ua.NodeId(number), ua.DataValue(ua.Variant(value, variant)))
        )

    @property
    def sessions(self) -> int:
        return len(self.server.iserver._external_sessions)

    @property
    def subscriptions(self) -> int:
        return len(self.server.iserver.subscription_service.subscriptions)

    def stop(self) -> None:
        """Power off: connections are cut, and the server forgets its sessions."""
        self.call(self._stop())

    async def _stop(self) -> None:
        await self.server.bserver.stop()
        for session in list(self.server.iserver._external_sessions.values()):
            await session.close_session(True)

    def restart(self) -> None:
        self.call(self.server.bserver.start())

    def forget_subscriptions(self) -> None:
        """Lose all subscriptions and say nothing, as some servers do when their program is loaded."""
        service = self.server.iserver.subscription_service
        self.call(service.delete_subscriptions(list(service.subscriptions)))

    @property
    def logins(self) -> int:
        """How often somebody has sent what proves a user, or nothing."""
        return self._users.asked

    @contextlib.contextmanager
    def wanting_user(self, certificate: bytes = b""):
        """Let in the user with the password, or with this certificate."""
        self._users.anonymous, self._users.certificates = False, {certificate}
        try:
            yield
        finally:
            self._users.anonymous, self._users.certificates = True, set()

    @contextlib.contextmanager
    def taking_logins(self, *kinds: ua.UserTokenType):
        """Offer these logins alone."""
        endpoints = self.server.iserver.endpoints
        before = [endpoint.UserIdentityTokens for endpoint in endpoints]
        for endpoint in endpoints:
            endpoint.UserIdentityTokens = [t for t in endpoint.UserIdentityTokens if t.TokenType in kinds]
        try:
            yield
        finally:
            for endpoint, tokens in zip(endpoints, before, strict=True):
                endpoint.UserIdentityTokens = tokens

    @contextlib.contextmanager
    def refusing_clients(self, status: int):
        async def refuse(certificate, application):
            raise ServiceError(status)

        with self.checking_clients(refuse):
            yield

    @contextlib.contextmanager
    def checking_clients(self, check):
        """Have `check(certificate, application)` awaited while a session is made."""
        self.server.iserver.certificate_validator = check
        try:
            yield
        finally:
            self.server.iserver.certificate_validator = None

    @contextlib.contextmanager
    def showing(self, certificate: bytes):
        """Show another certificate than the one whose key it has."""
        endpoints = self.server.iserver.endpoints
        for endpoint in endpoints:
            endpoint.ServerCertificate, own = certificate, endpoint.ServerCertificate
        try:
            yield
        finally:
            for endpoint in endpoints:
                endpoint.ServerCertificate = own

    @contextlib.contextmanager
    def calling_itself(self, uri: str):
        servers = [endpoint.Server for endpoint in self.server.iserver.endpoints]
        for server in servers:
            server.ApplicationUri = uri
        try:
            yield
        finally:
            for server in servers:
                server.ApplicationUri = APPLICATION

    @contextlib.contextmanager
    def publishing_every(self, milliseconds: int):
        """Publish no more often than that, whatever is asked, and keep what ModifySubscription asks."""
        service = self.server.iserver.subscription_service
        create, modify = service.create_subscription, service.modify_subscription

        async def slower(params, callback, session, request_callback=None):
            params.RequestedPublishingInterval = max(milliseconds, params.RequestedPublishingInterval)
            return await create(params, callback, session, request_callback)

        def obeying(params):
            service.subscriptions[
                params.SubscriptionId
            ].data.RevisedMaxKeepAliveCount = params.RequestedMaxKeepAliveCount
            return modify(params)

        service.create_subscription, service.modify_subscription = slower, obeying
        try:
            yield
        finally:
            del service.create_subscription, service.modify_subscription

    @contextlib.contextmanager
    def limiting_calls(self, items: int):
        """Publish MaxMonitoredItemsPerCall and refuse what exceeds it; `requested` has the sizes."""
        self.requested.clear()
        original = MonitoredItemService.create_monitored_items

        async def limited(service, params):
            self.requested.append(len(params.ItemsToCreate))
            if len(params.ItemsToCreate) > items:
                raise ServiceError(ua.StatusCodes.BadTooManyOperations)
            return await original(service, params)

        limit = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall
        MonitoredItemService.create_monitored_items = limited
        self.write_node(limit, items, ua.VariantType.UInt32)
        try:
            yield
        finally:
            MonitoredItemService.create_monitored_items = original
            self.write_node(limit, 0, ua.VariantType.UInt32)


def make_certificate(
    certificate: Path,
    key_file: Path,
    uri: str,
    *,
    years: tuple[int, int] = (2020, 2050),
    issuer: tuple[Path, Path] | None = None,
    authority: bool = False,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> None:
    """Write a certificate, signed by itself or by an issuer (its certificate and key), and its key."""
    key = _key(key_file)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, certificate.stem)])
    signer, signed_by = key, name
    if issuer is not None:
        signed_by = x509.load_der_x509_certificate(issuer[0].read_bytes()).subject
        signer = _key(issuer[1])
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(signed_by)
        .not_valid_before(dt.datetime(years[0], 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(years[1], 1, 1, tzinfo=dt.UTC))
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), *hosts]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.DER))


def _key(file: Path) -> rsa.RSAPrivateKey:
    """The key in the file; a new one if there is none."""
    if file.exists():
        return serialization.load_pem_private_key(file.read_bytes(), None)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return key


class Line:
    """A TCP line to a port, in the running loop: `delay` seconds each way back, `dead`: swallows all."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.delay = 0.0
        self.dead = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._near: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"opc.tcp://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._tasks)

    def cut(self) -> None:
        """Cut every connection; new ones are let through."""
        for writer in self._near:
            writer.transport.abort()

    async def _connect(self, reader, writer) -> None:
        self._tasks.add(task := asyncio.current_task())
        task.add_done_callback(self._tasks.discard)
        self._near.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._pump(reader, far_writer, back=False))
                    pumps.create_task(self._pump(far_reader, writer, back=True))
            finally:
                far_writer.close()
        except (OSError, ExceptionGroup):
            pass
        finally:
            self._near.discard(writer)
            writer.close()

    async def _pump(self, reader, writer, *, back: bool) -> None:
        while data := await reader.read(65536):
            if back and self.delay:
                await asyncio.sleep(self.delay)
            if not self.dead:
                writer.write(data)
        raise ConnectionResetError
