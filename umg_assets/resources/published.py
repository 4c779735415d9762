"""Published sets: what each holds, and which versions of the tables they name."""

from datetime import date
from pathlib import Path

import deltalake
import deltalake.exceptions

from umg_assets.resources.json_files import read_json
from umg_assets.resources.locations import location_of
from umg_assets.resources.table_location import Location

CURRENT = "current"
MANIFEST = "manifest.json"
HEALTH = "health.json"


def complete_through(home: Path) -> date | None:
    """The last local day that the current set holds whole; None where nothing has been published."""
    day = read_json(home / "exports" / CURRENT / MANIFEST).get("complete_through")
    return date.fromisoformat(day) if day else None


def published_versions(home: Path, table: str) -> list[int]:
    """The versions of a table that a set in exports/ names and that its log still knows."""
    manifests = [read_json(folder / MANIFEST) for folder in (home / "exports").glob("set-*")]
    versions = {manifest["versions"].get(table, -1) for manifest in manifests if "versions" in manifest}
    return sorted(version for version in versions if version >= 0 and _is_known(location_of(home, table), version))


def current_version(home: Path, table: str) -> int:
    """The version of a table that the current set names; -1 where it names none, or the log does not know it any more.

    Where people were forgotten since, it does not.
    """
    version = read_json(home / "exports" / CURRENT / MANIFEST).get("versions", {}).get(table, -1)
    return version if version in published_versions(home, table) else -1


def _is_known(location: Location, version: int) -> bool:
    try:
        deltalake.DeltaTable(location.address, version=version)
    except deltalake.exceptions.DeltaError:
        return False
    return True
