"""Records that did not land because they are of people who have been forgotten: their numbers in files of landing/.

The id of such a record may be one that an expression makes, which no search for its bytes finds.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from umg_assets.landing.chunk import SUPPRESSED, query
from umg_assets.landing.scan import LandingFile
from umg_assets.landing.staging import stage
from umg_assets.planning.entry import Entry
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.settings.model import Settings
from umg_assets.settings.sources import Source
from umg_assets.tables import Kind

_FILES = 20
"""Typed at a time."""


def suppressed_numbers(
    settings: Settings,
    lakehouse: Lakehouse,
    claims: Mapping[str, Mapping[Kind, Source]],
    entries: Iterable[Entry],
) -> dict[tuple[Kind, str], set[int]]:
    """By kind and path, the numbers of such records among those whose expressions give a user_id.

    claims: by path, the sources that take it; entries: the ledger's, of files as they lie there. Each is read again.
    """
    files = [_file(settings, claims[entry.path], entry) for entry in entries if entry.suppressed]
    numbers: dict[tuple[Kind, str], set[int]] = {}
    for first in range(0, len(files), _FILES):
        some = files[first : first + _FILES]
        folder = lakehouse.staging()
        try:
            for kind, path, number in _typed(some, folder, settings, lakehouse):
                numbers.setdefault((kind, path), set()).add(number)
        finally:
            lakehouse.discard(folder)
    return numbers


def _file(settings: Settings, sources: Mapping[Kind, Source], entry: Entry) -> LandingFile:
    kind: Kind = entry.source  # type: ignore[assignment]
    return LandingFile(
        kind,
        sources[kind],
        entry.path,
        settings.landing / entry.path,
        entry.delivery_date,
        entry.signature,
        entry.content_hash,
        entry.definition_hash,
        entry.generation,
    )


def _typed(
    files: Sequence[LandingFile], folder: Path, settings: Settings, lakehouse: Lakehouse
) -> Iterable[tuple[Kind, str, int]]:
    for kind, typed in stage(files, folder, settings, lakehouse).typed.items():
        rows = query(
            folder,
            "select _file, record from read_parquet(?) where reason = ?",
            [f"{typed}/**/*.parquet", SUPPRESSED],
        )
        for number, record in rows:
            yield kind, files[number].path, record
