"""Embedded Sail: a child process that no other user reaches, and that ends with the process it works for."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from umg_assets.resources import sail_server
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import PATIENCE, own_environment, printed_by, run_python

STARTED = """
import os, sys
from pathlib import Path
from umg_assets.resources import engine
spark = engine.session("sail", None, None, Path(sys.argv[1]))
assert spark.range(3).count() == 3
(server,) = engine._sails
print(server.process.pid, server.directory, engine.exposed(), sep="\\n", flush=True)
"""

AS_NOBODY = """
import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
kind, *address = sys.argv[1:]
try:
    if kind == "tcp":
        socket.socket().connect(("127.0.0.1", int(address[0])))
    else:
        os.stat(address[0])
    print("reached")
except OSError as error:
    print(type(error).__name__)
"""

REFUSING_NAMESPACES = ["unshare", "--user", "--map-root-user", "sh", "-c"]
"""In a user namespace, the limit of network namespaces is that of the namespace alone."""


def namespaces_can_be_made() -> bool:
    """Whether this machine's kernel gives this user a user and network namespace."""
    made = subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True, check=False)
    return made.returncode == 0


needs_namespaces = pytest.mark.skipif(not namespaces_can_be_made(), reason="the kernel refuses namespaces here")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def home() -> Iterator[Path]:
    """A home in a directory that everyone can open, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder, "home")


@pytest.fixture
def server(home: Path):
    """A process with a session on Sail: (process, id of the server's process, the server's directory, exposed)."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTED + "sys.stdin.read()", str(home)],
        env=own_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    child, directory, exposed = (process.stdout.readline().strip() for _ in range(3))
    yield process, int(child), Path(directory), exposed
    process.kill()
    process.wait()


GATEWAY = """
import socket, sys
from pathlib import Path
from umg_assets.resources import sail_gateway

print(sail_gateway.start(sys.argv[1]), flush=True)
sys.stdin.read()
"""


