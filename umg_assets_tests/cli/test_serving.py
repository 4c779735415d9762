"""The servers of `umg dev` end with all that they have started."""

import os
import subprocess
import sys
import time

import pytest

from umg_assets.cli import serving

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
