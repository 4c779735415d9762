"""The process in which embedded Sail runs: `python -m umg_assets.resources.sail_server DIRECTORY`.

Sail's Spark Connect server asks for no token, so whoever reaches its port reads what this user can read. Here it
listens in a network namespace of its own, and answers at the Unix socket DIRECTORY/sail, in a directory that only this
user can open. Where the kernel refuses a namespace, its port is on this machine's loopback.

Prints one line when it answers: empty, or why there is no namespace. Ends, and removes DIRECTORY, when stdin ends,
which it does when the process that started this one has ended, however it ended. Temporary files lie in TMPDIR.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

SOCKET = "sail"
HAS_PROC = Path("/proc/self/fd").is_dir()
_LOOPBACK = "127.0.0.1"
_BUFFER_BYTES = 1 << 20
# <linux/sched.h>, <linux/sockios.h>, <linux/if.h>
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def main(directory: Path) -> None:
    """Serves until stdin ends."""
    refusal = _why_no_namespace()
    if not refusal:
        _enter_namespace()
    from pysail.spark import SparkConnectServer  # starts threads, and a process with threads gets no user namespace

    server = SparkConnectServer(_LOOPBACK, 0)
    server.start(background=True)
    address = server.listening_address
    if address is None:
        raise RuntimeError("Sail did not start: its server listens nowhere")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(socket_path(directory))
    listener.listen()
    Thread(target=_forward, args=(listener, address), daemon=True).start()
    print(refusal, flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads this one any more
    sys.stdin.read()
    # Ends Sail's threads at once, which may be writing for a process that is gone, and only then removes.
    os.execvp("rm", ["rm", "-rf", "--", str(directory)])


def socket_path(directory: Path) -> str:
    """The path of the socket in this process: with /proc, shorter than the 100 bytes or so that one may have."""
    if not HAS_PROC:
        return str(directory / SOCKET)
    return f"/proc/self/fd/{os.open(directory, os.O_RDONLY | os.O_DIRECTORY)}/{SOCKET}"


def _why_no_namespace() -> str:
    """Why the kernel refuses a network namespace; empty if it does not. Tried in a process that ends with the answer.

    A refusal may come half-way: Ubuntu lets a user make a namespace and then not bring its loopback up.
    """
    reading, writing = os.pipe()
    trial = os.fork()
    if trial == 0:
        try:
            _enter_namespace()
        except OSError as error:
            os.write(writing, (error.strerror or str(error)).encode())
        except AttributeError:
            os.write(writing, b"this system has no network namespaces")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        refusal = answer.read()
    os.waitpid(trial, 0)
    return refusal


def _enter_namespace() -> None:
    """Gives this process a network of nothing but a loopback. Raises OSError where the kernel refuses.

    A privileged process keeps its user namespace, and with it what it may read. Another needs a user namespace in which
    it may make one; its files stay its own.
    """
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"unshare: {os.strerror(code)}")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


def _forward(listener: socket.socket, address: tuple[str, int]) -> None:
    """Connects each client of `listener` to `address`."""
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(address)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Thread(target=_copy, args=(client, server), daemon=True).start()
        Thread(target=_copy, args=(server, client), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Passes on bytes until the source ends, and then the end."""
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    with suppress(OSError):
        while size := source.recv_into(buffer):
            target.sendall(buffer[:size])
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
