"""Bytes passed on between two connections."""

import socket
from contextlib import suppress
from threading import Thread

_BUFFER_BYTES = 1 << 20


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
