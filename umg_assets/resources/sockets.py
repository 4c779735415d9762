"""Bytes passed on between two connections."""

import errno
import socket
import time
from contextlib import suppress
from threading import Thread

_BUFFER_BYTES = 1 << 20
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.EPROTO)
"""Why a client cannot be accepted now, though the next can: accept(2)."""
_PAUSE_SECONDS = 0.1


def accepted(listener: socket.socket) -> socket.socket:
    """The next client of a listener; while there is no file descriptor or memory for it, it waits in line."""
    while True:
        try:
            return listener.accept()[0]
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            time.sleep(_PAUSE_SECONDS)


def copy_both_ways(first: socket.socket, second: socket.socket) -> None:
    """Passes on bytes each way, and the end of each, until both have ended."""
    back = Thread(target=_copy, args=(second, first), daemon=True)
    back.start()
    _copy(first, second)
    back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Passes on bytes until the source ends, and then the end."""
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    with suppress(OSError):
        while size := source.recv_into(buffer):
            target.sendall(buffer[:size])
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
