"""Published sets: what each holds, and which versions of the tables they name."""

import json
from pathlib import Path
from typing import Any

import deltalake
import deltalake.exceptions

CURRENT = "current"
MANIFEST = "manifest.json"
HEALTH = "health.json"


def current_set(home: Path) -> Path | None:
    """The folder of the set that is published now; None before the first that names versions."""
    link = home / "exports" / CURRENT
    folder = link.resolve() if link.exists() else None
    return folder if folder and "versions" in read_json(folder / MANIFEST) else None


def published_versions(home: Path, table: str) -> list[int]:
    """The versions of a table that a set in exports/ names and that its log still knows."""
    manifests = [read_json(folder / MANIFEST) for folder in (home / "exports").glob("set-*")]
    versions = {manifest["versions"].get(table, -1) for manifest in manifests if "versions" in manifest}
    return sorted(version for version in versions if version >= 0 and _is_known(home / "tables" / table, version))


def _is_known(path: Path, version: int) -> bool:
    try:
        deltalake.DeltaTable(path, version=version)
    except deltalake.exceptions.DeltaError:
        return False
    return True


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; an empty one where the file is not there or not whole (a set being written, or removed)."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
