"""Two values and their errors compared: Welch's t, and one interval for the difference and for the ratio.

The ratio's interval is Fieller's: it holds 1 exactly if the test of the difference does not reject, so that a sentence,
a table and a verdict cannot disagree (Fieller 1954, Some Problems in Interval Estimation, JRSS B 16(2); Hirschberg, Lye
2010, A Geometric Comparison of the Delta and Fieller Confidence Intervals, The American Statistician 64(3)).
"""

import math
from dataclasses import dataclass

from scipy.stats import norm, t

LARGEST_Z = 37.0
"""The largest whole z whose norm.sf is not 0."""


@dataclass(frozen=True)
class Comparison:
    """Two independent values, normal around what they estimate.

    control, treatment: the values. errors: their standard errors (control, treatment). df: degrees of freedom of both
    errors together.
    """

    control: float
    treatment: float
    errors: tuple[float, float]
    df: float

    @classmethod
    def of(cls, values: tuple[float, float], variances: tuple[float, float], counts: tuple[int, int]) -> "Comparison":
        """From the variances of the values and the numbers of users behind them; df by Welch and Satterthwaite."""
        both = sum(variances)
        parts = sum(variance * variance / (count - 1) for variance, count in zip(variances, counts, strict=True))
        return cls(
            *values, (math.sqrt(variances[0]), math.sqrt(variances[1])), both * both / parts if parts else math.nan
        )

    def statistic(self, ratio: float = 1.0) -> float:
        """Of treatment - ratio * control over its standard error; 1 for the ratio tests the difference."""
        return (self.treatment - ratio * self.control) / math.hypot(self.errors[1], ratio * self.errors[0])

    def z(self, ratio: float = 1.0) -> float:
        """The normal quantile with the tail that `statistic` has under t."""
        statistic = self.statistic(ratio)
        return math.copysign(min(float(norm.isf(t.sf(abs(statistic), self.df))), LARGEST_Z), statistic)

    def quantile(self, bound: float) -> float:
        """The t quantile with the tail of a normal bound."""
        return float(t.isf(norm.sf(bound), self.df))

    def difference_interval(self, bound: float) -> tuple[float, float]:
        """Of treatment - control, as wide as a normal bound, with t."""
        difference, half = self.treatment - self.control, self.quantile(bound) * math.hypot(*self.errors)
        return difference - half, difference + half

    def relative_interval(self, bound: float) -> tuple[float, float]:
        """Of treatment / control - 1, as wide as a normal bound, with t (Fieller).

        NaN where there is none: the control is not above 0 by that bound.
        """
        squares = [(self.quantile(bound) * error) ** 2 for error in self.errors]
        scale = self.control**2 - squares[0]
        if self.control <= 0 or scale <= 0:
            return math.nan, math.nan
        root = math.sqrt(max(squares[1] * scale + squares[0] * self.treatment**2, 0.0))
        middle = self.treatment * self.control
        return (middle - root) / scale - 1, (middle + root) / scale - 1
