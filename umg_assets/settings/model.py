"""The Settings object: every setting with its default and check, read from umg.toml in UMG_HOME.

Environment variables (UMG_...) override the file.
"""

import difflib
import importlib.resources
import re
import tomllib
import zoneinfo
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as SourceError

from umg_assets.calendar import countries, is_country
from umg_assets.settings.errors import explain, explain_syntax, explain_variable, unknown_variables
from umg_assets.settings.experiment import Experiment, check_experiments
from umg_assets.settings.home import FILE_NAME, home_of
from umg_assets.settings.sources import Sources

__all__ = ["FILE_NAME", "Settings", "SettingsError", "built_in_sources", "home_of", "read_settings"]


class SettingsError(ValueError):
    """A mistake in umg.toml or the environment; the message says where it is and what to do."""


def _check_zone(name: str) -> str:
    zones = zoneinfo.available_timezones()
    if name not in zones:
        near = difflib.get_close_matches(name, sorted(zones), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"expected an IANA time zone such as 'Europe/Vienna', got {name!r}{hint}")
    return name


def _check_market(code: str) -> str:
    known = countries()
    if not is_country(code):
        by_name = {name.lower(): alpha2 for alpha2, name in known.items()}
        near = [code.upper()] if code.upper() in known else difflib.get_close_matches(code.lower(), by_name, n=1)
        hint = f"; did you mean {by_name.get(near[0], near[0])!r}?" if near else ""
        raise ValueError(
            f"expected an ISO 3166-1 code such as 'AT', or a user-assigned one such as 'XK', got {code!r}{hint}"
        )
    return code


def _check_owner(owner: str) -> str:
    if not re.fullmatch(r"team:[\w-]+|[^@\s:]+@[^@\s:]+\.[^@\s:.]+", owner):
        raise ValueError(f"expected 'team:NAME' or an e-mail address, got {owner!r}")
    return owner


