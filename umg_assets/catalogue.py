"""The catalogue: the asset graph, said once. A row an asset: its table, partitions, inputs with lookback, and job.

Everything that needs the graph derives it from here: the planner (what is stale), the jobs and the order of their runs,
Dagster's dependencies and partition mappings, what a partition is read from, how stale keys become ranges. A row refers
to others by name; rows stand after what they are made of.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from umg_assets import tables
from umg_assets.graph import EVENT_LOOKBACK, SESSION_LOOKBACK, Asset, Input, Lookback, Noted, Partitioning
from umg_assets.settings.experiment import Experiment
from umg_assets.settings.model import Settings
from umg_assets.tables import Table

LAND_FILES = "land_files"
"""The job that lands files; the others are planned from what it notes in the ledger."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Every asset of a lakehouse, what an asset is made of before it; the first local day and the markets."""

    assets: tuple[Asset, ...]
    first_day: date
    markets: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Catalogue":
        """The catalogue of a lakehouse with these settings."""
        charts = settings.charts
        return cls.build(
            settings.first_day,
            settings.markets,
            artist_days=charts.top_artists_days,
            favourite_days=charts.favourites_days,
            event_plays=settings.event_plays,
            experiments=settings.experiments,
        )

    @classmethod
    def build(
        cls,
        first_day: date,
        markets: Iterable[str],
        *,
        artist_days: int = 30,
        favourite_days: int = 14,
        event_plays: bool = False,
        experiments: Mapping[str, Experiment] | None = None,
    ) -> "Catalogue":
        """The catalogue from what decides it. artist_days, favourite_days: lengths of the window charts.

        event_plays: plays are made of events of the app, too. experiments: by name.
        """
        rows = [*_raw(), *_charts(artist_days, favourite_days, event_plays)]
        if experiments:
            rows += _measures()
        for name, experiment in (experiments or {}).items():
            rows += _experiment(name, experiment)
        return cls(tuple(rows), first_day, tuple(markets))

    def with_asset(self, asset: Asset) -> "Catalogue":
        """The catalogue with one more row at its end."""
        return replace(self, assets=(*self.assets, asset))

    def __getitem__(self, name: str) -> Asset:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Asset]:
        return iter(self.assets)

    @cached_property
    def _by_name(self) -> dict[str, Asset]:
        return {asset.name: asset for asset in self.assets}

    @cached_property
    def planned(self) -> tuple[Asset, ...]:
        """The assets that are planned from the ledger: all that follow from the raw tables."""
        return tuple(asset for asset in self.assets if asset.job not in ("", LAND_FILES))

    @cached_property
    def jobs(self) -> dict[str, tuple[str, ...]]:
        """By job, in order, the names of the assets that it builds; LAND_FILES comes first."""
        jobs: dict[str, tuple[str, ...]] = {}
        for asset in self.assets:
            if asset.job:
                jobs[asset.job] = (*jobs.get(asset.job, ()), asset.name)
        return jobs

    def assets_of(self, job: str) -> tuple[str, ...]:
        """The assets that a job builds; none for a job that is not the catalogue's."""
        return self.jobs.get(job, ())

    def ancestors(self, name: str) -> frozenset[str]:
        """Everything that an asset follows from, with what is written in one step with it."""
        return self._ancestors[name]

    @cached_property
    def _ancestors(self) -> dict[str, frozenset[str]]:
        ancestors: dict[str, frozenset[str]] = {}
        for asset in self.assets:
            above = {name for upstream in asset.upstream for name in self._written_with(self[upstream])}
            ancestors[asset.name] = frozenset(above.union(*(ancestors[name] for name in above)))
        return ancestors

    def _written_with(self, asset: Asset) -> list[str]:
        if not asset.step:
            return [asset.name]
        return [other.name for other in self.assets if other.step == asset.step]


def landing_asset(kind: str) -> str:
    """The name of the external asset of a kind's files in landing/."""
    return f"landing_{kind}"


def evidence_asset(experiment: str) -> str:
    """The name of the asset with an experiment's evidence by day."""
    return f"experiment_{experiment}_days"


def readout_asset(experiment: str) -> str:
    """The name of the asset with an experiment's readouts."""
    return f"experiment_{experiment}_readout"


def _raw() -> list[Asset]:
    """Files, and what landing them writes: the ledger, the raw tables and the quarantine, in one step."""
    day = Partitioning.DELIVERY_DAY
    files = [Asset(landing_asset(kind), None, day, (), "", "landing", stored_as=("file",)) for kind in tables.KINDS]
    every_file = tuple(Input(file.name) for file in files)
    landed = [
        (tables.DELIVERIES, every_file),
        *((tables.RAW[kind], (Input(landing_asset(kind)),)) for kind in tables.KINDS),
        (tables.QUARANTINE, every_file),
    ]
    rows = (Asset(table.name, table, day, inputs, LAND_FILES, "raw", step="land") for table, inputs in landed)
    return [*files, *rows]


