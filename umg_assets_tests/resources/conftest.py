"""What tests of resources share: an empty lakehouse, its tables created once and copied for each test."""

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from umg_assets.resources.lakehouse import Lakehouse


def no_engine() -> SparkSession:
    """An engine that must not start."""
    raise AssertionError("this needs no engine")


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with every table, empty. Only copy it."""
    home = tmp_path_factory.mktemp("empty") / "home"
    Lakehouse(home, no_engine).create_tables()
    return home


@pytest.fixture
def home(tmp_path: Path, empty_home: Path) -> Path:
    """A home of the test's own with every table, empty."""
    return shutil.copytree(empty_home, tmp_path / "home")


@pytest.fixture
def lakehouse(home: Path, spark: SparkSession) -> Lakehouse:
    """An empty lakehouse of the test's own on this process's engine."""
    return Lakehouse(home, lambda: spark)
