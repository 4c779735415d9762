"""`umg reconcile`: counts again by another way, sharing no code with what it checks, and says what differs."""

from pathlib import Path

from umg_assets import tables
from umg_assets.console import Format, out, show
from umg_assets.recount.published import compare_list
from umg_assets.recount.records import count_files
from umg_assets.recount.rows import Comparison, recount
from umg_assets.recount.standing import standing
from umg_assets.resources.landing import scan
from umg_assets.resources.ledger import History, Ledger
from umg_assets.resources.reading import TableMissingError
from umg_assets.settings import Settings

_ALL_AGREE = (
    "Records read = landed + quarantined + filtered, and as many rows stand in the raw tables and in quarantine, "
    "file by file."
)


def reconcile(settings: Settings, brief: bool = False) -> bool:
    """Counts again: the files' records, every row of every table, and the published lists that umg.toml names.

    Prints each difference and a verdict; brief: tables that agree are not listed. Returns whether all agree. Raises
    TableMissingError before the first run.
    """
    right = recount_files(settings)
    right = recount_tables(settings, brief) and right
    for published in settings.published:
        right = against_list(settings.home, settings.home / published.file, published.track, published.plays) and right
    return right


def recount_files(settings: Settings) -> bool:
    """Holds the ledger to the files in landing/ and to the tables, each counted again. Prints the differences and the
    sums. Returns whether all agree. Raises TableMissingError before the first run."""
    count = count_files(settings, _history(settings))
    if count.differing:
        rows = [{"source": one.source, "path": one.path, "counted": one.what, "found": one.found, "ledger": one.ledger}
                for one in count.differing]  # fmt: skip
        show(rows, ("source", "path", "counted", "found", "ledger"), Format.TABLE, "What differs")
    out.print(
        f"{count.files:,} files counted again, {count.records:,} records"
        + (f"; {count.gone} no longer lie in landing/" if count.gone else "")
        + (f"; {count.changed} changed since, `umg run` reads them" if count.changed else "")
        + ". "
        + (f"{len(count.differing)} counts differ." if count.differing else _ALL_AGREE)
    )
    return not count.differing


def recount_tables(settings: Settings, brief: bool = False) -> bool:
    """Holds every row of every table from `plays` on to what the raw tables alone say, by DuckDB. Prints a line a
    table, the first rows that differ, and a verdict. Returns whether all agree; not so where a run has to come first.
    """
    history = _history(settings)
    state = standing(settings, history)
    if state.behind:
        out.print(
            f"{len(state.behind):,} deliveries landed after the tables were written, e.g. {state.behind[0]}: type "
            "`umg run`, then `umg reconcile`.",
            markup=False,
        )
        return False
    if settings.landing.is_dir() and (waiting := len(scan(settings, history).changed)):
        out.print(f"{waiting:,} new or changed files in landing/ wait for `umg run`: what has landed is compared.")
    compared = recount(settings, state.through)
    differing = sum(one.differing for one in compared)
    if not brief or differing:
        lines = [{"table": one.table.name, "rows": one.rows, "differing": one.differing} for one in compared]
        title = f"Counted again through {state.through}"
        show(lines, ("table", "rows", "differing"), Format.TABLE, title)
    for one in compared:
        _name_differences(one)
    out.print(
        f"Counted again from the raw tables by DuckDB: {sum(one.rows for one in compared):,} rows of {len(compared)} "
        f"tables, {differing:,} differ."
    )
    if differing:
        out.print("A run that died, or is not over, shows like this, too: type `umg run`, then `umg reconcile`.")
    return not differing


def _name_differences(compared: Comparison) -> None:
    if not compared.differing:
        return
    shown = f", the first {len(compared.first)}" if compared.differing > len(compared.first) else ""
    out.print(f"{compared.table.name}: {compared.differing:,} rows differ{shown}:")
    for difference in compared.first:
        out.print(f"  {difference.name}: {difference.said}", markup=False, soft_wrap=True)


def against_list(home: Path, file: Path, track: str, plays: str) -> bool:
    """Compares plays a track with a published list (recount/published.py). Prints each difference. Returns whether the
    counts of all tracks in both agree. Raises ValueError when the file cannot be read as such a list."""
    count = compare_list(home, file, track, plays)
    if count.differing:
        rows = [{"track": name, "published": one, "plays": ours} for name, (one, ours) in count.differing.items()]
        show(rows, ("track", "published", "plays"), Format.TABLE, "Tracks whose counts differ")
    for title, names in ((f"only in {file.name}", count.only_published), ("only in plays", count.only_played)):
        if names:
            shown = ", ".join(repr(name) for name in names[:5]) + (" ..." if len(names) > 5 else "")
            out.print(f"{len(names):,} tracks {title}: {shown}", markup=False)
    agreeing = count.tracks - len(count.differing)
    out.print(f"{count.tracks:,} tracks in both: {agreeing:,} agree, {len(count.differing):,} differ.")
    return not count.differing


def _history(settings: Settings) -> History:
    history = Ledger(settings.home).read()
    if not any(entry.source in tables.RAW for entry in history.latest().values()):
        raise TableMissingError(f"nothing has landed yet: drop files into {settings.landing} and type `umg run`")
    return history
