"""UMG_HOME: the directory of one lakehouse. Imports nothing, so commands that only read start fast."""

import os
from pathlib import Path

FILE_NAME = "umg.toml"


def home_of(home: Path | None = None) -> Path:
    """UMG_HOME: `home` if not None, else from the environment, else ./umg_home; absolute."""
    return (home or Path(os.environ.get("UMG_HOME") or "umg_home")).absolute()
