"""The form of every check's result (expected, seen, what to do), and which part of a table a run's checks read."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from umg_assets.calendar import FIRST_KNOWN
from umg_assets.resources.instance import RANGE
from umg_assets.resources.reading import datafusion_literal
from umg_assets.tables import COMPOSED_IDS, Table
from umg_assets.text import told_id, visible, visible_in

SAMPLES = 20
_PARTITION = "dagster/partition"


def verdict(
    passed: bool,
    expected: str,
    seen: str,
    todo: str,
    samples: Sequence[Mapping[str, Any]] = (),
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
    asset: str | None = None,
    check: str | None = None,
    **figures: Any,
) -> dg.AssetCheckResult:
    """A check's result: `expected`, `seen`, further figures, at most 20 sample rows, and what to do when it is red.

    samples: rows that are wrong; none may hold a user_id. user_key and tables.COMPOSED_IDS are shown as hashes, because
    Dagster keeps results longer than people. asset, check: needed if the function has several checks.
    """
    metadata = visible_in({"expected": expected, "seen": seen, **figures})
    if samples:
        rows = [{name: _cell(name, value) for name, value in visible_in(row).items()} for row in samples[:SAMPLES]]
        metadata["samples"] = dg.MetadataValue.table([dg.TableRecord(row) for row in rows])
    return dg.AssetCheckResult(
        passed=passed,
        severity=severity,
        metadata=metadata,
        description=visible(seen if passed else f"{seen}: {todo}"),
        asset_key=asset,
        check_name=check,
    )


def _cell(name: str, value: Any) -> str | int | float | bool:
    if name in ("user_key", *COMPOSED_IDS) and value is not None:
        return told_id(value)
    return value if isinstance(value, str | int | float) else "" if value is None else str(value)


def whole_table_check(asset: str) -> Callable[[Callable[..., Iterator[dg.AssetCheckResult]]], dg.AssetChecksDefinition]:
    """Decorates a check that reads a whole table, named and described as its function: a generator of one result.

    It yields none where `builds_assets` says so: Dagster's UI adds every check of an asset to a run that builds it.
    """

    def decorate(check: Callable[..., Iterator[dg.AssetCheckResult]]) -> dg.AssetChecksDefinition:
        spec = dg.AssetCheckSpec(check.__name__, asset=asset, description=inspect.getdoc(check))
        return dg.multi_asset_check(name=check.__name__, specs=[spec], can_subset=True)(check)

    return decorate


def builds_assets(context: dg.AssetCheckExecutionContext) -> bool:
    """Whether the run builds assets, too, which brought their checks along.

    A check that reads whole tables leaves these alone: cost follows the change. Says so in the run's log.
    """
    if not context.job_def.asset_layer.selected_asset_keys:
        return False
    context.log.info(
        "Not run with the asset: a check of whole tables runs each day (schedule daily_checks), or by itself"
    )
    return True


def bounds_of(run: dg.DagsterRun) -> tuple[str, str] | None:
    """The first and last partition key of a run; None if it names none. Checks run once for a whole range."""
    first, last = (run.tags.get(tag) or run.tags.get(_PARTITION) for tag in RANGE)
    return (first, last) if first and last else None


def days_of(run: dg.DagsterRun) -> tuple[date, date]:
    """The first and last day (or month) of a run whose partitions are days or months; without partitions, all time."""
    first, last = bounds_of(run) or (FIRST_KNOWN.isoformat(), "9999-12-31")
    return date.fromisoformat(first), date.fromisoformat(last)


def written_by(run: dg.DagsterRun, table: Table) -> str:
    """The part of a table that a run has written, as an SQL condition over its partition columns; `true` for all."""
    bounds = bounds_of(run)
    if bounds is None:
        return "true"
    columns = sorted(table.partitioned_by)  # as Dagster orders the dimensions of a key
    conditions = []
    for column, *ends in zip(columns, *(key.split("|") for key in bounds), strict=True):
        dated = table.type_of(column) == "date"
        first, last = (datafusion_literal(date.fromisoformat(end) if dated else end) for end in sorted(ends))
        conditions.append(f"{column} between {first} and {last}")
    return " and ".join(conditions)
