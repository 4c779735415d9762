"""An experiment's days, and what its assets are called. Pure."""

from datetime import date, timedelta

from umg_assets.experiments.definition import Experiment
from umg_assets.partitions import days_between


def days_asset(experiment: str) -> str:
    """The asset with an experiment's evidence by day."""
    return f"experiment_{experiment}_days"


def readout_asset(experiment: str) -> str:
    """The asset with an experiment's readouts."""
    return f"experiment_{experiment}_readout"


def is_days(asset: str) -> bool:
    """Whether an asset is an experiment's evidence by day."""
    return asset.startswith("experiment_") and asset.endswith("_days")


def is_readout(asset: str) -> bool:
    """Whether an asset is an experiment's readouts."""
    return asset.startswith("experiment_") and asset.endswith("_readout")


def evidence_days(experiment: Experiment, today: date) -> list[date]:
    """The days of an experiment, through the last that is over."""
    return days_between(experiment.first_day, min(experiment.last_day, today - timedelta(days=1)))


def settles_on(experiment: Experiment, day: date) -> date:
    """The first day on which a day counts as settled: settle_days whole days lie between them."""
    return day + timedelta(days=experiment.settle_days + 1)