def _charts(artist_days: int, favourite_days: int, event_plays: bool) -> list[Asset]:
    """Users, tracks, plays, their sums, the charts and the exports."""
    none, day, month = Partitioning.NONE, Partitioning.DAY, Partitioning.MONTH
    of_events = (Input("raw_app_events", EVENT_LOOKBACK, noted=Noted.PLAY_DATES),) if event_plays else ()
    of_plays = tuple(Input(name, noted=Noted.PLAY_DATES) for name in ("raw_plays", "users", "tracks"))

    def dimension(table: Table, raw: Table) -> Asset:
        delivered = Input(raw.name, noted=Noted.EVERY_DELIVERY)
        return Asset(table.name, table, none, (delivered,), "update_dimensions", "dimensions")

    def window(table: Table, days: int) -> Asset:
        lookback = Lookback(before=days - 1)
        inputs = (
            Input("daily_track_plays", lookback),
            Input("tracks", lookback, noted=Noted.WINDOW_DATES),
            Input("tracks", noted=Noted.CHART_DATES),
        )
        return Asset(table.name, table, day, inputs, "build_days", "charts", every_day=True)

    return [
        dimension(tables.USERS, tables.RAW_USERS),
        dimension(tables.TRACKS, tables.RAW_TRACKS),
        Asset("plays", tables.PLAYS, day, (*of_plays, *of_events), "build_days", "plays"),
        Asset("sessions", tables.SESSIONS, day, (Input("plays", SESSION_LOOKBACK),), "build_days", "plays"),
        Asset("daily_track_plays", tables.DAILY_TRACK_PLAYS, day, (Input("plays"),), "build_days", "plays"),
        window(tables.TOP_ARTISTS_BY_GENRE, artist_days),
        window(tables.AGE_GROUP_FAVOURITES, favourite_days),
        Asset("monthly_track_plays", tables.MONTHLY_TRACK_PLAYS, month, (Input("plays"),), "sum_months", "plays"),
        Asset(
            "top_tracks_by_country",
            tables.TOP_TRACKS_BY_COUNTRY,
            Partitioning.MONTH_AND_MARKET,
            (Input("monthly_track_plays"), Input("tracks", noted=Noted.CHART_MONTHS)),
            "rank_tracks",
            "charts",
        ),
        Asset(
            "chart_movements",
            tables.CHART_MOVEMENTS,
            Partitioning.MARKET,
            (Input("top_tracks_by_country"),),
            "publish",
            "charts",
        ),
        Asset(
            "exports",
            None,
            none,
            tuple(
                Input(table.name)
                for table in (
                    tables.TOP_TRACKS_BY_COUNTRY,
                    tables.CHART_MOVEMENTS,
                    tables.TOP_ARTISTS_BY_GENRE,
                    tables.AGE_GROUP_FAVOURITES,
                )
            ),
            "publish",
            "exports",
            stored_as=("csv", "parquet", "json"),
        ),
    ]


def _measures() -> list[Asset]:
    """What every experiment reads, by local day."""
    day = Partitioning.DAY
    events = Input("raw_app_events", noted=Noted.PLAY_DATES)
    around = replace(events, lookback=SESSION_LOOKBACK)
    of_visits = (Input("plays", SESSION_LOOKBACK), around, Input("users", noted=Noted.PLAY_DATES))
    return [
        Asset("visits", tables.VISITS, day, of_visits, "measure_days", "experiments"),
        Asset("user_days", tables.USER_DAYS, day, (Input("visits"),), "measure_days", "experiments"),
        Asset("exposure_days", tables.EXPOSURE_DAYS, day, (events,), "measure_days", "experiments"),
    ]


def _experiment(name: str, experiment: Experiment) -> list[Asset]:
    """An experiment's evidence by day, and its readout: a group and a job of their own."""
    since, group, job = experiment.pre_period[0], f"experiment_{name}", f"read_{name}"
    evidence = Asset(
        evidence_asset(name),
        tables.EXPERIMENT_DAYS,
        Partitioning.EXPERIMENT_DAY,
        (Input("visits", since=since), Input("exposure_days", since=since)),
        job,
        group,
        experiment=(name, experiment),
    )
    readout = Asset(
        readout_asset(name),
        tables.READOUTS,
        Partitioning.NONE,
        (Input(evidence.name),),
        job,
        group,
        stored_as=("html",),
        experiment=(name, experiment),
        rebuilt_through=experiment.settles_on(experiment.last_day),
    )
    return [evidence, readout]
