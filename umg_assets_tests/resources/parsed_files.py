"""A landing file written, parsed and read back, for the tests of parsing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from umg_assets.resources.parsing import Layout, Parsed, parse_file


@dataclass(frozen=True)
class Outcome:
    """What parse_file said, and the rows of the staged file as dicts and its schema (None where there is none)."""

    parsed: Parsed
    rows: list[dict[str, Any]] | None
    schema: pa.Schema | None

    @property
    def refused(self) -> str | None:
        return self.parsed.refused

    @property
    def rejects(self) -> list[tuple[int, str, str]]:
        return [(r["record"], r["reason"], r["text"]) for r in self.parsed.rejects.to_pylist()]

    @property
    def values(self) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.rows or []]


def parse(folder: Path, name: str, content: bytes, layout: Layout) -> Outcome:
    """Write the content, parse it, hold the accounting that is true of every file, and read the staged file back."""
    path, staged = folder / name, folder / "staging" / "staged.parquet"
    staged.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    parsed = parse_file(path, layout, staged)
    table = pq.read_table(staged) if staged.exists() else None
    rows = None if table is None else table.to_pylist()
    outcome = Outcome(parsed, rows, None if table is None else table.schema)
    numbers = sorted([r["_record"] for r in rows or []] + [record for record, _, _ in outcome.rejects])
    assert parsed.records == parsed.rows + parsed.rejects.num_rows
    assert len(rows or []) == parsed.rows
    assert (rows is None) == (parsed.refused is not None)
    assert numbers == ([0] if parsed.refused else list(range(1, parsed.records + 1)))
    assert {path.name for path in staged.parent.iterdir()} <= {staged.name}
    staged.unlink(missing_ok=True)
    return outcome
