"""Shared fixtures: this process's engine, and lakehouses in directories of their own.

A pytest process runs one engine, that of UMG_ENGINE (sail unless set). Stories on lakes run on Sail. Spark's process
runs the tests that use `spark` or `engine` themselves and are not marked `sail_enough`, and those marked
`both_engines` or `spark_only`.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from umg_assets.generator import World, generate
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import FOR_FEW_ROWS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ENGINE = os.environ.setdefault("UMG_ENGINE", "sail")
os.environ["UMG_PLOTS"] = "false"  # a fifth of the time of a small lake
# Spark spends its time on tiny data in the JIT: the light compiler halves it. Real work needs the full one.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
_OF_AN_ENGINE = {"engine", "spark"}
_ENGINES = {"sail_enough", "both_engines", "spark_only"}

NewLake = Callable[..., Lake]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects the tests that belong to the other engine's process; files with exhaustive tests come first.

    They take longest, and a file stays on one pytest-xdist worker: begun last, they would run alone.
    """
    long = {item.path for item in items if item.get_closest_marker("exhaustive")}
    kept = sorted((item for item in items if _belongs_here(item)), key=lambda item: item.path not in long)
    config.hook.pytest_deselected(items=[item for item in items if not _belongs_here(item)])
    items[:] = kept


def _belongs_here(item: pytest.Item) -> bool:
    """By the nearest mark of _ENGINES: a test's own before its module's."""
    chosen = next((mark.name for mark in item.iter_markers() if mark.name in _ENGINES), "")
    if ENGINE == "sail":
        return chosen != "spark_only"
    if chosen:
        return chosen != "sail_enough"
    return bool(_OF_AN_ENGINE & set(getattr(item, "fixturenames", ())))


@pytest.fixture(scope="session", autouse=True)
def _tuned_for_few_rows() -> None:
    """Spark's session, configured for few rows before any test uses it."""
    if ENGINE == "spark":
        from umg_assets.resources.engine import session

        for name, value in FOR_FEW_ROWS.items():
            session(ENGINE).conf.set(name, value)


@pytest.fixture(scope="session")
def engine() -> str:
    """The engine of this process: sail or spark."""
    return ENGINE


@pytest.fixture(scope="session")
def spark(engine: str):
    """The session of this process's engine."""
    from umg_assets.resources.engine import session

    return session(engine)


@contextmanager
def as_users_run_it() -> Iterator[None]:
    """The engine without the configuration for few rows."""
    from umg_assets.resources.engine import session

    changed = FOR_FEW_ROWS if ENGINE == "spark" else {}
    for name in changed:
        session(ENGINE).conf.unset(name)
    yield
    for name, value in changed.items():
        session(ENGINE).conf.set(name, value)


@pytest.fixture(scope="session")
def new_lake(tmp_path_factory: pytest.TempPathFactory) -> NewLake:
    """Creates an empty lakehouse on this process's engine, for fixtures of any scope.

    `new_lake(name, **configuration)`: the configuration goes to `Lake.configure`.
    """

    def create(name: str = "lake", **configuration: str) -> Lake:
        lake = Lake(tmp_path_factory.mktemp(name) / "home")
        lake.configure(**configuration)
        return lake

    return create


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lakehouse of this test alone, with a landing/ to drop files into."""
    return Lake(tmp_path / "home")


@pytest.fixture
def sail_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """As `lake`, on Sail in any process."""
    monkeypatch.setenv("UMG_ENGINE", "sail")
    return Lake(tmp_path / "home")


WORLD = World(plays=4_000, days=45, last_day=date(2025, 11, 20), seed=11, dirty=0.02)
"""Small, with every era and fault, plays over 40 days late and the 25-hour day of October among them."""


@pytest.fixture(scope="session")
def generated_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """WORLD, run once by the built-in sources on this process's engine; its truth lies in home/truth. Only read it.

    pytest-xdist's workers share it: the first one to ask builds it.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    home = shared / "generated" / "home"
    with (shared / "generated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / "built").exists():
            return Lake.opened(home, on_disk=True)
        lake = Lake(home, on_disk=True)
        lake.configure(f"markets = {list(WORLD.markets)}", sources="", first_day=WORLD.first_day.isoformat())
        generate(WORLD, lake.settings.landing, lake.home / "truth")
        with as_users_run_it():
            lake.run()
        (home / "built").touch()
        return lake


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A Chromium. While it is open, asyncio in this thread cannot be used: it ends with the module."""
    from umg_assets_tests.browser import browsing

    with browsing() as browser:
        yield browser
