"""`umg --version`: which umg this is, and what it runs on; for a report of a fault."""

import importlib.metadata
import platform

_SHOWN = ("dagster", "pysail", "pyspark", "delta-spark", "deltalake")


def versions() -> str:
    """A line: the version of umg, as installed, and in brackets those of Python, Dagster, the engines and Delta."""
    version = importlib.metadata.version
    others = [f"Python {platform.python_version()}", *(f"{package} {version(package)}" for package in _SHOWN)]
    return f"umg {version('umg-assets')} ({', '.join(others)})"
