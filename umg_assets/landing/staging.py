"""Files on their way into the raw tables: parsed to Parquet, typed by the engine, bad records set aside."""

import logging
import traceback
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from umg_assets import tables
from umg_assets.files.limits import REJECTS_KEPT, Limits
from umg_assets.files.parse import NOT_THE_FORMAT, Parsed, refused_whole
from umg_assets.files.rejects import refusal_text, rejects_table
from umg_assets.files.tasks import FileTask, parse_task
from umg_assets.landing.chunk import Chunk, StagedFile
from umg_assets.landing.evaluation import REJECTS, ColumnTypesError, Typing
from umg_assets.landing.faults import DIED, beginning_of, concerns_all, engine_answers, refused, said_by, tried_by
from umg_assets.landing.scan import LandingFile
from umg_assets.privacy.names import is_distinct
from umg_assets.privacy.tombstones import FORGOTTEN_TEXT, Tombstones
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.settings.model import Settings
from umg_assets.tables import Kind
from umg_assets.text import visible

_ARROW = {"string": pa.string(), "bigint": pa.int64(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC")}
_log = logging.getLogger(__name__)


def stage(
    files: Sequence[LandingFile],
    folder: Path,
    settings: Settings,
    lakehouse: Lakehouse,
    not_to_read: Mapping[int, str] = MappingProxyType({}),
) -> Chunk:
    """Parses and types files into `folder`. A file over which this fails is refused as an internal error.

    not_to_read: by their position among `files`, why some are refused without being read. Raises SettingsError when a
    source's expressions do not fit its files, and what would stop any other file: see `concerns_all`.
    """
    staged = _parse(files, folder, settings.limits.in_bytes, lakehouse, not_to_read)
    tombstones = Tombstones(settings.home)
    rejects: list[pa.Table] = []
    reasons: dict[int, Counter[str]] = {}
    typed: dict[Kind, Path] = {}
    for kind in tables.KINDS:
        parsed_files = [member for member in staged if member.file.kind == kind and member.parsed.refused is None]
        groups, position = deque(_by_schema(parsed_files)), 0
        while groups:
            group, position = groups.popleft(), position + 1
            rows, target = folder / "gathered" / f"{kind}-{position}", folder / "typed" / kind
            try:
                typing = Typing(settings, lakehouse, kind, group, _linked(group, rows), target, tombstones)
                rejects.append(typing.run())
                reasons |= typing.reasons
                typed[kind] = target
            except ColumnTypesError as error:
                for member in group:
                    staged[member.number] = replace(member, parsed=_refused_for(error, member))
            except Exception as error:
                if concerns_all(error) or not engine_answers(lakehouse):
                    raise
                _discard_typed(group, target, lakehouse)
                if len(group) == 1:
                    staged[group[0].number] = _failed(group[0], error)
                else:
                    groups.extend((group[: len(group) // 2], group[len(group) // 2 :]))
    for kind, path in typed.items():
        if not any(path.glob("*/*.parquet")):  # without rows, Sail writes no file
            (path / "none").mkdir(parents=True)
            pq.write_table(_typed_schema(kind).empty_table(), path / "none" / "empty.parquet")
    found = pa.concat_tables([*map(_parsing_rejects, staged), *rejects])
    left, suppressed = _without_forgotten(found, tombstones)
    dropped, kept = _by_reason(found), _by_reason(left)
    for member in staged:
        total = reasons.get(member.number, Counter()) + Counter(member.parsed.reasons)
        reasons[member.number] = total - (dropped[member.number] - kept[member.number])
    return Chunk(tuple(staged), typed, _first_of_each(left), reasons, suppressed)


def _by_reason(rejects: pa.Table) -> dict[int, Counter[str]]:
    """By file, the number of rejects by reason."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for row in rejects.group_by(["file", "reason"]).aggregate([([], "count_all")]).to_pylist():
        counts[row["file"]][row["reason"]] = row["count_all"]
    return counts


def _first_of_each(rejects: pa.Table) -> pa.Table:
    """The first REJECTS_KEPT of each file."""
    if rejects.num_rows <= REJECTS_KEPT:
        return rejects
    rejects = rejects.sort_by([("file", "ascending"), ("record", "ascending")])
    files = rejects.column("file").to_numpy()
    place = np.arange(len(files)) - np.searchsorted(files, files)
    return rejects.filter(pa.array(place < REJECTS_KEPT))


def _without_forgotten(rejects: pa.Table, tombstones: Tombstones) -> tuple[pa.Table, list[tuple[int, str]]]:
    """The rejects whose text names nobody who has been forgotten; of the others, the file's number and an id.

    Without its text a reject stays if it is a file refused whole, or if only ids are named that may be other values.
    """
    if not tombstones:
        return rejects, []
    kept, suppressed = [], []
    rows = rejects.to_pylist()
    for row, named in zip(rows, tombstones.named_in([row["text"] or "" for row in rows]), strict=True):
        if not named:
            kept.append(row)
        elif row["record"] == 0 or not any(map(is_distinct, named)):
            kept.append({**row, "text": FORGOTTEN_TEXT})
        else:
            suppressed.append((row["file"], next(filter(is_distinct, named))))
    return pa.Table.from_pylist(kept, schema=REJECTS), suppressed


def _refused_for(error: ColumnTypesError, staged: StagedFile) -> Parsed:
    return refused_whole(NOT_THE_FORMAT, refusal_text(f"{error}.", beginning_of(staged.file.absolute)))


def _failed(staged: StagedFile, error: Exception, where: str = "") -> StagedFile:
    """A file over which reading or typing has failed: refused, and to be tried again by another version of umg.

    where: the places that the error came through, unless it has them itself. Its message may hold what the file holds.
    """
    where = where or "".join(traceback.format_tb(error.__traceback__))
    _log.error("%s: refused: internal error: %s at\n%s", visible(staged.file.path), type(error).__name__, where)
    return replace(staged, parsed=refused(staged.file.absolute, said_by(error)), tried_by=tried_by(error))


def _discard_typed(group: Sequence[StagedFile], folder: Path, lakehouse: Lakehouse) -> None:
    """Removes the typed rows that a group of files has left."""
    for member in group:
        for piece in folder.glob(f"{member.number}-*"):
            lakehouse.discard(piece)


def _parsing_rejects(staged: StagedFile) -> pa.Table:
    rejects = staged.parsed.rejects
    return pa.table([pa.array([staged.number] * rejects.num_rows, pa.int64()), *rejects.columns], schema=REJECTS)


def _typed_schema(kind: Kind) -> pa.Schema:
    """The columns of `type_records`."""
    values = [pa.field(name, _ARROW[type_]) for name, type_ in tables.SOURCE_COLUMNS[kind].items()]
    day = [pa.field(tables.OCCURRENCES[kind].date, pa.date32())] if kind in tables.OCCURRENCES else []
    place = [pa.field("_file", pa.int32()), pa.field("record", pa.int64())]
    return pa.schema([*place, *values, *day, pa.field("reason", pa.string())])


def _parse(
    files: Sequence[LandingFile],
    folder: Path,
    limits: Limits,
    lakehouse: Lakehouse,
    not_to_read: Mapping[int, str],
) -> list[StagedFile]:
    """Parses the files into `folder`, where the lakehouse does such work; those that are not to be read are refused."""
    staged: dict[int, StagedFile] = {}
    tasks: dict[int, FileTask] = {}
    for number, file in enumerate(files):
        try:
            tasks[number] = FileTask(file.absolute, file.source.layout(file.path), limits, folder)
        except Exception as error:
            staged[number] = _failed(_unread(number, file), error)
    for number, why in not_to_read.items():
        staged[number] = _not_read(_unread(number, files[number]), why)
    wanted = [number for number in tasks if number not in staged]
    outcomes = lakehouse.spread(parse_task, [tasks[number] for number in wanted])
    for number, outcome in zip(wanted, outcomes, strict=True):
        file = _unread(number, files[number])
        if outcome is None:
            staged[number] = _not_read(file, DIED)
        elif outcome.error is None:
            staged[number] = replace(file, parsed=outcome.parsed(), rows=outcome.staged)
        elif concerns_all(outcome.error, file.file.absolute):
            raise outcome.error
        else:
            staged[number] = _failed(file, outcome.error, outcome.where)
    return [staged[number] for number in range(len(files))]


def _unread(number: int, file: LandingFile) -> StagedFile:
    return StagedFile(number, file, Parsed(0, 0, rejects_table([]), None), Path())


def _not_read(staged: StagedFile, why: str) -> StagedFile:
    return replace(staged, parsed=refused(staged.file.absolute, why), tried_by=tried_by())


def _by_schema(staged: Sequence[StagedFile]) -> list[list[StagedFile]]:
    """Groups of files with the same source and staged schema: an engine reads each in one go."""
    groups: dict[tuple[str, str], list[StagedFile]] = {}
    for member in staged:
        schema = pq.read_schema(member.rows).to_string(show_schema_metadata=False)
        groups.setdefault((member.file.source.definition_hash, schema), []).append(member)
    return list(groups.values())


def _linked(staged: Sequence[StagedFile], folder: Path) -> Path:
    """Hard links to the files as partitions umg_file=NUMBER: by these, both engines know which file a row is from."""
    for member in staged:
        link = folder / f"umg_file={member.number}" / "rows.parquet"
        link.parent.mkdir(parents=True)
        link.hardlink_to(member.rows)
    return folder
