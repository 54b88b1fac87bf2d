"""TLS to devices, brokers and receivers: whom they must be signed by, and who this agent is to them.

Rules for whoever changes this: chain and host name are always checked; files are read anew for each
connection, so that a renewed certificate counts without a restart.
"""

import re
import ssl
from pathlib import Path
from typing import Final

from agent.errors import SourceError

_OPENSSL: Final = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")
"""What OpenSSL tells its programmers: where in its sources."""


def client_context(
    ca: Path | None, certificate: Path | None, key: Path | None, *, password: str = "", whose: str = ""
) -> ssl.SSLContext:
    """Trust one authority, or the system's; blocks on the files.

    Args:
        ca: PEM file of the authority; None: those of the system.
        certificate: PEM file of this agent's certificate; None: it has none.
        key: PEM file of its key; None: it stands in the same file.
        password: what the key is encrypted with; empty: it is not.
        whose: authority, for the message: ` of the broker's authority`.

    Raises:
        SourceError: a certificate file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise SourceError(f"{_unusable(ca, error)}: tls: ca: wants a PEM file{whose}") from None
    # Python 3.13 switched strict RFC 5280 on, which refuses the home-made authorities of most plants.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if certificate:
        try:
            # Without a password given, OpenSSL would ask for one on the terminal, and wait.
            context.load_cert_chain(certificate, key, password=password)
        except (OSError, ssl.SSLError) as error:
            raise SourceError(
                f"{_unusable(key or certificate, error)}: tls: certificate: and key: want PEM files "
                f"that belong together, the key {'of this `key_password`' if password else 'without a password'}"
            ) from None
    return context


def _unusable(path: Path | None, error: OSError) -> str:
    why = _OPENSSL.sub("", str(error.strerror or error))
    return f"the file {path} cannot be used ({why})"
