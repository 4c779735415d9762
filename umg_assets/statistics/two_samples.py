"""Power of a t-test of two equally large samples with the same spread, from a mean and a standard deviation alone."""

import math
from dataclasses import dataclass
from typing import Any

import tea_tasting as tt
from tea_tasting.aggr import Aggregates

_FEWEST = 2


@dataclass(frozen=True)
class TwoSamples:
    """A metric as two variants will have it.

    mean, sd: of a user's value, in any unit. alpha: of the test, on one side if `one_sided`, else on both.

    Raises ValueError if the mean is 0 or below, sd is not above 0, or alpha not between 0 and 0.5.
    """

    mean: float
    sd: float
    alpha: float = 0.05
    one_sided: bool = False

    def __post_init__(self) -> None:
        for name, value, most in (("mean", self.mean, math.inf), ("sd", self.sd, math.inf), ("alpha", self.alpha, 0.5)):
            if not 0 < value < most:
                expected = "a number above 0" + (f" and below {most:g}" if math.isfinite(most) else "")
                raise ValueError(f"--{name}: expected {expected}, got {value:g}")

    def users_needed(self, effect: float, power: float) -> int:
        """Users a variant that find a relative effect, at least 2. Raises ValueError if no number of them can."""
        wanted = self._power(power)
        if self.power(effect, _FEWEST) >= wanted:
            return _FEWEST
        return max(_FEWEST, math.ceil(self._solve("n_obs", effect=effect, power=wanted).n_obs / 2))

    def power(self, effect: float, users: int) -> float:
        """The power of so many users a variant. Raises ValueError for an effect of 0, or under 2 users."""
        share = self._solve("power", effect=self._checked(effect), users=users).power
        # scipy's noncentral t has no value far beyond the bound, where the test all but always rejects
        return share if math.isfinite(share) else 1.0

    def detectable(self, users: int, power: float) -> float:
        """The relative effect that so many users a variant find. Raises ValueError for no power, or under 2 users."""
        return self._solve("rel_effect_size", users=users, power=self._power(power)).rel_effect_size

    def _checked(self, effect: float) -> float:
        if not math.isfinite(effect) or effect == 0 or (self.one_sided and effect < 0):
            expected = "a share above 0" if self.one_sided else "a share other than 0"
            raise ValueError(f"--effect: expected {expected}, such as 0.05, got {effect:g}")
        return effect

    def _solve(
        self, parameter: Any, *, effect: float | None = None, users: int | None = None, power: float = 0.8
    ) -> Any:
        if users is not None and users < _FEWEST:
            raise ValueError(f"--users: expected {_FEWEST} or more a variant, got {users}")
        metric = tt.Mean(
            "x",
            alternative="greater" if self.one_sided else "two-sided",
            equal_var=True,
            use_t=True,
            alpha=self.alpha,
            power=power,
            ratio=1,
            rel_effect_size=effect,
            n_obs=2 * users if users is not None else None,
        )
        try:
            data = Aggregates(2 * users if users is not None else 4, {"x": self.mean}, {"x": self.sd**2})
            return metric.solve_power_from_aggregates(data, parameter)[0]
        except (ValueError, RuntimeError, ArithmeticError):
            given = {"--mean": self.mean, "--sd": self.sd, "--effect": effect, "--users": users, "--power": power}
            said = ", ".join(f"{name} {value:g}" for name, value in given.items() if value is not None)
            raise ValueError(f"expected numbers for which the test's power can be calculated, got {said}") from None

    def _power(self, power: float) -> float:
        if not self.alpha < power < 1:
            raise ValueError(
                f"--power: expected a number above alpha ({self.alpha:g}) and below 1, such as 0.8, got {power:g}"
            )
        return power
