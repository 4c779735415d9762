"""Landing files: what exporters dropped into landing/, by UTC delivery day; made elsewhere, and only looked at here.

A day is reported when landing_sensor or `umg run` finds new or changed files of it. A file that has shrunk is held: a
check says so.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from umg_assets import tables
from umg_assets.assets.partitions import Partitions
from umg_assets.catalogue import Catalogue, landing_asset
from umg_assets.landing.scan import LandingFile, Scan, scan
from umg_assets.resources.ledger import Ledger
from umg_assets.settings.model import Settings
from umg_assets.tables import Kind
from umg_assets.text import counted, visible, visible_in

SHRUNK = "no_file_has_shrunk"
_SAMPLES = 20


def build_landing_files(catalogue: Catalogue, partitions: Partitions) -> list[dg.AssetSpec]:
    """`landing_plays`, `landing_users`, `landing_tracks`, `landing_events`: external, by delivery day."""
    return [
        dg.AssetSpec(
            asset.name,
            description=f"Files of {kind} that exporters dropped into landing/, by the UTC day of their delivery.\n\n"
            "Made elsewhere, and only looked at here: a day is reported when landing_sensor or `umg run` finds new or "
            "changed files of it.",
            group_name=asset.group,
            kinds=set(asset.stored_as),
            partitions_def=partitions.of(asset),
        )
        for kind in tables.KINDS
        for asset in [catalogue[landing_asset(kind)]]
    ]


def landing_events(changed: list[LandingFile]) -> list[dg.AssetMaterialization]:
    """What a look at landing/ found new or changed: an event for each delivery day of each kind."""
    days: dict[tuple[date, Kind], list[LandingFile]] = {}
    for file in changed:
        days.setdefault((file.delivery_date, file.kind), []).append(file)
    return [
        dg.AssetMaterialization(
            landing_asset(kind),
            partition=day.isoformat(),
            metadata={
                "files": len(files),
                "bytes": sum(file.absolute.stat().st_size for file in files if file.absolute.exists()),
                "paths": ", ".join(visible(file.path) for file in files[:_SAMPLES]),
            },
        )
        for (day, kind), files in sorted(days.items())
    ]


def shrunk_files(scanned: Scan) -> list[dg.AssetCheckEvaluation]:
    """What the check says of a look at landing/, for each kind."""
    return [
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(landing_asset(kind)), check_name=SHRUNK, **_verdict(scanned, kind)
        )
        for kind in tables.KINDS
    ]


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            SHRUNK,
            asset=landing_asset(kind),
            description="No file delivered again is smaller by over shrunk_percent, or empty. One that is does not "
            "land, and what it brought before stays, until `umg accept PATH`.",
        )
        for kind in tables.KINDS
    ],
    can_subset=True,
)
def no_file_has_shrunk(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
) -> Iterator[dg.AssetCheckResult]:
    """Looks at landing/ now; landing_sensor says the same whenever it changes."""
    scanned = scan(settings, ledger.read())
    for kind in tables.KINDS:
        if dg.AssetCheckKey(dg.AssetKey(landing_asset(kind)), SHRUNK) in context.selected_asset_check_keys:
            yield dg.AssetCheckResult(asset_key=landing_asset(kind), check_name=SHRUNK, **_verdict(scanned, kind))


def _verdict(scanned: Scan, kind: Kind) -> dict[str, Any]:
    held = {visible(file.path): visible(why) for file, why in scanned.held if file.kind == kind}
    return {
        "passed": not held,
        "metadata": {
            "files_held": len(held),
            "expected": "0 files held",
            "first": visible_in(dict(list(held.items())[:_SAMPLES])),
            "cannot_land": visible_in({path: scanned.waiting[path] for path in sorted(scanned.stuck)[:_SAMPLES]}),
        },
        "description": f"{counted(len(held), 'file')} held: look first, then `umg accept PATH`" if held else None,
    }
