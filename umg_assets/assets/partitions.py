"""Dagster's partitions and partition mappings, as the catalogue says them."""

from collections.abc import Collection
from datetime import timedelta

import dagster as dg

from umg_assets.calendar import month_of
from umg_assets.catalogue import Catalogue
from umg_assets.graph import SAME_DAY, Asset, Lookback, Partitioning
from umg_assets.settings.model import Settings

MARKET, MONTH = "country", "month"
"""The dimensions of a partition of month and market; Dagster orders its key by their names: `country|month`."""


class Partitions:
    """The partitions of a lakehouse's assets. Running days and months are included; markets are in order."""

    def __init__(self, catalogue: Catalogue, settings: Settings) -> None:
        self._catalogue, self._time_zone = catalogue, settings.time_zone
        zone, first = settings.time_zone, catalogue.first_day
        markets = dg.StaticPartitionsDefinition(sorted(catalogue.markets))
        months = dg.MonthlyPartitionsDefinition(month_of(first).isoformat(), timezone=zone, end_offset=1)
        self._definitions: dict[Partitioning, dg.PartitionsDefinition] = {
            Partitioning.DELIVERY_DAY: dg.DailyPartitionsDefinition(
                settings.deliveries_from.isoformat(), timezone="UTC", end_offset=1
            ),
            Partitioning.DAY: dg.DailyPartitionsDefinition(first.isoformat(), timezone=zone, end_offset=1),
            Partitioning.MONTH: months,
            Partitioning.MARKET: markets,
            Partitioning.MONTH_AND_MARKET: dg.MultiPartitionsDefinition({MARKET: markets, MONTH: months}),
        }

    def of(self, asset: Asset) -> dg.PartitionsDefinition | None:
        """The partitions of an asset; None for one without."""
        if asset.partitioning is Partitioning.EXPERIMENT_DAY and asset.experiment:
            experiment = asset.experiment[1]
            end = experiment.last_day + timedelta(days=1)
            return dg.DailyPartitionsDefinition(
                experiment.first_day.isoformat(), end_date=end.isoformat(), timezone=self._time_zone
            )
        return self._definitions.get(asset.partitioning)

    def loaded(self, asset: Asset, names: Collection[str]) -> dict[str, dg.AssetIn]:
        """The inputs of an asset that its function takes as DataFrames, by name."""
        return {name: dg.AssetIn(partition_mapping=self.mapping(asset, name)) for name in names}

    def dependencies(self, asset: Asset, loaded: Collection[str] = ()) -> list[dg.AssetDep]:
        """The inputs of an asset that its function does not take, but reads in its own way."""
        return [
            dg.AssetDep(name, partition_mapping=self.mapping(asset, name))
            for name in asset.upstream
            if name not in loaded
        ]

    def mapping(self, asset: Asset, upstream: str) -> dg.PartitionMapping | None:
        """Which partitions of an input a partition is made of; None where Dagster's default says the same."""
        match self._catalogue[upstream].partitioning, asset.partitioning:
            case Partitioning.DAY, Partitioning.DAY if (lookback := _widest(asset, upstream)) != SAME_DAY:
                return dg.TimeWindowPartitionMapping(
                    start_offset=-lookback.before,
                    end_offset=lookback.after,
                    allow_nonexistent_upstream_partitions=True,
                )
            case Partitioning.DAY, Partitioning.MONTH:
                return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
            case Partitioning.MONTH, Partitioning.MONTH_AND_MARKET:
                return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=MONTH)
            case Partitioning.MONTH_AND_MARKET, Partitioning.MARKET:
                return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=MARKET)
            case Partitioning.DELIVERY_DAY, Partitioning.DAY:  # any delivery can hold plays of any day
                return dg.AllPartitionMapping()
            case Partitioning.DAY, Partitioning.EXPERIMENT_DAY:
                return dg.AllPartitionMapping()
        return None


def _widest(asset: Asset, upstream: str) -> Lookback:
    lookbacks = [source.lookback for source in asset.inputs if source.asset == upstream]
    return Lookback(max(each.before for each in lookbacks), max(each.after for each in lookbacks))
