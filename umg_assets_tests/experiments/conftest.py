"""What tests of experiments share: the day on which they run."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest


@pytest.fixture(scope="module")
def today() -> Iterator[date]:
    """1 April 2026, which it is until the module's tests are done: charts end on that day, and March is settled."""
    with pytest.MonkeyPatch.context() as patch:
        noon = datetime(2026, 4, 1, 12, tzinfo=UTC)
        # a file's change time cannot be set: by an earlier clock it would lie in the future, and the file would wait
        patch.setattr("umg_assets.clock.seconds_since", lambda noted: time.time() - noted)
        patch.setattr("umg_assets.clock.now", lambda: noon)
        yield noon.date()
