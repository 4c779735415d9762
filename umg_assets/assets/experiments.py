"""Experiments: for each one in umg.toml its evidence by day, and its readout.

The evidence of a day is what the data says through it, aggregates only, and provisional until the day has settled;
the readout is made of it. Each experiment is a group of its own, with its own days and its own checks. What makes a
readout (scipy, tea-tasting) is imported when one is made: every process loads this module.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from pyspark.sql import DataFrame, SparkSession

from umg_assets import tables
from umg_assets.assets.building import AssetFunction
from umg_assets.calendar import parse_day
from umg_assets.catalogue import Catalogue
from umg_assets.experiments.evidence import EvidenceReader
from umg_assets.experiments.evidence_text import to_text
from umg_assets.graph import Asset
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.partition_keys import partition_keys
from umg_assets.resources.slices import Slice
from umg_assets.resources.snapshots import Snapshots
from umg_assets.resources.watermarks import data_version
from umg_assets.settings.experiment import Experiment
from umg_assets.settings.model import Settings
from umg_assets.statistics.moments import Evidence
from umg_assets.text import markdown, visible, visible_in

if TYPE_CHECKING:
    from umg_assets.experiments.readouts import Taken


def experiment_functions(catalogue: Catalogue) -> dict[str, AssetFunction]:
    """By name, the functions of the assets of every experiment: its evidence by day, and its readout."""
    functions: dict[str, AssetFunction] = {}
    for asset in catalogue:
        if asset.experiment:
            function = _evidence_function if asset.table is tables.EXPERIMENT_DAYS else _readout_function
            functions[asset.name] = function(asset, *asset.experiment)
    return functions


def _evidence_function(asset: Asset, name: str, experiment: Experiment) -> AssetFunction:
    def evidence(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        snapshots: dg.ResourceParam[Snapshots],
    ) -> dg.MaterializeResult:
        from umg_assets.experiments.readouts import Readouts

        snapshot, keys = snapshots.with_raw(context, asset.name), partition_keys(context)
        days = sorted(parse_day(key) for key in keys)
        kept = Readouts(settings.home).frozen(name)
        evidence = EvidenceReader(settings, lakehouse, snapshot.history).read(name, experiment, days, kept)
        written = lakehouse.write_slice(
            tables.EXPERIMENT_DAYS, _rows(lakehouse.spark, name, experiment, evidence), Slice.days_of(name, days)
        )
        for of_day in evidence:
            metadata = visible_in(_of_day(experiment, of_day, snapshot.today))
            context.add_asset_metadata(metadata, asset.name, of_day.through.isoformat())
        watermark = snapshots.watermark_of(context, asset.name, keys)
        return dg.MaterializeResult(
            metadata=written.metadata, data_version=data_version(watermark, asset.definition_hash)
        )

    evidence.__doc__ = f"{tables.EXPERIMENT_DAYS.comment}\n\n{_about(experiment)}"
    return evidence


def _readout_function(asset: Asset, name: str, experiment: Experiment) -> AssetFunction:
    def readout(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        snapshots: dg.ResourceParam[Snapshots],
    ) -> dg.MaterializeResult:
        from umg_assets.experiments.page import PAGE
        from umg_assets.experiments.readouts import Readouts

        snapshot = snapshots.of(context)
        readouts = Readouts(settings.home)
        taken = readouts.publish(name, experiment, snapshot.today)
        page = readouts.folder(name) / PAGE
        watermark = snapshots.watermark_of(context, asset.name)
        return dg.MaterializeResult(
            metadata={"page": dg.MetadataValue.path(page), **_of_readout(experiment, taken)},
            data_version=data_version(watermark, asset.definition_hash),
        )

    readout.__doc__ = f"What the data says of experiment {name}, and what to do.\n\n{_about(experiment)}"
    return readout


def _about(experiment: Experiment) -> str:
    days = f"{experiment.first_day} to {experiment.last_day}, settled on {experiment.settles_on(experiment.last_day)}"
    return f"Hypothesis: {markdown(experiment.hypothesis)}\n\nOwner: {markdown(experiment.owner)}. Days: {days}."


def _rows(spark: SparkSession, name: str, experiment: Experiment, evidence: Sequence[Evidence]) -> DataFrame:
    """Evidence as rows of tables.EXPERIMENT_DAYS."""
    types = ", ".join(f"{column.name} {column.type}" for column in tables.EXPERIMENT_DAYS.columns)
    rows = [
        (
            name,
            of_day.through,
            experiment.definition_hash,
            sum(of_day.trust.exposed.values()),
            sum(arm.sessions for arm in of_day.sessions),
            json.dumps(of_day.frozen) if of_day.frozen is not None else None,
            to_text(of_day),
        )
        for of_day in evidence
    ]
    return spark.createDataFrame(rows, types)


def _of_day(experiment: Experiment, evidence: Evidence, today: date) -> dict[str, Any]:
    """The page of a day: whether it is settled, users and sessions of each variant."""
    return {
        "settled": today >= experiment.settles_on(evidence.through),
        "settles_on": experiment.settles_on(evidence.through).isoformat(),
        "users_in_two_arms": evidence.trust.two_arms,
        "users_of_another_variant_than_recomputed": evidence.trust.mismatched,
        **{f"exposed_{variant}": users for variant, users in sorted(evidence.trust.exposed.items())},
        **{f"sessions_{arm.variant}": arm.sessions for arm in evidence.sessions},
    }


def _of_readout(experiment: Experiment, taken: "Taken") -> dict[str, Any]:
    """The page of a readout: its tables and plots."""
    from umg_assets.experiments.plots import plots
    from umg_assets.experiments.report import to_markdown

    readout = taken.readout
    pictures = {
        visible(
            plot.title
        ): f"![{markdown(plot.title)}](data:image/svg+xml;base64,{b64encode(plot.svg.encode()).decode()})"
        for plot in plots(experiment, readout).values()
    }
    shown = {**to_markdown(experiment, readout), **pictures}
    return {
        **{title: dg.MetadataValue.md(text) for title, text in shown.items()},
        "through": readout.through.isoformat(),
        "settled": readout.settled,
        "looks_taken": len(taken.new),
        "restated": len(readout.restated),
        "decisions": len(taken.decisions),
    }
