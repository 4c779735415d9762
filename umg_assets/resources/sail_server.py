"""The process in which embedded Sail runs: `python -m umg_assets.resources.sail_server DIRECTORY [outward]`.

Sail's Spark Connect server asks for no token, so whoever reaches its port reads what this user can read. Here it
listens in a network namespace of its own, and answers at the Unix socket DIRECTORY/sail, in a directory that only this
user can open. Where the kernel refuses a namespace, its port is on this machine's loopback. `outward`: tables lie in a
bucket, which it reaches through sail_gateway.py.

Prints one line when it answers: empty, or why there is no namespace. Ends, and removes DIRECTORY, when stdin ends,
which it does when the process that started this one has ended, however it ended. Temporary files lie in TMPDIR.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path
from threading import Thread
from typing import Any

from umg_assets.resources import sail_gateway
from umg_assets.resources.sockets import accepted, copy_both_ways

SOCKET, OUTWARD = "sail", "outward"
_NETWORK = "network"
HAS_PROC = Path("/proc/self/fd").is_dir()
_LOOPBACK = "127.0.0.1"
# <linux/sched.h>, <linux/sockios.h>, <linux/if.h>
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def main(directory: Path, outward: bool) -> None:
    """Serves until stdin ends."""
    refusal = _why_no_namespace()
    if not refusal and outward:
        sail_gateway.start(socket_path(directory, _NETWORK))
    if not refusal:
        _enter_namespace()
    if not refusal and outward:
        _send_through(socket_path(directory, _NETWORK))
    from pysail.spark import SparkConnectServer  # starts threads, and a process with threads gets no user namespace

    server = SparkConnectServer(_LOOPBACK, 0)
    server.start(background=True)
    address = server.listening_address
    if address is None:
        raise RuntimeError("Sail did not start: its server listens nowhere")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(socket_path(directory))
    listener.listen()
    Thread(target=_forward, args=(listener, socket.AF_INET, address), daemon=True).start()
    print(refusal, flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads this one any more
    sys.stdin.read()
    # Ends Sail's threads at once, which may be writing for a process that is gone, and only then removes.
    os.execvp("rm", ["rm", "-rf", "--", str(directory)])


def socket_path(directory: Path, name: str = SOCKET) -> str:
    """The path of a socket in this process: with /proc, shorter than the 100 bytes or so that one may have."""
    if not HAS_PROC:
        return str(directory / name)
    return f"/proc/self/fd/{os.open(directory, os.O_RDONLY | os.O_DIRECTORY)}/{name}"


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


def _send_through(gateway: str) -> None:
    """Makes what this process asks of the network go through the gateway: as a proxy on its own loopback."""
    listener = socket.create_server((_LOOPBACK, 0))
    proxy = f"http://{_LOOPBACK}:{listener.getsockname()[1]}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        os.environ[name] = proxy
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ""
    Thread(target=_forward, args=(listener, socket.AF_UNIX, gateway), daemon=True).start()


def _forward(listener: socket.socket, family: socket.AddressFamily, address: Any) -> None:
    """Connects each client of `listener` to `address`."""
    while True:
        client = accepted(listener)
        server = socket.socket(family)
        try:
            server.connect(address)
        except OSError:  # this client alone is without a connection
            server.close()
            client.close()
            continue
        for end in (client, server):
            if end.family == socket.AF_INET:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Thread(target=copy_both_ways, args=(client, server), daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] == [OUTWARD])
