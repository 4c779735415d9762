"""`[experiments.NAME]` of umg.toml: what an experiment is, fixed before its first exposure."""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from umg_assets.calendar import days_between
from umg_assets.settings.day import Day

BUCKETS = 10_000

QUANTITIES: dict[str, str] = {
    "sessions": "sessions, visits without a play included",
    "session_ms": "play time of the sessions, each session capped at the value fixed from the pre-period",
    "listening_ms": "play time, not capped",
    "plays": "plays started",
    "skips": "plays under 30 s",
    "completes": "plays of 95 % of the track or more",
    "returnable": "1 for a user whose first exposed session ended at least 24 h before the data's cut-off, else 0",
    "returned": "1 for a returnable user who began another session within 24 h of that end, else 0",
    "impressions": "loads of Home on which the section was shown",
    "clicks": "taps on the section",
    "section_plays": "plays started from the section that `charts.favourites_section` names",
}
"""What a metric may be made of: whole numbers a user, additive over days (returnable and returned: a user)."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Share = Annotated[float, Field(gt=0, le=1)]
Direction = Literal["increase", "decrease"]


class Metric(_Part):
    """A mean a user (no denominator) or a ratio of two sums over users."""

    numerator: str = Field(description="the quantity that is summed")
    denominator: str | None = Field(default=None, description="the quantity that it is divided by; none: users")
    direction: Direction = Field(default="increase", description="which way is better")
    scale: float = Field(default=1.0, gt=0, description="what a reader sees is the ratio times this: 0.001 for ms in s")
    unit: str = Field(default="", description="of what a reader sees, such as 's' or '%'")


BUILT_IN: dict[str, Metric] = {
    "session_duration": Metric(numerator="session_ms", denominator="sessions", scale=0.001, unit="s"),
    "skip_rate": Metric(numerator="skips", denominator="plays", direction="decrease", scale=100, unit="%"),
    "songs_per_session": Metric(numerator="plays", denominator="sessions"),
    "return_rate": Metric(numerator="returned", denominator="returnable", scale=100, unit="%"),
    "completion_rate": Metric(numerator="completes", denominator="plays", scale=100, unit="%"),
    "listening_per_user": Metric(numerator="listening_ms", scale=0.001, unit="s"),
    "click_through": Metric(numerator="clicks", denominator="impressions", scale=100, unit="%"),
    "section_share": Metric(numerator="section_plays", denominator="plays", scale=100, unit="%"),
}


class Experiment(_Part):
    """One experiment as its owner wrote it down."""

    hypothesis: str = Field(min_length=10, description="what is expected of whom, and why, in a sentence")
    owner: str = Field(min_length=1, description="who decides")
    salt: str = Field(
        min_length=4, pattern=r"^[^:\s]+$", description="of the variant's hash; a new one, a new experiment"
    )
    variants: dict[str, PositiveInt] = Field(description="variant = weight; the first is the control")
    first_day: Day = Field(description="first local day of exposure")
    weeks: PositiveInt = Field(default=2, description="planned whole weeks")
    target_sessions: PositiveInt | None = Field(
        default=None, description="sessions a variant, rounded up to whole weeks"
    )
    traffic: Share = Field(default=1.0, description="share of the users that take part")
    layer: str | None = Field(default=None, min_length=1, description="experiments of a layer share no user")
    traffic_from: float = Field(default=0.0, ge=0, lt=1, description="where this one's traffic begins in its layer")
    holdout: float = Field(default=0.0, ge=0, lt=1, description="share of all users that no experiment takes")
    exposure_event: str | None = Field(
        default="home_loaded", description="both arms log it; none: analysis by assignment over active users"
    )
    primary: tuple[str, ...] = Field(default=("session_duration",), min_length=1, description="success metrics")
    secondary: tuple[str, ...] = Field(
        default=(), description="metrics that explain; one that gets significantly worse makes a win mixed"
    )
    may_worsen: tuple[str, ...] = Field(
        default=(),
        description="secondary metrics that may get worse without making a win mixed",
    )
    guardrails: dict[str, Share] = Field(default={}, description="metric = relative loss that is still acceptable")
    metrics: dict[str, Metric] = Field(default={}, description="metrics beside the built-in ones")
    minimum_effect: Share = Field(default=0.05, description="relative effect on the success metrics worth shipping")
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = Field(default=0.05, description="two-sided error of the verdict")
    one_sided: bool = Field(default=False, description="success metrics can only win: all of alpha is on that side")
    power: Annotated[float, Field(ge=0.5, lt=1)] = Field(default=0.8, description="power at the minimum effect")
    spending: Literal["obrien_fleming", "pocock", "power"] = Field(
        default="obrien_fleming", description="how alpha is spent over the looks"
    )
    spending_exponent: float = Field(default=2.0, gt=0, description="of the power family: alpha * t ** exponent")
    pre_period_days: PositiveInt = Field(default=28, description="days before first_day that covariates are taken from")
    settle_days: int = Field(default=2, ge=0, description="days after which a day's late events are in")

    @field_validator("primary", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if len(self.variants) < 2:
            raise ValueError(f"variants: expected at least two, such as {{ control = 1, b = 1 }}, got {self.variants}")
        if self.traffic_from and self.layer is None:
            raise ValueError("traffic_from: expected a layer beside it; without one every experiment has its own hash")
        if self.traffic_from + self.traffic > 1 + 1e-9:
            raise ValueError(
                f"traffic: expected traffic_from + traffic <= 1, got {self.traffic_from} + {self.traffic}: "
                "a layer has no more users than all"
            )
        for key, name in [
            *(("primary", name) for name in self.primary),
            *(("secondary", name) for name in self.secondary),
            *(("guardrails", name) for name in self.guardrails),
        ]:
            if name not in self.metrics and name not in BUILT_IN:
                known = [*self.metrics, *BUILT_IN]
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"{key}: expected a metric ({', '.join(known)}), got {name!r}{hint}")
        twice = [name for name in self.secondary if name in self.primary]
        if twice or len(set(self.primary)) < len(self.primary):
            raise ValueError(f"secondary: expected each metric once over primary and secondary, got {twice} twice")
        if others := [name for name in self.may_worsen if name not in self.secondary]:
            raise ValueError(f"may_worsen: expected metrics of secondary ({', '.join(self.secondary)}), got {others}")
        return self

    @property
    def control(self) -> str:
        """The first variant."""
        return next(iter(self.variants))

    @property
    def treatments(self) -> tuple[str, ...]:
        """Every variant but the control."""
        return tuple(self.variants)[1:]

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Every metric of the readout, each once: primary, secondary, guardrails."""
        return tuple(dict.fromkeys((*self.primary, *self.secondary, *self.guardrails)))

    def metric(self, name: str) -> Metric:
        """A metric's definition, the experiment's own before a built-in of the same name."""
        return self.metrics.get(name) or BUILT_IN[name]

    @property
    def last_day(self) -> date:
        """The last day of the planned whole weeks."""
        return self.first_day + timedelta(days=7 * self.weeks - 1)

    @property
    def reads_from(self) -> date:
        """The first day of whose plays and events it opens user ids: the day before, as visits run past midnight."""
        return self.first_day - timedelta(days=1)

    def evidence_days(self, today: date) -> list[date]:
        """Its days that are over, in order."""
        return days_between(self.first_day, min(self.last_day, today - timedelta(days=1)))

    def settles_on(self, day: date) -> date:
        """The first day on which one of its days counts as settled: settle_days whole days lie between them."""
        return day + timedelta(days=self.settle_days + 1)

    def is_complete(self, through: date, sessions: Mapping[str, int]) -> bool:
        """Whether it ends with this day: the planned weeks are over, or a whole week with enough sessions a variant."""
        days = (through - self.first_day).days + 1
        if days >= 7 * self.weeks or self.target_sessions is None:
            return days >= 7 * self.weeks
        return days % 7 == 0 and all(sessions.get(name, 0) >= self.target_sessions for name in self.variants)

    @property
    def pre_period(self) -> tuple[date, date]:
        """First and last day of the pre-period."""
        return self.first_day - timedelta(days=self.pre_period_days), self.first_day - timedelta(days=1)

    @property
    def bounds(self) -> dict[str, int]:
        """Variant = its first bucket past the end: buckets below it, and not below the variant before, are its own."""
        total, reached, bounds = sum(self.variants.values()), 0, {}
        for name, weight in self.variants.items():
            reached += weight
            bounds[name] = (2 * BUCKETS * reached + total) // (2 * total)
        return bounds

    @property
    def shares(self) -> dict[str, float]:
        """Variant = its share of the buckets: what the sample ratio is held to."""
        ends = list(self.bounds.values())
        return {
            name: (end - start) / BUCKETS for name, start, end in zip(self.variants, [0, *ends[:-1]], ends, strict=True)
        }

    def frozen(self) -> dict[str, Any]:
        """What must not change after the first exposure, as JSON types: all but the owner.

        one_sided and may_worsen are there only if they are set: definitions that were frozen before there were such
        settings stay valid.
        """
        unset = {name for name in ("one_sided", "may_worsen") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude={"owner", *unset})

    @property
    def definition_hash(self) -> str:
        """SHA-256 (16 hex digits) of `frozen()`."""
        return hashlib.sha256(json.dumps(self.frozen()).encode()).hexdigest()[:16]

    def changes_since(self, frozen: Mapping[str, Any]) -> tuple[str, ...]:
        """What differs from the definition frozen at the first exposure, one `key: was X, is Y` each."""
        now = self.frozen()
        keys = dict.fromkeys((*frozen, *now))
        return tuple(
            f"{key}: was {json.dumps(frozen.get(key))}, is {json.dumps(now.get(key))}"
            for key in keys
            if json.dumps(frozen.get(key)) != json.dumps(now.get(key))
        )


