"""The clock that the soak sets: by a file, for processes that others start."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from umg_assets import clock


def test_a_file_shifts_what_time_it_is_and_what_time_files_have_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shift = tmp_path / "shift"
    shift.write_text(str(timedelta(days=-90).total_seconds()))
    monkeypatch.setenv(clock.SHIFT_FILE, str(shift))
    changed_at, before = shift.stat().st_ctime, datetime.now(UTC) - timedelta(days=90)
    assert timedelta(0) <= clock.now() - before < timedelta(minutes=10)
    assert clock.instant_of(changed_at) == datetime.fromtimestamp(changed_at, UTC) - timedelta(days=90)
    assert 0 <= clock.seconds_since(changed_at) < 600, "a file is as old as it was"
    shift.write_text("0")
    assert abs(clock.now().timestamp() - time.time()) < 600, "it is read each time"
