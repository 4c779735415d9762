"""The way from embedded Sail's own network to object storage: an HTTP proxy at a Unix socket, in a process outside.

Sail listens in a network namespace of nothing but a loopback (sail_server.py). Where tables lie in a bucket, a process
that stays outside of it listens at a Unix socket in the server's private directory, and opens the connections that Sail
asks for. It passes bytes on and reads none: https stays encrypted to its end. A proxy that the environment names
(HTTPS_PROXY, NO_PROXY) is used.
"""

import os
import socket
from base64 import b64encode
from contextlib import suppress
from threading import Thread
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from umg_assets.resources.sockets import accepted, copy_both_ways

_HEAD_BYTES = 64 << 10
_SECONDS = 10


def start(path: str) -> int:
    """Forks the process that listens at `path`; it ends when this one does. Returns its id.

    To be called before this process has threads.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    alive, held = os.pipe()
    child = os.fork()
    if child:
        listener.close()
        os.close(alive)
        return child
    os.close(held)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    Thread(target=_serve, args=(listener,), daemon=True).start()
    os.read(alive, 1)  # until the other process has ended, however
    os._exit(0)


def _serve(listener: socket.socket) -> None:
    while True:
        client = accepted(listener)
        Thread(target=_connect, args=(client,), daemon=True).start()


def _connect(client: socket.socket) -> None:
    """Reads the head of a request, and connects its sender to where it wants to go."""
    with client, suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
            block = client.recv(_HEAD_BYTES)
            if not block:
                return
            head += block
        method, _, rest = head.partition(b" ")
        target = rest.partition(b" ")[0].decode("latin-1")
        tunnel = method == b"CONNECT"
        try:
            server, login = _reach(f"https://{target}" if tunnel else target)
        except (OSError, ValueError) as error:
            client.sendall(f"HTTP/1.1 502 {error}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return
        with server:
            if tunnel and login is None:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                request, _, fields = head.partition(b"\r\n")
                server.sendall(request + b"\r\n" + (login or b"") + fields)
            copy_both_ways(client, server)


def _reach(url: str) -> tuple[socket.socket, bytes | None]:
    """A connection to a URL's host, or to the proxy that the environment names for it, and the header line that the
    proxy's user needs, empty without one; None where there is no proxy. Raises OSError, ValueError."""
    wanted, login = urlsplit(url), None
    proxy = getproxies().get(wanted.scheme)
    if proxy and not proxy_bypass(wanted.netloc):
        wanted = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if wanted.scheme != "http":
            raise ValueError(f"expected a proxy by http://, got one by {wanted.scheme}://")
        login = _login(wanted)
    if not wanted.hostname:
        raise ValueError("no host is named")
    server = socket.create_connection(
        (wanted.hostname, wanted.port or (443 if wanted.scheme == "https" else 80)), _SECONDS
    )
    server.settimeout(None)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server, login


def _login(proxy: SplitResult) -> bytes:
    """RFC 7617: the name and password of a proxy's URL, as a header line."""
    if proxy.username is None:
        return b""
    words = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return b"Proxy-Authorization: Basic " + b64encode(words.encode()) + b"\r\n"