Market = Annotated[str, AfterValidator(_check_market)]
Owner = Annotated[str, AfterValidator(_check_owner)]
Percent = Annotated[int, Field(ge=1, le=100)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Charts(_Section):
    """Chart sizes and windows."""

    top_tracks: PositiveInt = Field(default=50, description="tracks a month and market")
    top_artists: PositiveInt = Field(default=10, description="artists a genre")
    top_artists_days: PositiveInt = Field(default=30, description="days of the artists' window")
    favourites: PositiveInt = Field(default=8, description="tracks an age group")
    favourites_days: PositiveInt = Field(default=14, description="days of the favourites' window")
    favourites_section: str = Field(
        default="age_picks",
        min_length=1,
        description="section of the app that shows the favourites; plays started there do not count in them",
    )
    export_months: PositiveInt = Field(default=3, description="months in an export")


class Thresholds(_Section):
    """Limits: what counts as a stream or a complete play, and when a check turns red."""

    stream_seconds: PositiveInt = Field(default=30, description="a play this long is a stream, a shorter one a skip")
    complete_percent: Percent = Field(default=95, description="share of the track that makes a play complete")
    quarantine_percent: Percent = Field(default=5, description="share of a delivery set aside that turns a check red")
    shrunk_percent: Percent = Field(default=20, description="a file delivered again and smaller by more is held")
    known_users_percent: Percent = Field(default=95, description="least share of a day's plays whose user is known")
    known_tracks_percent: Percent = Field(default=95, description="least share of a day's plays whose track is known")
    volume_weeks: Annotated[int, Field(ge=4)] = Field(default=8, description="weeks before that a day is compared with")
    volume_score: PositiveFloat = Field(default=3.5, description="robust z-score of a day's plays that is too far off")

    @property
    def stream_ms(self) -> int:
        """The stream threshold in milliseconds."""
        return self.stream_seconds * 1000


class Automation(_Section):
    """When Dagster's sensors and schedules look for work."""

    sensor_seconds: PositiveInt = Field(default=10, description="seconds between two looks of a sensor")
    quiet_seconds: PositiveInt = Field(default=5, description="a file changed less long ago is still being written")
    daily_at: str = Field(
        default="05:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="local time of the daily safety net"
    )
    max_run_hours: PositiveFloat = Field(default=12, description="a run that takes longer hangs: the daemon ends it")


class Freshness(_Section):
    """Hours after which a table is stale: since it was written, and since its newest day ended."""

    raw_hours: PositiveInt = Field(default=36, description="raw tables, by the newest delivery day (UTC)")
    plays_hours: PositiveInt = Field(
        default=36, description="plays and what is summed of them, by the newest play date"
    )
    charts_hours: PositiveInt = Field(default=36, description="charts and exports: since they were written only")


class Privacy(_Section):
    """How much of a person is kept."""

    birth_date: Literal["month", "keep"] = Field(
        default="month", description="month: where the age group is delivered, its year and month only; keep: the day"
    )
    keep_landing_days: PositiveInt | None = Field(
        default=None, description="files of landing/ delivered longer ago are removed; default: none are"
    )
    keep_raw_days: PositiveInt | None = Field(
        default=None, description="raw plays and events delivered longer ago go; default: none do"
    )
    keep_quarantine_days: PositiveInt = Field(default=90, description="records in quarantine delivered longer ago go")


class Dashboard(_Section):
    """What the dashboard shows, and to whom."""

    minimum_listeners: PositiveInt = Field(
        default=5, description="figures of fewer listeners are shown as fewer, not counted"
    )
    numbers: Literal["1,234.5", "1.234,5", "1 234,5", "1\u2019234.5"] = Field(
        default="1,234.5", description="how figures are written"
    )
    user_header: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9-]+$", description="header in which a proxy names the user, to be shown"
    )
    proxies: tuple[IPvAnyAddress, ...] = Field(default=(), description="addresses whose user_header is believed")
    frame_ancestors: tuple[str, ...] = Field(
        default=(), description="origins that may show the dashboard in a frame, such as https://wiki.example.com"
    )

    @field_validator("frame_ancestors")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[A-Za-z0-9.*:-]+", origin):
                raise ValueError(f"expected origins such as 'https://wiki.example.com', got {origin!r}")
        return origins


class PublishedList(_Section):
    """A list of plays per track that somebody else publishes; `umg reconcile` compares plays with it."""

    file: Path = Field(description="CSV or TSV with a header, relative to UMG_HOME")
    track: str = Field(default="track_id", description="its column with the track id")
    plays: str = Field(default="plays", description="its column with the count")


