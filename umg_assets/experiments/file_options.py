"""What `umg experiment analyze` is asked: metrics, margins, caps, the control; and the definition that they make."""

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pydantic import ValidationError

from umg_assets.settings.experiment import BUILT_IN, Experiment, Metric

ROWS = "1"
"""As a numerator or denominator: the number of the unit's rows."""
_CONTROLS = ("control", "ctrl", "baseline", "a", "0", "off", "false")
"""Names that say control, in any case; what begins with the first of them does as well."""
_NO_DATE = date(2000, 1, 1)


class FileError(ValueError):
    """A file cannot be analysed as requested; the message says what was expected, what came instead, and where."""


@dataclass(frozen=True)
class MetricOption:
    """NAME=numerator[/denominator] over a file's columns.

    name: the metric's. numerator, denominator: columns, or ROWS; without a denominator, the metric is a mean per unit.
    """

    name: str
    numerator: str
    denominator: str | None

    @classmethod
    def parse(cls, text: str) -> "MetricOption":
        """The option from its text. Raises FileError if the text is not NAME=numerator[/denominator]."""
        match = re.fullmatch(r"\s*([^=\s]+)\s*=\s*([^/]+?)\s*(?:/\s*([^/]+?)\s*)?", text)
        if not match:
            raise FileError(f"expected NAME=numerator[/denominator], such as duration=seconds/1, got {text!r}")
        return cls(match[1], match[2], match[3])


@dataclass(frozen=True)
class Control:
    """The variant that the others are compared with. name: its name. why: how it was chosen, in a sentence."""

    name: str
    why: str


def parse_numbers(option: str, texts: Iterable[str], names: Iterable[str]) -> dict[str, float]:
    """NAME=NUMBER of an option, by name.

    Raises FileError if a text is not NAME=NUMBER, the number is not finite, or a name is unknown or there twice.
    """
    numbers: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise FileError(f"{option}: expected NAME=NUMBER, such as crash_rate=0.02, got {text!r}")
        if name in numbers:
            raise FileError(f"{option}: expected each metric once, got {name} twice")
        numbers[name] = value
    check_names(option, numbers, names)
    return numbers


def check_names(option: str, given: Iterable[str], names: Iterable[str]) -> None:
    """Raises FileError if an option names a metric that --metric does not."""
    known = list(names)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise FileError(f"{option}: expected a name of --metric ({', '.join(known)}), got {name!r}{hint}")


def ordered(variants: Iterable[str]) -> tuple[str, ...]:
    """Variants as people count: v2 before v10; the one whose name says control first."""
    names = sorted(variants, key=lambda name: [(part.isdigit(), int(part) if part.isdigit() else 0, part)
                                               for part in re.split(r"([0-9]+)", name)])  # fmt: skip
    by_name = _named_control(names)
    return tuple(sorted(names, key=lambda name: name != by_name))


def control_of(variants: Sequence[str], given: str | None) -> Control:
    """The control: the given one; else the one whose name says so; else the first of names that differ in a number.

    Raises FileError if it can only be guessed, as of old and new.
    """
    if given is not None:
        if given not in variants:
            raise FileError(f"--control: expected one of {', '.join(variants)}, got {given!r}")
        return Control(given, f"{given} is the control, as --control says.")
    if (name := _named_control(variants)) is not None:
        return Control(name, f"{name} is taken as the control, by its name; --control NAME takes another.")
    if len({re.sub(r"[0-9]+", "#", name) for name in variants}) == 1 or _letters(variants):
        return Control(
            variants[0],
            f"{variants[0]} is taken as the control, as the first in order: no name says control. --control NAME takes "
            "another.",
        )
    raise FileError(f"--control: expected the name of the control, got none, and none of {', '.join(variants)} says so")


def _letters(variants: Sequence[str]) -> bool:
    return all(re.fullmatch(r"[a-z]", name.lower()) for name in variants)


def _named_control(variants: Iterable[str]) -> str | None:
    names = {name.strip().lower(): name for name in variants}
    for control in _CONTROLS:
        if control in names:
            return names[control]
        begins = [name for plain, name in names.items() if control == _CONTROLS[0] and plain.startswith(control)]
        if len(begins) == 1:
            return begins[0]
    return None


def experiment_of(
    metrics: Sequence[MetricOption],
    variants: Mapping[str, int],
    minimum_effect: float,
    alpha: float,
    *,
    lower_is_better: Sequence[str] = (),
    guardrails: Mapping[str, float] | None = None,
    may_worsen: Sequence[str] = (),
    one_sided: bool = False,
    days: tuple[date, date] | None = None,
) -> Experiment:
    """The definition by which a file is read: the first metric that is no guardrail decides.

    variants: name = weight of the planned split, the control first. days: the file's first and last; without any, its
    dates are placeholders that no page shows. A metric named as a built-in one has that one's direction. may_worsen:
    metrics that decide nothing and may get worse beside a win.

    Raises FileError if a metric is there twice, or if a number is out of its range.
    """
    guardrails = guardrails or {}
    names = [option.name for option in metrics]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise FileError(f"--metric: expected each name once, got {', '.join(twice)} twice")
    check_names("--lower-is-better", lower_is_better, names)
    check_names("--guardrail", guardrails, names)
    _check_range("--alpha", alpha, 0.5, "below 0.5: the error that is accepted, such as 0.05, not the confidence")
    _check_range("--minimum-effect", minimum_effect, 1.0, "up to 1: a share of the control's value, such as 0.05")
    for name, margin in guardrails.items():
        _check_range(f"--guardrail {name}", margin, 1.0, "up to 1: the relative loss that is acceptable, such as 0.02")
    deciding = [name for name in names if name not in guardrails]
    if not deciding:
        raise FileError("--guardrail: expected a --metric that is no guardrail, and decides, got none")
    if others := [name for name in may_worsen if name not in deciding[1:]]:
        known = ", ".join(deciding[1:]) or "there is none"
        raise FileError(f"--may-worsen: expected a --metric that decides nothing ({known}), got {others[0]!r}")
    lowered = {name for name in names if name in lower_is_better or _falls(name)}
    first, last = days or (_NO_DATE, _NO_DATE)
    try:
        return Experiment(
            hypothesis="a file's variants differ",
            owner="whoever asks",
            salt="file",
            variants=dict(variants),
            first_day=first,
            weeks=max(((last - first).days + 7) // 7, 1),
            primary=(deciding[0],),
            secondary=tuple(deciding[1:]),
            guardrails=dict(guardrails),
            may_worsen=tuple(may_worsen),
            metrics={
                option.name: Metric(
                    numerator=option.numerator,
                    denominator=option.denominator,
                    direction="decrease" if option.name in lowered else "increase",
                )
                for option in metrics
            },
            minimum_effect=minimum_effect,
            alpha=alpha,
            one_sided=one_sided,
        )
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
        raise FileError("; ".join(faults)) from None


def _falls(name: str) -> bool:
    return name in BUILT_IN and BUILT_IN[name].direction == "decrease"


def _check_range(option: str, value: float, most: float, expected: str) -> None:
    inside = 0 < value < most or (value == most and most == 1)
    if not inside:
        raise FileError(f"{option}: expected a number above 0 and {expected}, got {value:g}")
