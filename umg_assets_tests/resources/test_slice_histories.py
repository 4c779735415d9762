"""Random slices, written and rewritten by both engines in turn: the table always holds what was written last."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umg_assets.resources.engine import session
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets_tests.processes import need_java, own_environment
from umg_assets_tests.resources.test_lakehouse import stored_sums, write_sums

WRITER = """
import json, sys
from datetime import date
from pathlib import Path
from umg_assets.resources.engine import session
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets_tests.processes import FOR_FEW_ROWS
from umg_assets_tests.resources.test_slice_histories import write
for name, value in FOR_FEW_ROWS.items():
    session("spark").conf.set(name, value)
print("ready", flush=True)
for line in sys.stdin:
    home, days, lines = json.loads(line)
    print(write(Lakehouse(Path(home), lambda: session("spark")), days, lines), flush=True)
"""
DAYS = [(date(2026, 2, 27) + timedelta(days=offset)).isoformat() for offset in range(5)]


def write(lakehouse: Lakehouse, days: list[str], lines: list[tuple[str, str, int]]) -> str:
    """Replaces days (ISO) by lines of day, track, plays. Returns `done`, or why the write was refused."""
    try:
        cells = [(date.fromisoformat(day), track, plays) for day, track, plays in lines]
        write_sums(lakehouse, [date.fromisoformat(day) for day in days], *cells)
    except Exception as error:
        message = str(error)
        known = {"outside": "outside the slice", "twice": "expected each key once, got it twice"}
        return next((short for short, text in known.items() if text in message), repr(error).replace("\n", " "))
    return "done"


@pytest.fixture(scope="module")
def spark_writer() -> Iterator[subprocess.Popen[str]]:
    """A process with Apache Spark that makes the write of each line that it reads."""
    need_java()
    root, pipe, env = Path(__file__).parents[2], subprocess.PIPE, own_environment()
    command = [sys.executable, "-c", WRITER]
    with subprocess.Popen(command, text=True, cwd=root, env=env, stdin=pipe, stdout=pipe) as process:
        assert process.stdout
        assert "ready\n" in iter(process.stdout.readline, "")
        yield process
        process.terminate()


days = st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True)
lines = st.lists(st.tuples(st.sampled_from(DAYS), st.sampled_from("ab"), st.integers(1, 9)), max_size=4)
writes = st.lists(st.tuples(st.booleans(), days, lines, st.booleans()), min_size=3, max_size=6)


@pytest.mark.exhaustive
@settings(max_examples=25, deadline=None, derandomize=True)
@given(history=writes)
def test_slices_of_many_histories_written_by_both_engines_hold_the_last_write_of_each_day(
    spark_writer: subprocess.Popen[str], empty_home: Path, history: list
):
    """After each write of a history, the table holds the last write of each day that was not refused."""
    assert spark_writer.stdin
    assert spark_writer.stdout
    with TemporaryDirectory() as home:
        shutil.copytree(empty_home, home, dirs_exist_ok=True)
        lakehouse = Lakehouse(Path(home), lambda: session("sail"))
        expected: dict[str, list[tuple]] = {}
        for by_spark, replaced, rows, stray in history:
            inside = rows if stray else [row for row in rows if row[0] in replaced]
            if by_spark:
                spark_writer.stdin.write(json.dumps([home, replaced, inside]) + "\n")
                spark_writer.stdin.flush()
                result = spark_writer.stdout.readline().strip()
            else:
                result = write(lakehouse, replaced, inside)
            refused = {"outside"} if any(row[0] not in replaced for row in inside) else set()
            refused |= {"twice"} if len({row[:2] for row in inside}) < len(inside) else set()
            assert result in (refused or {"done"})
            if not refused:
                expected.update({day: [row for row in inside if row[0] == day] for day in replaced})
            left = [(date.fromisoformat(day), track, plays) for rows in expected.values() for day, track, plays in rows]
            assert stored_sums(lakehouse) == sorted(left, key=repr)
