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
    Field,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as SourceError

from umg_assets.calendar import countries, is_country
from umg_assets.settings.day import Day
from umg_assets.settings.errors import explain_all, explain_variable, unknown_variables
from umg_assets.settings.experiment import Experiment, check_experiments
from umg_assets.settings.groups import (
    Alerts,
    Automation,
    Charts,
    Dashboard,
    FileLimits,
    Freshness,
    Places,
    Privacy,
    PublishedList,
    Thresholds,
)
from umg_assets.settings.home import FILE_NAME, home_of
from umg_assets.settings.sources import Sources
from umg_assets.settings.syntax import explain_syntax
from umg_assets.text import redacted

__all__ = ["FILE_NAME", "Settings", "SettingsError", "built_in_sources", "home_of", "read_settings"]


class SettingsError(ValueError):
    """Mistakes in umg.toml or the environment; the message says where each is and what to do, on a line of its own."""

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))

    @property
    def lines(self) -> list[str]:
        """The message's lines."""
        return str(self).split("\n")


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
    first_day: Day = Field(default=date(2024, 1, 1), description="first local day; earlier plays are quarantined")
    first_delivery: Day | None = Field(
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
    csv_for_spreadsheets: bool = Field(
        default=True, description="CSV: ' before texts that a spreadsheet takes for formulas; JSON, Parquet stay exact"
    )
    charts: Charts = Charts()
    thresholds: Thresholds = Thresholds()
    limits: FileLimits = FileLimits()
    automation: Automation = Automation()
    freshness: Freshness = Freshness()
    privacy: Privacy = Privacy()
    dashboard: Dashboard = Dashboard()
    alerts: Alerts = Alerts()
    places: Places = Places()
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
        if self.places.tables and self.engine == "spark":
            raise ValueError(
                "places.tables: expected engine sail, got spark: in a bucket two of its writers can both write the "
                "same version of a table (delta-spark 4.4), and one of them would be lost"
            )
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


def drop_place(home: Path) -> str:
    """Where exporters drop files, for a sentence: the address of `places.landing`, or UMG_HOME/landing."""
    try:
        address = read_settings(home).places.landing
    except SettingsError:
        address = None
    return address or str(home / "landing")


def built_in_sources() -> Sources:
    """The sources of the generator's files, used when umg.toml names none."""
    text = (importlib.resources.files("umg_assets") / "generator" / "sources.toml").read_text(encoding="utf-8")
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
    except OSError as error:
        raise SettingsError(
            f"{file}: expected a file that this user can read, and it cannot be ({error.strerror}): see what lies "
            "there and to whom it belongs (ls -ld)"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(explain_syntax(file, file.read_text(encoding="utf-8"), error)) from None
    except SourceError as error:
        raise SettingsError(explain_variable(error)) from None
    except ValidationError as error:
        raise SettingsError("\n".join(explain_all(file, text, error.errors(), Settings))) from None
    if settings is None:
        raise SettingsError("\n".join(unknown))
    return settings
