"""`umg reconcile`: recounts files and tables by code that the pipeline does not use, and prints what differs."""

from pathlib import Path

from umg_assets import tables
from umg_assets.cli.console import Format, out, show, tell
from umg_assets.landing.scan import Scan, scan
from umg_assets.planning.frozen import spans
from umg_assets.planning.history import History
from umg_assets.recount.coverage import coverage
from umg_assets.recount.published import compare_list
from umg_assets.recount.records import count_files
from umg_assets.recount.rows import Comparison, recount
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.reading import TableMissingError
from umg_assets.settings.model import Settings, drop_place
from umg_assets.text import counted, visible

_ALL_AGREE = (
    "Records read = landed + quarantined + filtered, and as many rows stand in the raw tables and in quarantine, "
    "file by file."
)


def reconcile(settings: Settings) -> bool:
    """Recounts the records of the files, every row of every table, and the published lists that umg.toml names.

    Prints each difference and a verdict. Returns whether everything agrees.
    Raises TableMissingError before the first run.
    """
    agrees = recount_files(settings)
    agrees = recount_tables(settings) and agrees
    for listed in settings.published:
        agrees = against_list(settings.home, settings.home / listed.file, listed.track, listed.plays) and agrees
    return agrees


def recount_files(settings: Settings) -> bool:
    """Compares the ledger with a recount of the files in landing/ and of the tables. Prints the differences and the
    sums. Returns whether all agree. Raises TableMissingError before the first run."""
    count = count_files(settings, _history(settings))
    if count.differing:
        rows = [
            {
                "source": miscount.source,
                "path": miscount.path,
                "counted": miscount.what,
                "found": miscount.counted,
                "ledger": miscount.ledger,
            }
            for miscount in count.differing
        ]
        show(rows, ("source", "path", "counted", "found", "ledger"), Format.TABLE, "What differs")
    out.print(
        f"{counted(count.files, 'file')} counted again, {counted(count.records, 'record')}"
        + (f"; {count.gone} no longer lie in landing/" if count.gone else "")
        + (f"; {count.changed} changed since, `umg run` reads them" if count.changed else "")
        + ". "
        + (f"{len(count.differing)} counts differ." if count.differing else _ALL_AGREE)
    )
    return not count.differing


def recount_tables(settings: Settings) -> bool:
    """Compares every row of every table from `plays` on with a recount from the raw tables by DuckDB. Prints a line per
    table, the first rows that differ, and a verdict. Returns whether all agree; False if `umg run` has to come first.
    """
    history = _history(settings)
    covered = coverage(settings, history)
    if covered.behind:
        out.print(
            f"{len(covered.behind):,} deliveries landed after the tables were written, e.g. "
            f"{visible(covered.behind[0])}: type `umg run`, then `umg reconcile`.",
        )
        return False
    seen = scan(settings, history) if settings.landing.is_dir() else Scan()
    if waiting := len(seen.news) - len(seen.ids):
        waits = f"{counted(waiting, 'file')} new or changed in landing/"
        out.print(f"{waits}, for `umg run` to land: what has landed is compared.")
    if covered.kept:
        out.print(
            f"Plays of {counted(len(covered.kept), 'day')}, {spans(covered.kept)}, cannot be counted again: raw plays "
            "of them have gone by age (keep_raw_days). They are taken as they are stored; what follows from them is "
            "counted.",
            soft_wrap=True,
        )
    comparisons = recount(settings, covered.through, kept=covered.kept)
    differing = sum(comparison.differing for comparison in comparisons)
    lines = [
        {"table": comparison.table.name, "rows": comparison.rows, "differing": comparison.differing}
        for comparison in comparisons
    ]
    show(lines, ("table", "rows", "differing"), Format.TABLE, f"Counted again through {covered.through}")
    for comparison in comparisons:
        _print_differences(comparison)
    out.print(
        f"Counted again from the raw tables by DuckDB: {sum(comparison.rows for comparison in comparisons):,} rows "
        f"of {len(comparisons)} tables, {differing:,} differ."
    )
    if differing:
        out.print("A crashed or unfinished run can be the cause: type `umg run`, then `umg reconcile`.")
    return not differing


def _print_differences(comparison: Comparison) -> None:
    if not comparison.differing:
        return
    extent = f", the first {len(comparison.first)}" if comparison.differing > len(comparison.first) else ""
    differ = "1 row differs" if comparison.differing == 1 else f"{comparison.differing:,} rows differ"
    out.print(f"{comparison.table.name}: {differ}{extent}:")
    for difference in comparison.first:
        tell(f"  {difference.name}: {difference.description}")


def against_list(home: Path, file: Path, track: str, plays: str) -> bool:
    """Compares plays per track with a published list (recount/published.py) and prints each difference. Returns whether
    the counts agree for all tracks in both. Raises ValueError when the file cannot be read as such a list."""
    count = compare_list(home, file, track, plays)
    if count.differing:
        rows = [
            {"track": name, "published": published, "plays": counted}
            for name, (published, counted) in count.differing.items()
        ]
        show(rows, ("track", "published", "plays"), Format.TABLE, "Tracks whose counts differ")
    for title, names in ((f"only in {file.name}", count.only_published), ("only in plays", count.only_played)):
        if names:
            sample = ", ".join(repr(name) for name in names[:5]) + (" ..." if len(names) > 5 else "")
            tell(f"{len(names):,} tracks {title}: {sample}")
    agreeing = count.tracks - len(count.differing)
    out.print(f"{count.tracks:,} tracks in both: {agreeing:,} agree, {len(count.differing):,} differ.")
    return not count.differing


def _history(settings: Settings) -> History:
    history = Ledger(settings.home).read()
    if not any(entry.source in tables.RAW for entry in history.latest().values()):
        raise TableMissingError(
            f"nothing has landed yet: drop files into {drop_place(settings.home)} and type `umg run`"
        )
    return history
