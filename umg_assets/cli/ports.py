"""Ports and sockets to listen on: what cannot be listened on is refused before anything starts."""

import errno
import os
import socket
import tempfile
from pathlib import Path

_PATH_BYTES = 103
"""The longest path of a Unix socket that every system takes: macOS 103 bytes, Linux 107 (`man 7 unix`)."""


class PortError(OSError):
    """An address cannot be listened on; the message says why, and what to do."""


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket that listens on an address. option: by which another port is named. Raises PortError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortError(
                f"port {port} of {host} is taken: another program listens there; end it, or name another port with "
                f"{option}"
            ) from None
        reason = error.strerror or str(error)
        raise PortError(f"{host}, port {port}, cannot be listened on: {reason}") from None


def check_free(host: str, port: int, option: str = "--port") -> None:
    """Raises PortError where something listens already."""
    listen(host, port, option).close()


def check_path(file: Path) -> None:
    """Raises PortError where a Unix socket's path in the temporary directory is too long for one."""
    size = len(os.fsencode(file))
    if size > _PATH_BYTES:
        most = len(os.fsencode(tempfile.gettempdir())) - (size - _PATH_BYTES)
        raise PortError(
            f"the temporary directory {tempfile.gettempdir()} has too long a path for a socket in it: set TMPDIR to a "
            f"directory whose path has at most {most} bytes"
        )
