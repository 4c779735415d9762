"""Which umg this is, so that a file over which another one failed is tried again."""

import functools
import hashlib
import importlib.metadata
import re
from pathlib import Path

import umg_assets


@functools.cache
def version_of_code() -> str:
    """A hash of this package's code and of the versions of what it needs: 12 hexadecimal digits."""
    needed = [re.match(r"[\w.-]+", line) for line in importlib.metadata.requires("umg-assets") or ()]
    names = [found[0] for found in needed if found]
    code = hashlib.sha256(repr([_version_of(name) for name in names]).encode())
    for file in sorted(Path(umg_assets.__file__).parent.rglob("*.py")):
        code.update(file.read_bytes())
    return code.hexdigest()[:12]


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # only needed for some platform, or for development
        return None
