"""Names of those who hold something for a while, so that what a dead process held is free at once."""

from __future__ import annotations

import os
import secrets
import socket

_OURS: set[str] = set()


def new_owner() -> str:
    """A name for one holder in this process: host, process, boot."""
    name = f"{socket.gethostname()}|{os.getpid()}|{secrets.token_hex(6)}"
    _OURS.add(name)
    return name


def is_dead(owner: str) -> bool:
    """Whether this owner (a name of `new_owner`, with or without something after a further |) ran on this host and is gone.

    What runs on another host cannot be asked: its lease runs out.
    """
    host, pid, boot = [*owner.split("|"), "", "", ""][:3]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    if int(pid) == os.getpid():  # an earlier life may have had the same number: in a container it always has
        return f"{host}|{pid}|{boot}" not in _OURS
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
