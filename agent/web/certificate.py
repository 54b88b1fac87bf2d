"""The certificate of a server of ours, which somebody renews every few weeks.

Rules for whoever changes this: half a renewal never spoils what serves; all of it blocks on files, so it is for
a thread.
"""

import logging
import ssl
from typing import Final

from agent.config.served import ServerTls

_log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key; `context` serves with the newest."""

    def __init__(self, config: ServerTls) -> None:
        """Read it; blocks on the files.

        Raises:
            OSError: a file cannot be read, or is no certificate with its key.
        """
        self._config = config
        self._seen = self._stamp()
        self.context: Final = self._read(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))

    def renew(self) -> None:
        """Take the files again if they have changed; blocks on them."""
        try:
            if (stamp := self._stamp()) == self._seen:
                return
            self._seen = stamp
            # On another first: half a renewal must not spoil what serves.
            self._read(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._read(self.context)
        except OSError as error:
            text = "the renewed certificate %s cannot be used (%s): the one before serves on"
            _log.error(text, self._config.certificate, error.strerror or error)
        else:
            _log.info("the certificate %s is renewed", self._config.certificate)

    def _stamp(self) -> list[tuple[int, int, int]]:
        files = (self._config.certificate.stat(), self._config.key.stat())
        return [(file.st_ino, file.st_size, file.st_mtime_ns) for file in files]

    def _read(self, context: ssl.SSLContext) -> ssl.SSLContext:
        # Without a password given, OpenSSL would ask for one on the terminal, and wait.
        context.load_cert_chain(self._config.certificate, self._config.key, password="")
        return context


def unusable(config: ServerTls, error: OSError) -> str:
    """Why a certificate cannot be used, with the remedy."""
    return (
        f"the certificate {config.certificate} with the key {config.key} cannot be used ({error.strerror or error}): "
        "both want PEM files that belong together, the key without a password"
    )