def check_experiments(experiments: Mapping[str, Experiment]) -> None:
    """Holds experiments of umg.toml against each other, and their metrics against QUANTITIES.

    Raises ValueError where a name cannot be a table's, a metric is made of what is not measured, a salt is used twice,
    or two experiments of a layer share users.
    """
    seen: list[tuple[str, Experiment]] = []
    for name, experiment in experiments.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"experiments.{name}: expected a name of small letters, digits and _, got {name!r}")
        _check_quantities(name, experiment)
        for other_name, other in seen:
            _check_apart(name, experiment, other_name, other)
        seen.append((name, experiment))


def _check_quantities(name: str, experiment: Experiment) -> None:
    for metric, parts in experiment.metrics.items():
        for key, quantity in (("numerator", parts.numerator), ("denominator", parts.denominator)):
            if quantity is not None and quantity not in QUANTITIES:
                near = difflib.get_close_matches(quantity, QUANTITIES, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"experiments.{name}.metrics.{metric}.{key}: expected one of {', '.join(QUANTITIES)}, "
                    f"got {quantity!r}{hint}"
                )


def _check_apart(name: str, experiment: Experiment, other_name: str, other: Experiment) -> None:
    if experiment.salt == other.salt:
        raise ValueError(
            f"experiments.{name}.salt: {experiment.salt!r} is {other_name}'s, and would give both the same split: "
            "take another"
        )
    apart = experiment.first_day > other.last_day or other.first_day > experiment.last_day
    ends = experiment.traffic_from + experiment.traffic, other.traffic_from + other.traffic
    disjoint = experiment.traffic_from >= ends[1] - 1e-9 or other.traffic_from >= ends[0] - 1e-9
    if experiment.layer is not None and experiment.layer == other.layer and not apart and not disjoint:
        raise ValueError(
            f"experiments.{name}.traffic_from: shares users of layer {experiment.layer!r} with {other_name} "
            f"({other.traffic_from:g} to {ends[1]:g}): expected traffic_from = {ends[1]:g}, or other days"
        )
