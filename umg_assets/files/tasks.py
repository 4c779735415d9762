"""A landing file as a task for this process or an executor: its rows and rejects go to files, and counts return.

Whoever does a task needs this package's code, what it imports, and the folders of the file and of what is staged.
"""

import pickle
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from umg_assets.files.layout import Layout
from umg_assets.files.limits import Limits
from umg_assets.files.parse import Parsed, parse_file
from umg_assets.files.rejects import REJECTS, rejects_table


@dataclass(frozen=True)
class FileTask:
    """A file to parse, how, and the folder in which its rows and rejects are staged."""

    path: Path
    layout: Layout
    limits: Limits
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What came of a task: as Parsed, with the rejects in a Parquet file of schema REJECTS (None: there are none).

    staged: the file of its rows, unless it was refused. error: what parsing raised, if anything, and where; nothing of
    the other fields holds then.
    """

    staged: Path
    records: int = 0
    rows: int = 0
    rejects: Path | None = None
    refused: str | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    error: Exception | None = None
    where: str = ""

    def parsed(self) -> Parsed:
        """The result of parsing, its rejects read. Raises OSError if they cannot be."""
        rejects = rejects_table([]) if self.rejects is None else pq.read_table(self.rejects, schema=REJECTS)
        return Parsed(self.records, self.rows, rejects, self.refused, self.reasons)


def parse_task(task: FileTask) -> Outcome:
    """Parses a file. Raises nothing: an error is part of the outcome.

    Each call writes to files of its own: a task that runs twice, or is killed, leaves nothing that another one reads.
    """
    staged = task.folder / f"{uuid.uuid4().hex}.parquet"
    try:
        parsed = parse_file(task.path, task.layout, staged, limits=task.limits)
        rejects = staged.with_suffix(".rejects") if parsed.rejects.num_rows else None
        if rejects:
            pq.write_table(parsed.rejects, rejects)
    except Exception as error:
        # the place, not the message, which may hold what the file holds
        where = "".join(traceback.format_tb(error.__traceback__))
        return Outcome(staged, error=_portable(error), where=where)
    return Outcome(staged, parsed.records, parsed.rows, rejects, parsed.refused, dict(parsed.reasons))


def _portable(error: Exception) -> Exception:
    """The error if it says the same in another process, else one that says its kind and words."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = None
    if type(copy) is type(error) and str(copy) == str(error):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")
