"""The log of forgetting under way: what has been done, so that whoever goes on after a crash does the rest once.

Each line is on disk before what it says is done. It names files and numbers of records; user ids are sealed.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from umg_assets.planning.entry import Entry, entry_of, iso
from umg_assets.resources.forgetting_lock import work_file
from umg_assets.tables import Kind


@dataclass(frozen=True)
class Rewritten:
    """A file of landing/ without the records of some people: its content before and after, and, by kind, the numbers
    of the records that are gone. after: empty for a file that is removed whole. rejected, beyond: as `Erased` has them,
    by kind."""

    path: str
    before: str
    after: str
    erased: dict[Kind, list[int]] = field(default_factory=dict)
    rejected: dict[Kind, dict[str, int]] = field(default_factory=dict)
    beyond: dict[Kind, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Deliveries whose rows are written next. entries: their new ledger entries. erased: for each of these the numbers
    of its records that are gone. versions: by table, the Delta version before the write. stays: for each whether its
    file still holds these records, so that the others keep their numbers."""

    entries: list[Entry]
    erased: list[list[int]]
    versions: dict[str, int]
    stays: list[bool] = field(default_factory=list)


@dataclass
class Progress:
    """What a log says. begun: who is forgotten (sealed), for which requests, since when; None for an empty log."""

    begun: dict[str, Any] | None = None
    rewritten: list[Rewritten] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    landed: int = 0

    @property
    def unfinished(self) -> Batch | None:
        """The batch that may not be written whole."""
        return self.batches[-1] if len(self.batches) > self.landed else None

    def to_account(self) -> Iterator[tuple[Kind, Rewritten]]:
        """The kinds and files whose records are gone, and that no batch accounts for yet."""
        accounted = {
            (entry.source, entry.path, entry.content_hash) for batch in self.batches for entry in batch.entries
        }
        for file in self.rewritten:
            for kind in file.erased:
                if (kind, file.path, file.after) not in accounted:
                    yield kind, file

    @property
    def days(self) -> set[date]:
        """The local days from which something is gone."""
        return {day for batch in self.batches for entry in batch.entries for day in entry.play_dates}


class Work:
    """The log at `home`/forgotten/work."""

    def __init__(self, home: Path) -> None:
        self._path = work_file(home)

    @property
    def exists(self) -> bool:
        """Whether forgetting is under way or was broken off."""
        return self._path.exists()

    def note(self, step: str, content: Mapping[str, Any] | None = None) -> None:
        """Appends a line, and returns when it is on disk."""
        line = json.dumps({step: content or {}}, default=iso) + "\n"
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def rewriting(self, file: Rewritten) -> None:
        """Notes that a file is going to be replaced."""
        self.note("rewritten", asdict(file))

    def writing(self, batch: Batch) -> None:
        """Notes a batch that is going to be written."""
        self.note("batch", {**asdict(batch), "entries": [asdict(entry) for entry in batch.entries]})

    def read(self) -> Progress:
        """What the log says; a last line that is cut off says nothing, because nothing was done after it."""
        progress = Progress()
        if not self.exists:
            return progress
        text = self._path.read_text()
        if torn := len(text) - text.rfind("\n") - 1:
            os.truncate(self._path, len(text.encode()) - len(text[-torn:].encode()))
        for line in text.split("\n")[:-1]:
            ((step, content),) = json.loads(line).items()
            match step:
                case "begun":
                    progress.begun = content
                case "rewritten":
                    progress.rewritten.append(Rewritten(**content))
                case "batch":
                    entries = [entry_of(entry) for entry in content["entries"]]
                    progress.batches.append(Batch(**{**content, "entries": entries}))
                case "landed":
                    progress.landed += 1
        return progress

    def finish(self) -> None:
        """Removes the log."""
        self._path.unlink(missing_ok=True)
