"""The sections of umg.toml beside sources and experiments: a class each, every setting with its default and check."""

import re
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
    field_validator,
    model_validator,
)

from umg_assets.files.limits import Limits
from umg_assets.text import redacted

Percent = Annotated[int, Field(ge=1, le=100)]
Address = Annotated[str, Field(pattern=r"^[^@\s<>,]+@[^@\s<>,]+$")]


def _check_variable(name: str) -> str:
    if name.startswith("UMG_") or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"expected the name of an environment variable (UMG_... are settings), got {name!r}")
    return name


Variable = Annotated[str, AfterValidator(_check_variable)]


def _check_bucket(address: str) -> str:
    if not re.fullmatch(r"(s3|gs|abfss?)://[^/@?#\s]+(@[^/@?#\s]+)?(/[^?#]*)?", address) or (
        "@" in address and not address.startswith("abfs")
    ):
        raise ValueError(
            "expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX, "
            f"without a key or a password, got {redacted(address)!r}"
        )
    scheme, _, rest = address.rstrip("/").partition("://")
    if "%" in rest or {"", ".", ".."} & {*rest.split("/")}:
        raise ValueError(
            f"expected {scheme}://BUCKET/PREFIX, in PREFIX no %, no empty part and neither . nor .., got "
            f"{redacted(address)!r}"
        )
    return f"{'abfss' if scheme == 'abfs' else scheme}://{rest}"


Bucket = Annotated[str, AfterValidator(_check_bucket)]


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


class FileLimits(_Section):
    """What no landing file may cost more than."""

    record_mib: PositiveInt = Field(default=16, description="a longer record is set aside as too_large")
    columns: PositiveInt = Field(default=10_000, description="a file with more is refused")
    unpacked_mib: PositiveInt = Field(
        default=1024, description="a file that unpacks to more is refused, if unpacked_times does not allow it"
    )
    unpacked_times: PositiveInt = Field(default=200, description="so many times its own size a file may unpack to")

    @property
    def in_bytes(self) -> Limits:
        """The limits as parse_file takes them."""
        return Limits(self.record_mib << 20, self.columns, self.unpacked_mib << 20, self.unpacked_times)


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
    pseudonyms: bool = Field(
        default=True, description="from plays on, ids of plays and sessions that contain the user's id are keyed hashes"
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


class Places(_Section):
    """What lies in a bucket beside UMG_HOME. Who may, the environment says (AWS_ACCESS_KEY_ID, ...), or the machine."""

    landing: Bucket | None = Field(default=None, description="bucket and prefix from which landing/ is fetched")
    tables: Bucket | None = Field(default=None, description="bucket and prefix under which the tables lie")
    exports: Bucket | None = Field(default=None, description="bucket and prefix to which each set of exports goes, too")


class Alerts(_Section):
    """Who is told of failed runs, red checks, old data and held files: once, and once when it is mended."""

    command: tuple[str, ...] = Field(
        default=(), description="program and its arguments, started without a shell; reads JSON from standard input"
    )
    webhook: str | None = Field(
        default=None, pattern=r"^https?://\S+$", repr=False, description="address to which JSON is posted"
    )
    webhook_header: str = Field(
        default="Authorization", pattern=r"^[A-Za-z0-9-]+$", description="header that carries the webhook's secret"
    )
    webhook_secret_from: Variable | None = Field(
        default=None, description="environment variable that holds the header's value"
    )
    smtp_host: str | None = Field(default=None, description="server that sends e-mail")
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = Field(default=587, description="its port")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="tls: from the first byte; none: in clear, without a password"
    )
    smtp_user: str | None = Field(default=None, description="who signs in there; default: nobody does")
    smtp_password_from: Variable | None = Field(
        default=None, description="environment variable that holds the password"
    )
    mail_from: Address | None = Field(default=None, description="sender of the e-mail")
    mail_to: tuple[Address, ...] = Field(default=(), description="its recipients")
    timeout_seconds: Annotated[float, Field(gt=0, le=30)] = Field(
        default=5, description="a receiver that takes longer is tried again at the next turn"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> "Alerts":
        if self.smtp_host and not (self.mail_from and self.mail_to):
            raise ValueError("smtp_host: expected mail_from and mail_to beside it")
        if self.smtp_user and not self.smtp_password_from:
            raise ValueError("smtp_user: expected smtp_password_from, the environment variable with the password")
        if self.smtp_user and self.smtp_security == "none":
            raise ValueError("smtp_security: expected 'starttls' or 'tls' where smtp_user signs in, got 'none'")
        return self


class PublishedList(_Section):
    """A list of plays per track that somebody else publishes; `umg reconcile` compares plays with it."""

    file: Path = Field(description="CSV or TSV with a header, relative to UMG_HOME")
    track: str = Field(default="track_id", description="its column with the track id")
    plays: str = Field(default="plays", description="its column with the count")
