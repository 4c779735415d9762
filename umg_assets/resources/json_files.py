"""Small JSON files that others read while they are written."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; an empty one where the file is not there or not whole (a set being written, or removed)."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(file: Path, content: Mapping[str, Any], durable: bool = False) -> None:
    """Writes a JSON object as write_text does."""
    write_text(file, json.dumps(content, indent=1) + "\n", durable)


def write_text(file: Path, text: str, durable: bool = False) -> None:
    """Writes a file as a whole: who reads meanwhile sees the old one or the new one. durable: when this returns, it is
    on the disk."""
    draft = file.with_name(f".{file.name}")
    draft.write_text(text, encoding="utf-8")
    if durable:
        to_disk(draft)
    draft.replace(file)
    if durable:
        to_disk(file.parent)


def to_disk(path: Path) -> None:
    """Waits until a file's content, or what a directory lists, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
