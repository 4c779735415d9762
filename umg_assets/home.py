"""UMG_HOME: where everything of one lakehouse lies."""

import os
from pathlib import Path

FILE_NAME = "umg.toml"


def home_of(given: Path | None = None) -> Path:
    """UMG_HOME: as given, else of the environment, else ./umg_home."""
    return (given or Path(os.environ.get("UMG_HOME") or "umg_home")).absolute()
