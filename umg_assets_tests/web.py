"""Web servers under test and who asks them: an application in a thread, TLS, passwords, the status of an answer."""

import base64
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
import uvicorn
from starlette.types import ASGIApp


class Certificate:
    """PEM files of a certificate for localhost and 127.0.0.1, its key, and a client's context that trusts it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        self.file, self.key = folder / "cert.pem", folder / "key.pem"
        issued.cert_chain_pems[0].write_to_path(self.file)
        issued.private_key_pem.write_to_path(self.key)
        self.trusting = ssl.create_default_context()
        authority.configure_trust(self.trusting)

    def status(self, port: int, path: str, headers: Mapping[str, str]) -> int:
        """The status of an answer over TLS; 0 where nobody answers."""
        request = urllib.request.Request(f"https://localhost:{port}{path}", headers=dict(headers))
        try:
            return urllib.request.urlopen(request, timeout=30, context=self.trusting).status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


def basic(name: str, password: str) -> dict[str, str]:
    """The header that a browser sends for a name and a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@contextmanager
def listening(application: ASGIApp, **options: Any) -> Iterator[int]:
    """The port on which an application is served. options: of uvicorn."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="error", **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()
