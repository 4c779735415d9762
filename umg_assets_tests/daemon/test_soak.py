"""Two minutes of the soak: everything that happens to a lakehouse, and then the tables of a fresh build."""

import subprocess
import sys
from pathlib import Path

import pytest

from umg_assets_tests.daemon import environment
from umg_assets_tests.processes import PATIENCE

ROOT = Path(__file__).parents[2]


@pytest.mark.sail_enough
@pytest.mark.exhaustive
def test_two_minutes_of_everything_that_happens_end_in_the_tables_of_a_fresh_build(tmp_path: Path):
    """Longer ones find more: `make soak` takes 20, for which CI has no room. It runs beside the tests of the daemon."""
    command = [sys.executable, "-m", "soak", "--minutes", "2", "--seed", "11"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment(tmp_path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
    for happened in ("killed", "launched", "before midnight", "before a new month"):
        assert happened in done.stdout, happened
