"""The servers of `umg dev` end with all that they have started."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from umg_assets.cli import serving
from umg_assets.cli.ports import PortError, check_path
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.daemon import awaited, free_port

_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(1000)"
_LEAVES = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_DEAF!r}])"


@pytest.mark.parametrize("server", [_LEAVES, _DEAF], ids=["leaves a process behind", "deaf"])
def test_a_server_ends_with_what_it_leaves_behind_even_if_it_does_not_listen(
    server: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(serving, "_TO_END", 1)
    started = subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE, process_group=0)
    assert started.stdout is not None
    assert started.stdout.readline()
    serving.end_all([started])
    assert started.returncode is not None
    assert _is_gone(started.pid)


def _is_gone(group: int) -> bool:
    """Whether no process of a group is left; waits for those that have been killed."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_code_that_ends_with_the_other_servers_is_not_said_to_have_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(serving, "_LOOK_SECONDS", 0.01)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stop, said = threading.Event(), list[str]()
    looking = threading.Thread(target=serving._keep_code, args=(tmp_path / "nobody.sock", stop, [ended]))
    looking.start()
    awaited(lambda: not looking.is_alive() or said.append(capsys.readouterr().out) or any(said))
    stop.set()
    assert "".join(said) == ""


def test_a_temporary_directory_too_long_for_a_socket_is_refused_and_the_message_says_how_long_it_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    longer = tmp_path / ("x" * 100)
    longer.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(longer))
    done = type_umg(tmp_path, "dev", "--port", str(free_port()), "--dashboard-port", str(free_port()))
    assert (done.code, str(longer) in done.err) == (1, True)
    at_most = int(done.err.split()[-2])
    check_path(Path(f"/{'x' * (at_most - 1)}", "umg-12345678", "code.sock"))
    with pytest.raises(PortError):
        check_path(Path(f"/{'x' * at_most}", "umg-12345678", "code.sock"))
