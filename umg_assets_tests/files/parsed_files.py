"""For the tests of parsing: a landing file written, parsed and read back, and tests over drawn contents."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy

from umg_assets.files.layout import Layout
from umg_assets.files.parse import Parsed, parse_file


@dataclass(frozen=True)
class Outcome:
    """The result of parse_file, and the staged file's rows as dicts and its schema (None if there is no such file)."""

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
    """Write the content, parse it, check the accounting that holds for every file, and read the staged file back."""
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


def for_drawn(*strategies: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """Makes a check of drawn contents a test: over 60 examples, and over 300 where exhaustive tests run."""

    def decorate(check: Callable[..., None]) -> Callable[[int], None]:
        @pytest.mark.parametrize("examples", [60, pytest.param(300, marks=pytest.mark.exhaustive)])
        def test(examples: int) -> None:
            settings(max_examples=examples, deadline=None)(given(*strategies)(check))()

        # not functools.wraps: pytest would take the check's parameters for fixtures
        test.__name__, test.__qualname__, test.__doc__ = check.__name__, check.__qualname__, check.__doc__
        return test

    return decorate
