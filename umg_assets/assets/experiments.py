"""Experiments: for each one in umg.toml its evidence by day, and its readout.

The evidence of a day is what the data says through it, aggregates only, and provisional until the day has settled;
the readout is made of it. Each experiment is a group of its own, with its own days and its own checks.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame, SparkSession

from umg_assets import tables
from umg_assets.assets.table_asset import KINDS, described
from umg_assets.experiments.days import days_asset, readout_asset, settles_on
from umg_assets.experiments.definition import Experiment
from umg_assets.experiments.evidence_text import to_text
from umg_assets.experiments.moments import Evidence
from umg_assets.experiments.plots import plots
from umg_assets.experiments.report import to_markdown
from umg_assets.partitions import experiment_days, local_today
from umg_assets.planning import Scope, Stamp, built_from, needed
from umg_assets.resources.evidence import EvidenceReader
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import History, Ledger
from umg_assets.resources.readouts import Readouts, Taken
from umg_assets.resources.slices import Slice
from umg_assets.resources.stamps import data_version, read_stamps
from umg_assets.settings import Settings


def build_experiment_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """experiment_NAME_days and experiment_NAME_readout of every experiment in umg.toml."""
    return [
        asset
        for name, experiment in settings.experiments.items()
        for asset in _assets_of(name, experiment, settings.time_zone)
    ]


def _assets_of(name: str, experiment: Experiment, time_zone: str) -> list[dg.AssetsDefinition]:
    days_def = experiment_days(experiment.first_day, experiment.last_day, time_zone)
    group, about = f"experiment_{name}", f"{experiment.hypothesis}\n\nOwner: {experiment.owner}\n\n{__doc__}"

    @dg.asset(
        name=days_asset(name),
        description=described(tables.EXPERIMENT_DAYS, about),
        group_name=group,
        kinds=KINDS,
        pool=tables.EXPERIMENT_DAYS.name,
        partitions_def=days_def,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[dg.AssetDep(one, partition_mapping=dg.AllPartitionMapping()) for one in ("visits", "exposure_days")],
    )
    def days(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        ledger: dg.ResourceParam[Ledger],
    ) -> dg.MaterializeResult:
        history, today = ledger.read(), local_today(settings.time_zone)
        asked = sorted(date.fromisoformat(key) for key in context.partition_keys)
        kept = Readouts(settings.home).frozen(name)
        evidence = EvidenceReader(settings, lakehouse, history).read(name, experiment, asked, kept)
        written = lakehouse.write_slice(
            tables.EXPERIMENT_DAYS, _rows(lakehouse.spark, name, experiment, evidence), Slice.days_of(name, asked)
        )
        for one in evidence:
            context.add_asset_metadata(_of_day(experiment, one, today), days_asset(name), one.through.isoformat())
        stamp = _stamp(context, settings, history, today, ("visits", "exposure_days"))
        return dg.MaterializeResult(
            metadata={"delta_version": written.version},
            data_version=data_version(stamp, experiment.definition_hash),
        )

    @dg.asset(
        name=readout_asset(name),
        description=f"What the data says of {name}, and what to do.\n\n{about}",
        group_name=group,
        kinds={"html"},
        pool=tables.READOUTS.name,
        deps=[dg.AssetDep(days, partition_mapping=dg.AllPartitionMapping())],
    )
    def readout(
        context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
    ) -> dg.MaterializeResult:
        history, today = ledger.read(), local_today(settings.time_zone)
        taken = Readouts(settings.home).publish(name, experiment, today)
        stamp = _stamp(context, settings, history, today, (days_asset(name),))
        return dg.MaterializeResult(
            metadata=_of_readout(experiment, taken), data_version=data_version(stamp, experiment.definition_hash)
        )

    return [days, readout]


def _rows(spark: SparkSession, name: str, experiment: Experiment, evidence: Sequence[Evidence]) -> DataFrame:
    """Evidence as rows of tables.EXPERIMENT_DAYS."""
    types = ", ".join(f"{column.name} {column.type}" for column in tables.EXPERIMENT_DAYS.columns)
    rows = [
        (
            name,
            one.through,
            experiment.definition_hash,
            sum(one.trust.exposed.values()),
            sum(arm.sessions for arm in one.sessions),
            json.dumps(one.frozen) if one.frozen is not None else None,
            to_text(one),
        )
        for one in evidence
    ]
    return spark.createDataFrame(rows, types)


def _of_day(experiment: Experiment, evidence: Evidence, today: date) -> dict[str, Any]:
    """The page of a day: whether it is settled, users and sessions of each variant."""
    return {
        "settled": today >= settles_on(experiment, evidence.through),
        "settles_on": settles_on(experiment, evidence.through).isoformat(),
        "users_in_two_arms": evidence.trust.two_arms,
        "users_of_another_variant_than_recomputed": evidence.trust.mismatched,
        **{f"exposed_{variant}": users for variant, users in sorted(evidence.trust.exposed.items())},
        **{f"sessions_{arm.variant}": arm.sessions for arm in evidence.sessions},
    }


def _of_readout(experiment: Experiment, taken: Taken) -> dict[str, Any]:
    """The page of a readout: its tables and plots."""
    readout = taken.readout
    pictures = {
        title: f"![{title}](data:image/png;base64,{b64encode(picture).decode()})"
        for title, picture in plots(experiment, readout, "png").items()
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


def _stamp(
    context: dg.AssetExecutionContext, settings: Settings, history: History, today: date, upstream: Iterable[str]
) -> Stamp:
    """How far what was read reaches: less where an upstream slice was stale."""
    scope = Scope.of(settings)
    need = needed(history, scope, today)
    names = tuple(upstream)
    stamps = read_stamps(context.instance, names, scope.definitions)
    return built_from(names, {name: need[name] for name in names}, need, stamps, Stamp(history.sequence, today))
