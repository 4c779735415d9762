"""The lakehouse of a music-streaming company: Dagster assets over Delta tables, on Sail or Apache Spark."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from umg_assets.notebook import OpenLake


def open_lake(home: Path | str | None = None, personal: bool = False) -> "OpenLake":
    """Opens a lakehouse to read: its tables as lazy frames, its charts as tables. Starts neither an engine nor Dagster.

    home: its UMG_HOME; default: of the environment, else ./umg_home. personal: also the raw tables, the quarantine and
    the ledger. Tables are read at their newest versions: what is written later is seen by who opens the lake again.
    Raises TableMissingError where no table is there yet.
    """
    from umg_assets.notebook import OpenLake  # it brings DuckDB, which `import umg_assets` must not

    return OpenLake(home, personal)
