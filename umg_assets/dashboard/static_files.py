"""The files that every page links to: style sheets and the icon."""

from pathlib import Path

from umg_assets.experiments.page import STYLE

TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".js": "text/javascript; charset=utf-8"}
"""By suffix, the media type."""
_FOLDER = Path(__file__).parent / "static"


def static_files() -> dict[str, bytes]:
    """By name, the content of each file: those of static/, and the style sheet of a readout."""
    files = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in TYPES}
    return {**files, "readout.css": STYLE.encode()}
