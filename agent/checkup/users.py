"""As whom the agent runs, and what that user may do with a file.

Rules for whoever changes this: it is told from what lies there, for this command is mostly somebody else's:
the owner of the control socket, the user of the service's unit, the owner of the data directory.
"""

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from agent.paths import CONTROL_SOCKET


@dataclass(frozen=True, slots=True)
class User:
    """A user of this machine.

    Attributes:
        name: for a person.
        number: its id; 0 may do everything.
        groups: the ids of its groups.
    """

    name: str
    number: int
    groups: frozenset[int]

    def may(self, path: Path, wanted: int) -> bool:
        """Whether it may do this with a path, by owner and mode; `wanted` is os.R_OK, os.W_OK ..., or several."""
        found = path.stat()
        return self.is_allowed(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, wanted)

    def is_allowed(self, mode: int, owner: int, group: int, wanted: int) -> bool:
        """Decide it as the kernel does: one of the three sets of bits counts, and no other."""
        shift = 6 if owner == self.number else 3 if group in self.groups else 0
        return self.number == 0 or mode >> shift & wanted == wanted

    def blocked_at(self, path: Path, wanted: int) -> Path | None:
        """Give the file, or the folder on the way, that it may not use so; None: it may.

        Raises:
            OSError: there is none, or we may not look.
        """
        for folder in reversed(path.absolute().parents):
            if not self.may(folder, os.X_OK):
                return folder
        return None if self.may(path, wanted) else path


def service_user(data_dir: Path, unit_user: str) -> User:
    """Find as whom the agent runs, or is to run; `unit_user`: what the service's unit says, empty: nothing."""
    socket = data_dir / CONTROL_SOCKET
    for place in (socket, data_dir):
        if place is data_dir and unit_user:
            break
        try:
            return _user(place.stat().st_uid)
        except OSError:
            continue
    try:
        return _user(pwd.getpwnam(unit_user).pw_uid) if unit_user else _user(os.geteuid())
    except KeyError:
        return _user(os.geteuid())


def _user(number: int) -> User:
    try:
        known = pwd.getpwuid(number)
    except KeyError:
        return User(f"user {number}", number, frozenset())
    return User(known.pw_name, number, frozenset(os.getgrouplist(known.pw_name, known.pw_gid)))


def group_name(number: int) -> str:
    """What a group is called."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
