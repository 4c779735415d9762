"""Each set of exports in a bucket, too: its files first, then one small object that names it.

A reader takes current.json, and of the set that it names what it needs: a whole set, whatever is written meanwhile.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from umg_assets.object_store import ObjectStore
from umg_assets.resources.interop import CATALOG
from umg_assets.resources.published import HEALTH

CURRENT_SET = "current.json"
_FOR_THIS_MACHINE = (CATALOG, HEALTH)
_SET = re.compile(r"(set-\d{8}T\d{6}\.\d{6}-[0-9a-f]{6})/")
_AT_ONCE = 8


def publish(address: str, folder: Path, manifest: Mapping[str, Any]) -> None:
    """Writes a set to a bucket, then current.json: the set's name, complete_through, published_at, and its files with
    their bytes and SHA-256. The set before stays for readers that still use it; older ones go.

    folder: of the set; what only this machine's tools read is left out. Raises StoreError, and ConflictError when
    somebody else has published there meanwhile: then current.json names the set that it did.
    """
    store = ObjectStore(address)
    before = store.read(CURRENT_SET)
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
    files = {path: file for path, file in files.items() if path.partition("/")[0] not in _FOR_THIS_MACHINE}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(store.write, [f"{folder.name}/{path}" for path in files], files.values()))
    content = {
        "set": folder.name,
        "complete_through": manifest["complete_through"],
        "published_at": manifest["published_at"],
        "files": {path: _described(file.read_bytes()) for path, file in files.items()},
    }
    store.write(CURRENT_SET, (json.dumps(content, indent=1) + "\n").encode(), replaces=before[1] if before else "")
    last = json.loads(before[0]).get("set") if before else None
    named = [(found.key, match[1]) for found in store.listing() if (match := _SET.match(found.key))]
    # a newer one is somebody else's, who may have named it since
    store.remove([key for key, name in named if name < folder.name and name != last])


def _described(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