class Echo(BaseHTTPRequestHandler):
    """Answers with the line that was asked, and what a proxy is told of its user."""

    def do_GET(self) -> None:
        body = f"{self.requestline} {self.headers['Proxy-Authorization'] or ''}".strip().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server outside."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    ("proxy", "login"),
    [("", ""), ("127.0.0.1", ""), ("http://ann:p%40ss@127.0.0.1", " Basic YW5uOnBAc3M=")],
    ids=["directly", "through the proxy that the environment names", "through a proxy that wants a password"],
)
def test_a_gateway_connects_whom_sail_asks_for_and_ends_with_it(tmp_path: Path, echo: int, proxy: str, login: str):
    path, proxied = tmp_path / "network", proxy != ""
    environment = {**own_environment(), **({"http_proxy": f"{proxy}:{echo}"} if proxied else {})}
    process = subprocess.Popen(
        [sys.executable, "-c", GATEWAY, str(path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    gateway = int(process.stdout.readline())
    asked = f"http://{'bucket.test' if proxied else f'127.0.0.1:{echo}'}/key"
    assert asked_of(path, f"GET {asked} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").endswith(
        f"GET {asked} HTTP/1.1{login}"
    )
    if not proxied:
        tunnel = f"CONNECT 127.0.0.1:{echo} HTTP/1.1\r\n\r\n"
        answered = asked_of(path, tunnel, "GET /tunnelled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answered.endswith("GET /tunnelled HTTP/1.1")
        refused = asked_of(path, "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n")
        assert refused.startswith("HTTP/1.1 502 ")
        assert "refused" in refused
    process.kill()
    process.wait()
    assert is_gone(gateway)


def asked_of(gateway: Path, *requests: str) -> str:
    """What comes back over a connection to a gateway; each request is sent once the one before was answered."""
    answer = ""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(gateway))
        for request in requests:
            client.sendall(request.encode())
            answer = client.recv(1 << 16).decode()
        while block := client.recv(1 << 16):
            answer += block.decode()
    return answer


def ports_of(process: int) -> list[int]:
    """The TCP ports on which the network namespace of a process listens (state 0A of proc(5)'s net/tcp)."""
    lines = Path("/proc", str(process), "net", "tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"]


def is_gone(process: int, seconds: float = 30) -> bool:
    """Whether a process that is no child of this one ends in time."""
    for _ in range(int(seconds * 10)):
        if not Path("/proc", str(process), "cmdline").exists():
            return True
        time.sleep(0.1)
    return False


def as_nobody(*arguments: object) -> str:
    """What another user of this machine gets who looks for a socket or connects to a port."""
    return run_python(AS_NOBODY, *arguments).stdout.strip()


@needs_namespaces
@only_root
def test_another_user_reaches_neither_the_port_nor_the_socket(server):
    _, child, directory, exposed = server
    assert exposed == ""
    (port,) = ports_of(child)
    assert as_nobody("tcp", port) == "ConnectionRefusedError"
    assert (directory / "sail").is_socket()
    assert as_nobody("unix", directory / "sail") == "PermissionError"


@needs_namespaces
def test_the_server_listens_in_a_network_of_its_own(server):
    _, child, _, _ = server
    assert Path(f"/proc/{child}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    assert len(ports_of(child)) == 1


@needs_namespaces
@only_root
def test_a_user_without_privileges_gets_one_too():
    code = """
import ctypes, os
from umg_assets.resources.sail_server import _why_no_namespace
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: a process that was root may not write to its own /proc
print(repr(_why_no_namespace()))
"""
    assert run_python(code).stdout == "''\n"


@needs_namespaces
def test_where_the_kernel_refuses_a_namespace_doctor_says_who_can_reach_the_engine(tmp_path: Path):
    lake = Lake(tmp_path / "home")
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    command = 'echo 0 > /proc/sys/user/max_net_namespaces; exec "$0" -m umg_assets doctor'
    done = subprocess.run(
        [*REFUSING_NAMESPACES, command, sys.executable],
        env={**own_environment(), "UMG_HOME": str(lake.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    output = " ".join(done.stdout.split())
    why = "unshare: No space left on device"
    assert f"while a run lives, other users of this machine can read and write what it can ({why})" in output, done
    assert "engine sail starts" in output


def test_the_server_ends_with_a_process_that_is_killed_and_takes_its_temporary_files_along(server, home: Path):
    process, child, directory, _ = server
    assert directory.parents[2] == home / "staging"
    environment = Path("/proc", str(child), "environ").read_bytes().split(b"\0")
    assert f"TMPDIR={directory}".encode() in environment
    process.kill()
    assert is_gone(child)
    assert not directory.exists()


def test_a_process_whose_server_was_killed_fails_at_once(tmp_path: Path):
    """pyspark itself would try again for ten minutes: an alarm would end the process before that."""
    code = f"""
import signal
os.kill(server.process.pid, signal.SIGKILL)
signal.alarm({PATIENCE // 6})
spark.range(4).count()
"""
    done = run_python(STARTED + code, tmp_path / "home")
    assert done.returncode == 1
    assert "UNAVAILABLE" in done.stderr, done.stderr


def test_a_session_outlasts_the_time_after_which_sail_ends_an_idle_one():
    code = """
import time
from umg_assets.resources.engine import session
spark = session("sail")
time.sleep(5)
print(spark.conf.get("spark.sql.session.timeZone"), spark.sql("select cast('x' as int)").first()[0])
"""
    done = run_python(code, env={"SAIL_SPARK__SESSION_TIMEOUT_SECS": "1"})
    assert done.stdout == "UTC None\n", done.stderr


def test_a_client_that_cannot_be_passed_on_is_alone_and_the_next_one_is_served(tmp_path: Path):
    path = str(tmp_path / "network")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=sail_server._forward, args=(listener, socket.AF_UNIX, path), daemon=True).start()
        with socket.create_connection(listener.getsockname(), 20) as client:
            assert client.recv(1) == b"", "nobody listens at the path yet"
        with socket.socket(socket.AF_UNIX) as beyond:
            beyond.bind(path)
            beyond.listen()
            with socket.create_connection(listener.getsockname(), 20) as client:
                client.sendall(b"x")
                assert beyond.accept()[0].recv(1) == b"x"


WITHOUT_DESCRIPTORS = """
import resource, socket
from threading import Timer
from umg_assets.resources.sockets import accepted

listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
before = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, before[1]))
try:
    listener.accept()
except OSError as error:
    print(error.strerror)
Timer(0.5, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, before)).start()
print(accepted(listener).getpeername() == client.getsockname())
"""


def test_a_client_waits_while_there_are_no_file_descriptors():
    assert printed_by(WITHOUT_DESCRIPTORS).splitlines() == ["Too many open files", "True"]
