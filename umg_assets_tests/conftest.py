"""What tests share: the engine of this process, and a lakehouse in a directory of its own.

The engine is UMG_ENGINE's (sail, unless set): one pytest process an engine. In Spark's process only tests that
use an engine run, by their fixtures: the others have run in Sail's.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from umg_assets.generator import World, generate
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import FOR_FEW_ROWS

ENGINE = os.environ.get("UMG_ENGINE", "sail")
# Spark's time on tiny data is its JIT's: the light compiler halves it. For real work the full one is right.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
_NEEDS_ENGINE = {"engine", "spark", "lake", "made_lake"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In Spark's process, leaves out what uses no engine, and what holds on any, however the rows were made."""
    if ENGINE == "spark":
        kept = [
            item
            for item in items
            if _NEEDS_ENGINE & set(getattr(item, "fixturenames", ())) and not item.get_closest_marker("sail_enough")
        ]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.fixture(scope="session")
def engine() -> str:
    """The engine of this process: sail or spark, which is told that there are few rows."""
    if ENGINE == "spark":
        from umg_assets.resources.engine import session

        for name, value in FOR_FEW_ROWS.items():
            session(ENGINE).conf.set(name, value)
    return ENGINE


@pytest.fixture(scope="session")
def spark(engine: str):
    """The session of this process's engine."""
    from umg_assets.resources.engine import session

    return session(engine)


@contextmanager
def _as_users_run_it(engine: str) -> Iterator[None]:
    """The engine without what tests tell it of their few rows."""
    from umg_assets.resources.engine import session

    told = FOR_FEW_ROWS if engine == "spark" else {}
    for name in told:
        session(engine).conf.unset(name)
    yield
    for name, value in told.items():
        session(engine).conf.set(name, value)


@pytest.fixture
def lake(tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """An empty lakehouse on this process's engine, with a landing/ to drop files into."""
    monkeypatch.setenv("UMG_ENGINE", engine)
    return Lake(tmp_path / "home")


@pytest.fixture
def sail_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """As `lake`, always on Sail: for what does not depend on the engine and takes many runs."""
    monkeypatch.setenv("UMG_ENGINE", "sail")
    return Lake(tmp_path / "home")


WORLD = World(plays=4_000, days=45, last_day=date(2025, 11, 20), seed=11, dirty=0.02)
"""Small, with every era and fault, plays over 40 days late and the 25-hour day of October among them."""


@pytest.fixture(scope="session")
def made_lake(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Lake:
    """WORLD, run once by the built-in sources on this process's engine; its truth lies in home/truth. Only read it."""
    os.environ["UMG_ENGINE"] = engine
    lake = Lake(tmp_path_factory.mktemp("made") / "home", on_disk=True)
    lake.configure(f"markets = {list(WORLD.markets)}", sources="", first_day=WORLD.first_day.isoformat())
    generate(WORLD, lake.settings.landing, lake.home / "truth")
    with _as_users_run_it(engine):
        lake.run()
    return lake