class Settings(BaseSettings):
    """Every setting, checked; use `read_settings` to read one."""

    model_config = SettingsConfigDict(env_prefix="UMG_", env_nested_delimiter="__", extra="forbid", frozen=True)

    home: Path = Field(description="where everything lies")
    engine: Literal["sail", "spark"] = Field(default="sail", description="sail: embedded, no Java; spark: Apache Spark")
    spark_master: str | None = Field(default=None, description="spark://HOST:PORT of a cluster; default: local")
    spark_remote: str | None = Field(default=None, description="sc://HOST:PORT of a Spark Connect server", repr=False)
    require_spark: bool = Field(default=False, description="tests: a missing Java or jar is a failure")
    time_zone: Annotated[str, AfterValidator(_check_zone)] = Field(
        default="Europe/Vienna", description="reporting time zone: its midnight separates days"
    )
    first_day: date = Field(default=date(2024, 1, 1), description="first local day; earlier plays are quarantined")
    first_delivery: date | None = Field(
        default=None, description="first delivery day (UTC); default: 31 days before first_day"
    )
    markets: tuple[Market, ...] = Field(
        default=("AT", "CH", "CZ", "DE", "HU", "LI", "PL", "SI", "SK"),
        description="markets with a chart: Central Europe",
    )
    correction_days: PositiveInt = Field(
        default=35, description="a play_id again on another local day within so many days corrects the play"
    )
    age_groups: tuple[PositiveInt, ...] = Field(
        default=(13, 18, 25, 35, 45, 55, 65), description="lower bounds, in years; younger users are in none"
    )
    chunk_plays: PositiveInt = Field(default=3_000_000, description="plays written at a time: bounds the memory")
    plots: bool = Field(default=True, description="plots in the metadata of runs, beside the table of the preview")
    charts: Charts = Charts()
    thresholds: Thresholds = Thresholds()
    automation: Automation = Automation()
    freshness: Freshness = Freshness()
    privacy: Privacy = Privacy()
    dashboard: Dashboard = Dashboard()
    owners: tuple[Owner, ...] = Field(
        default=("team:analytics",),
        description="whom Dagster's UI names for every asset: team:NAME or an e-mail address",
    )
    published: tuple[PublishedList, ...] = Field(default=(), description="lists of plays a track to reconcile with")
    plays_from_events: bool | None = Field(
        default=None, description="make plays of play_start and play_end events; default: where no source has plays"
    )
    experiments: dict[str, Experiment] = Field(default={}, description="experiments by name, in [experiments.NAME]")
    sources: Sources = Field(default_factory=lambda: built_in_sources())

    @model_validator(mode="after")
    def _bounds_ascend(self) -> "Settings":
        if list(self.age_groups) != sorted(set(self.age_groups)):
            raise ValueError(f"age_groups: expected ascending lower bounds, got {list(self.age_groups)}")
        if not self.markets:
            raise ValueError("markets: expected at least one, such as 'AT', got []")
        if len(set(self.markets)) < len(self.markets):
            raise ValueError(f"markets: expected each market once, got {list(self.markets)}")
        if self.spark_master and self.spark_remote:
            raise ValueError("spark_remote: expected either it or spark_master, got both: unset one")
        landing, raw = self.privacy.keep_landing_days, self.privacy.keep_raw_days
        if raw and (landing is None or landing > raw):
            raise ValueError(
                f"privacy.keep_raw_days: expected keep_landing_days to be set, and {raw} at most, got {landing}: files "
                "in landing/ hold the same records, and would land again with a changed source"
            )
        check_experiments(self.experiments)
        return self

    @property
    def event_plays(self) -> bool:
        """Whether plays are built from events, too."""
        wanted = not self.sources.plays if self.plays_from_events is None else self.plays_from_events
        return wanted and bool(self.sources.events)

    @property
    def landing(self) -> Path:
        """The directory into which exporters drop their files."""
        return self.home / "landing"

    @property
    def deliveries_from(self) -> date:
        """The first delivery day (UTC) that lands; files delivered earlier wait."""
        return self.first_delivery or self.first_day - timedelta(days=31)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment overrides the file; `home`, passed by the caller, overrides both."""
        home: Path = getattr(init_settings, "init_kwargs", {})["home"]
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home / FILE_NAME)


def built_in_sources() -> Sources:
    """The sources of the generator's files, used when umg.toml names none."""
    text = (importlib.resources.files("umg_assets.generator") / "sources.toml").read_text(encoding="utf-8")
    return Sources.model_validate(tomllib.loads(text)["sources"])


def read_settings(home: Path | None = None) -> Settings:
    """The settings of a UMG_HOME (default: `home_of()`); without an umg.toml, the defaults.

    Raises SettingsError with one line per mistake: where it is, what was expected, what was there, a hint.
    """
    home = home_of(home)
    file = home / FILE_NAME
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        tomllib.loads(text)
        unknown = unknown_variables(Settings)
        settings = None if unknown else Settings(home=home)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(f"{file}:{line}: expected UTF-8, got byte {error.object[error.start]:#04x}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(explain_syntax(file, file.read_text(encoding="utf-8"), error)) from None
    except SourceError as error:
        raise SettingsError(explain_variable(error)) from None
    except ValidationError as error:
        raise SettingsError("\n".join(explain(file, text, detail, Settings) for detail in error.errors())) from None
    if settings is None:
        raise SettingsError("\n".join(unknown))
    return settings
