"""Published sets: what each holds, and which versions of the tables they name."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import deltalake
import deltalake.exceptions

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
    return sorted(version for version in versions if version >= 0 and _is_known(home / "tables" / table, version))


def current_version(home: Path, table: str) -> int:
    """The version of a table that the current set names; -1 where it names none, or the log does not know it any more.

    Where people were forgotten since, it does not.
    """
    version = read_json(home / "exports" / CURRENT / MANIFEST).get("versions", {}).get(table, -1)
    return version if version in published_versions(home, table) else -1


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


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON object as write_text does."""
    write_text(file, json.dumps(content, indent=1) + "\n")


def write_text(file: Path, text: str) -> None:
    """Writes a file as a whole: who reads meanwhile sees the old one or the new one."""
    draft = file.with_name(f".{file.name}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)
