"""`umg catalog`: how other tools find the tables."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umg_assets.cli.console import err, out
from umg_assets.settings.home import home_of, on_disk

if TYPE_CHECKING:
    from umg_assets.tables import Table


class CatalogFormat(StrEnum):
    """For which tools."""

    DUCKDB = "duckdb"
    SQL = "sql"
    JSON = "json"


def catalog(
    form: Annotated[
        CatalogFormat,
        typer.Option(
            "--format", help="A DuckDB file of views; statements for Spark and Databricks; a list with every column."
        ),
    ] = CatalogFormat.DUCKDB,
    target: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to write it; default: standard output, and for duckdb the file that is refreshed with exports.",
        ),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(metavar="URL", help="sql, json: where their reader finds the tables; default: UMG_HOME/tables."),
    ] = None,
    personal: Annotated[
        bool, typer.Option("--personal", help="Also the raw tables, the quarantine and the ledger.")
    ] = False,
) -> None:
    """Show other tools the tables: DuckDB by views, Spark and Databricks by statements, others by JSON."""
    from umg_assets import tables
    from umg_assets.resources import interop, published
    from umg_assets.resources.json_files import write_text

    home = home_of()
    versions = interop.versions_now(home, tables.ALL if personal else tables.CATALOGUED)
    if target:
        on_disk(target, "--out")
    if form is CatalogFormat.DUCKDB:
        if location:
            raise typer.BadParameter("--location is for sql and json: a view in DuckDB names files of this machine")
        if personal and not target:
            raise typer.BadParameter("expected --out FILE with --personal: the file of exports has no such table")
        _write_views(home, versions, target)
        return
    where = (location or interop.tables_address(home)).rstrip("/")
    if form is CatalogFormat.SQL:
        text = interop.statements(versions, where)
    else:
        content = interop.described(versions, published.complete_through(home), where)
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    if target:
        write_text(target, text)
    else:
        print(text, end="")


def _write_views(home: Path, versions: Mapping["Table", int], target: Path | None) -> None:
    """Writes a DuckDB file, or the published one anew, and prints its path. Exit code 1 where a table has no view."""
    from umg_assets.resources import interop

    if target:
        interop.refuse_to_replace(home, target)
        missing = interop.write_duckdb(home, versions, target)
    else:
        target = interop.published_file(home)
        missing = interop.refresh_catalog(home)
    out.print(str(target), soft_wrap=True)
    for name, why in missing.items():
        err.print(f"{name} has no view, because it cannot be read: {why}", soft_wrap=True)
    if missing:
        raise typer.Exit(1)
