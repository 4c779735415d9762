"""What a write has committed to a table: files, bytes, and rows by partition."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from umg_assets.tables import Table


class CommitNotFoundError(RuntimeError):
    """A write's commit is not in the table's log, so its rows cannot be counted; the message says what to do."""


@dataclass(frozen=True)
class Commit:
    """What one or several commits wrote: the last Delta version, files, bytes, and rows by partition values.

    seconds: time to compute and write the rows; the engine does both at once.
    """

    version: int
    files: int = 0
    bytes: int = 0
    rows: dict[tuple[str, ...], int] = field(default_factory=dict)
    seconds: float = 0

    @property
    def metadata(self) -> dict[str, str]:
        """What Dagster shows, as text: numbers of a whole run at each of its partitions would be plotted as a line."""
        files = f"{self.files} files, {self.bytes:,} bytes, in {self.seconds:.2f} s"
        return {"written": f"Delta version {self.version}: {files}"}

    def __add__(self, other: "Commit") -> "Commit":
        rows = {**self.rows}
        for values, count in other.rows.items():
            rows[values] = rows.get(values, 0) + count
        return Commit(
            other.version,
            self.files + other.files,
            self.bytes + other.bytes,
            rows,
            self.seconds + other.seconds,
        )


def commit_to(table: Table, version: int, added: Iterable[dict[str, Any]]) -> Commit:
    """The commit of a version that added files, from the actions in the table's log."""
    commit = Commit(version)
    for file in added:
        values = tuple(str(file["partitionValues"].get(name)) for name in table.partitioned_by)
        records = json.loads(file.get("stats") or "{}").get("numRecords", 0)
        commit += Commit(version, 1, file["size"], {values: records})
    return commit
