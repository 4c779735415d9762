"""Asset checks of the charts: ranks have no gaps, figures descend. A failure blocks the assets that read the chart."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from umg_assets import tables
from umg_assets.checks.verdicts import verdict, written_by
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.reading import query
from umg_assets.settings.groups import Charts
from umg_assets.settings.model import Settings
from umg_assets.tables import ARTIST_CRITERIA, CRITERIA, Table

RANKS = "ranks_have_no_gaps"
RANKED: dict[Table, tuple[tuple[str, ...], Mapping[Any, str]]] = {
    tables.TOP_TRACKS_BY_COUNTRY: (("month", "country", "criterion"), CRITERIA),
    tables.TOP_ARTISTS_BY_GENRE: (("chart_date", "market", "genre", "criterion"), ARTIST_CRITERIA),
    tables.AGE_GROUP_FAVOURITES: (("chart_date", "age_group"), {}),
}
"""By table: the columns that identify a chart, and each criterion's figure; without criteria, the figure is plays."""


def _ranks_check(table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=RANKS,
        asset=table.name,
        blocking=True,
        description="Ranks are 1 to n without gaps, at most as many as umg.toml says; figures are above 0 and descend, "
        "ties go by plays. Reads what the run has written.",
    )
    def ranks_have_no_gaps(
        context: dg.AssetCheckExecutionContext,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
    ) -> dg.AssetCheckResult:
        part, size = written_by(context.run, table), _size(table, settings.charts)
        rows = query(lakehouse.home, f"select count(*) as n from {table.name} where {part}", table).to_pylist()[0]["n"]
        broken = query(lakehouse.home, broken_ranks(table, part, size), table).to_pylist()
        return verdict(
            not broken,
            expected=f"ranks 1 to n, n at most {size}, figures above 0 that descend, ties by plays",
            seen=f"{len(broken)} of {rows} entries break it",
            todo=f"materialize these partitions of {table.name} again; if they stay red, what is downstream waits and "
            f"`umg reconcile` says which rows differ",
            samples=broken,
            severity=dg.AssetCheckSeverity.ERROR,
            rows=rows,
        )

    return ranks_have_no_gaps


def _size(table: Table, charts: Charts) -> int:
    sizes = {
        tables.TOP_TRACKS_BY_COUNTRY: charts.top_tracks,
        tables.TOP_ARTISTS_BY_GENRE: charts.top_artists,
        tables.AGE_GROUP_FAVOURITES: charts.favourites,
    }
    return sizes[table]


def broken_ranks(table: Table, part: str, size: int) -> str:
    """SQL for entries whose rank is not their place in the chart or exceeds `size`, or whose figure does not descend.

    part: SQL condition that selects the partitions. Columns of the result: those of the chart, rank, place, figure,
    figure_before, plays, plays_before.
    """
    chart, figures = RANKED[table]
    figure = " ".join(f"when '{name}' then {column}" for name, column in figures.items())
    within = f"over (partition by {', '.join(chart)} order by rank)"
    return f"""
        select {", ".join(chart)}, rank, place, figure, figure_before, plays, plays_before from (
            select *, row_number() {within} as place, lag(figure) {within} as figure_before,
                lag(plays) {within} as plays_before
            from (select *, {f"case criterion {figure} end" if figure else "plays"} as figure
                from {table.name} where {part}) as entries) as placed
        where (rank is distinct from place) or rank > {size} or figure is null or figure <= 0
            or figure > figure_before or (figure = figure_before and plays > plays_before)
        order by {", ".join(chart)}, rank
    """


RANK_CHECKS = [_ranks_check(table) for table in RANKED]
