"""`python -m bench.experiments` (`make bench-experiments`): readouts of experiments whose truth is known.

Experiments are drawn at random (drawing.py) and read out once a day by the function that the lakehouse uses. A figure
passes if it is within the central 99.9 % of the binomial distribution around its target; otherwise the exit code is 1.
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices of 200 by 200: threads cost more than they gain

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import _distn_infrastructure as scipy_frozen
from scipy.stats import binom

from bench.drawing import World, definition, draw, evidences, past_window
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.power import Plan, make_plan
from umg_assets.statistics.readout import make_readout
from umg_assets.statistics.trust import ALARM, sample_ratio_p

CHUNK = 100
CONFIDENCE = 0.999


@dataclass(frozen=True)
class Outcome:
    """The outcome of one experiment's readouts, over its days and at the end."""

    rejected: bool  # the test at the end, as if nobody had looked before
    crossed: bool  # a bound, at any look
    wrong_way: bool  # a bound, against the true effect
    peeked: bool  # p < alpha of the user-level test on any day
    always: bool  # the always-valid interval left 0 out on any day
    covered: bool  # the interval at the end holds the truth
    covered_at_stop: bool  # the bound's interval at the first crossing, else at the end, holds the truth
    always_covered: bool  # the always-valid interval holds the truth on every day
    sample_ratio: bool  # alarm at the end
    held: bool  # at the end
    held_ever: bool
    sessions_t: bool  # p < alpha of the t-test over sessions
    sessions_rank: bool  # of Mann-Whitney over sessions
    users_rank: bool  # of Mann-Whitney over users
    shipped: bool  # the verdict at the first crossing, else at the end
    looks: int


def run_experiment(
    experiment: Experiment, plan: Plan | None, world: World, lift: float, rng: np.random.Generator
) -> Outcome:
    """Draws an experiment and reads it out every day."""
    looks, days, stop = [], [], None
    for evidence in evidences(draw(world, lift, rng)):
        readout = make_readout(experiment, evidence, looks, plan, full=evidence.complete)
        looks += readout.looks
        days.append(readout)
        if stop is None and any(look.crossed for look in readout.looks):
            stop = readout
    last = days[-1]
    row, stopped = last.rows[0], (stop or last)
    at_stop = stopped.rows[0]
    ranks = {test.unit: test.p for test in last.ranks}
    signs = [look.crossed for look in looks if look.crossed]
    alpha = experiment.alpha
    return Outcome(
        rejected=row.effect.p < alpha,
        crossed=bool(signs),
        wrong_way=bool(signs) and lift > 0 and signs[0] < 0,
        peeked=any(day.rows[0].effect.p < alpha for day in days),
        always=any(day.rows[0].always_p < alpha for day in days),
        covered=row.effect.relative_lower <= lift <= row.effect.relative_upper,
        covered_at_stop=at_stop.lower <= lift <= at_stop.upper,
        always_covered=all(day.rows[0].always_lower <= lift <= day.rows[0].always_upper for day in days),
        sample_ratio=sample_ratio_p(last.exposed, experiment.shares) < ALARM,
        held=last.held,
        held_ever=any(day.held for day in days),
        sessions_t=last.literal[0].t_p < alpha,
        sessions_rank=ranks["session"] < alpha,
        users_rank=ranks["user"] < alpha,
        shipped=stopped.verdicts[0].decision == "ship",
        looks=len(looks),
    )


def run_chunk(experiment: Experiment, plan: Plan | None, world: World, lift: float, seeds: Sequence[Any]) -> np.ndarray:
    """The outcomes of a chunk: one row for each experiment, with the fields of Outcome as columns."""
    with _shared_distributions():
        generators = (np.random.default_rng(seed) for seed in seeds)
        outcomes = [run_experiment(experiment, plan, world, lift, rng) for rng in generators]
        return np.array([list(asdict(outcome).values()) for outcome in outcomes], dtype=float)


@contextmanager
def _shared_distributions() -> Iterator[None]:
    """Within this context, frozen scipy distributions share the original, whose copy takes 0.7 ms each time."""

    def share(self: Any, dist: Any, *args: Any, **kwds: Any) -> None:
        self.args, self.kwds, self.dist = args, kwds, dist
        self.a, self.b = dist._get_support(*dist._parse_args(*args, **kwds)[0])

    kinds = scipy_frozen.rv_frozen, scipy_frozen.rv_continuous_frozen
    before = [kind.__dict__.get("__init__") for kind in kinds]
    for kind in kinds:
        kind.__init__ = share
    try:
        yield
    finally:
        for kind, init in zip(kinds, before, strict=True):
            if init is None:
                del kind.__init__
            else:
                kind.__init__ = init


def run_many(
    experiment: Experiment, plan: Plan | None, world: World, lift: float, count: int, seed: int, processes: int
) -> Iterator[np.ndarray]:
    """Outcomes in chunks. The same seed gives the same experiments, with any number of processes."""
    seeds = np.random.SeedSequence(seed).spawn(count)
    chunks = [seeds[at : at + CHUNK] for at in range(0, count, CHUNK)]
    run = partial(run_chunk, experiment, plan, world, lift)
    if processes == 1:
        yield from map(run, chunks)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run, chunks)


def limits(target: float, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The central binomial limits of a share over `count` experiments whose true value is `target`."""
    tail = (1 - confidence) / 2
    low, high = binom.ppf([tail, 1 - tail], count, target) / count
    return float(low), float(high)


@dataclass(frozen=True)
class Line:
    """A measured share and its limits; without limits it is only printed."""

    name: str
    share: float
    count: int
    low: float = math.nan
    high: float = math.nan

    @property
    def passed(self) -> bool:
        """Whether the share is within its limits."""
        return not (self.share < self.low or self.share > self.high)


FIELDS = list(Outcome.__dataclass_fields__)


def null_lines(outcomes: np.ndarray, alpha: float) -> list[Line]:
    """The lines for experiments without an effect."""
    count, share = len(outcomes), dict(zip(FIELDS, outcomes.mean(axis=0).tolist(), strict=True))
    low, high = limits(alpha, count)
    return [
        Line("error of the test at the end", share["rejected"], count, low, high),
        Line("error under daily looks", share["crossed"], count, limits(0.035, count)[0], high),
        Line("coverage at the end", share["covered"], count, 1 - high, 1 - low),
        Line("coverage of the bound's interval when it stops", share["covered_at_stop"], count, 1 - high, 1),
        Line("coverage of the always-valid interval, every day", share["always_covered"], count, 1 - high, 1),
        Line("Mann-Whitney over users", share["users_rank"], count, low, high),
        Line("sample-ratio alarms at the end", share["sample_ratio"], count, *limits(ALARM, count)),
        Line("held at the end", share["held"], count, 0, limits(0.01, count)[1]),
        Line("held on any of 14 days", share["held_ever"], count, 0, limits(0.01, count)[1]),
        Line("naive: t-test over sessions", share["sessions_t"], count),
        Line("naive: Mann-Whitney over sessions", share["sessions_rank"], count),
        Line("naive: the user-level test, looked at daily", share["peeked"], count),
    ]


def effect_lines(outcomes: np.ndarray, power: float, alpha: float) -> list[Line]:
    """The lines for experiments with the effect that the plan promises to detect."""
    count, share = len(outcomes), dict(zip(FIELDS, outcomes.mean(axis=0).tolist(), strict=True))
    low, high = limits(alpha, count)
    return [
        Line("power at the planned effect, daily looks", share["crossed"], count, *limits(power, count)),
        Line("coverage at the end, with an effect", share["covered"], count, 1 - high, 1 - low),
        Line("coverage when it stops, with an effect", share["covered_at_stop"], count, 1 - high, 1),
        Line("a bound crossed against the effect", share["wrong_way"], count, 0, limits(alpha / 2, count)[1]),
        Line("shipped", share["shipped"], count),
    ]


MISFITS = {"far too small": 0.4, "far too large": 0.005}
"""Plans that do not fit FEW users: the minimum effect that each is made for."""
FEW = World(users=150)


def misfit_lines(count: int, seed: int, processes: int) -> list[Line]:
    """The lines for experiments without an effect over few users, measured against a plan that does not fit."""
    lines = []
    for name, minimum_effect in MISFITS.items():
        experiment = definition(minimum_effect=minimum_effect)
        outcomes = np.concatenate(list(run_many(experiment, None, FEW, 0.0, count, seed, processes)))
        shipped = float(outcomes[:, FIELDS.index("shipped")].mean())
        high = limits(experiment.alpha, count)[1]
        lines.append(Line(f"shipped without an effect, plan {name}", shipped, count, 0, high))
    return lines


def split_lines(count: int, rng: np.random.Generator) -> list[Line]:
    """The line for sample-ratio alarms over fair splits of 1,000 to 100,000 users into two or three variants."""
    alarms = 0
    for at in range(count):
        users, weights = int(10 ** rng.uniform(3, 5)), (0.5, 0.5) if at % 2 else (0.3333, 0.3334, 0.3333)
        names = [str(number) for number in range(len(weights))]
        drawn = dict(zip(names, rng.multinomial(users, weights).tolist(), strict=True))
        alarms += sample_ratio_p(drawn, dict(zip(names, weights, strict=True))) < ALARM
    return [Line("sample-ratio alarms over fair splits", alarms / count, count, *limits(ALARM, count))]


def show(lines: Sequence[Line], console: Console) -> None:
    """Prints the lines as a table."""
    table = Table("figure", "measured", "limits (99.9 %)", "experiments", "")
    for line in lines:
        bounds = "" if math.isnan(line.low) else f"{line.low:.2%} to {line.high:.2%}"
        mark = "" if not bounds else "passed" if line.passed else "FAILED"
        table.add_row(line.name, f"{line.share:.2%}", bounds, f"{line.count:,}", mark)
    console.print(table)


def bench(
    experiments: Annotated[int, typer.Option(help="Experiments without an effect.")] = 20_000,
    effects: Annotated[int, typer.Option(help="Experiments with the planned effect.")] = 4_000,
    misfits: Annotated[int, typer.Option(help="Experiments under each plan that does not fit.")] = 2_000,
    splits: Annotated[int, typer.Option(help="Fair splits.")] = 200_000,
    seed: Annotated[int, typer.Option(help="The same seed draws the same experiments.")] = 7,
    processes: Annotated[int, typer.Option(help="At a time.")] = os.cpu_count() or 1,
    file: Annotated[Path, typer.Option("--json", help="Where the figures are written.")] = Path(
        "bench_experiments.json"
    ),
) -> None:
    """Draws experiments whose truth is known and compares the outcomes of their readouts with limits."""
    console, world, started = Console(), World(), time.monotonic()
    rng = np.random.default_rng(seed)
    plan = make_plan(definition(), [past_window(world, 200, rng)])
    window = plan.windows[0]
    experiment = definition(minimum_effect=window.detectable)
    console.print(
        f"A variant has {window.users:,} users with {window.sessions:,} sessions: the plan detects "
        f"{window.detectable:.1%} with {experiment.power:.0%} power; a formula over sessions promises "
        f"{window.naive:.1%}."
    )
    lines = split_lines(splits, rng) if splits else []
    lines += misfit_lines(misfits, seed, processes) if misfits else []
    for count, lift in ((experiments, 0.0), (effects, window.detectable)):
        outcomes: list[np.ndarray] = []
        for chunk in run_many(experiment, plan, world, lift, count, seed + int(lift > 0), processes):
            outcomes.append(chunk)
            done = len(outcomes) * CHUNK
            print(f"\r{done:,} of {count:,}, {time.monotonic() - started:.0f} s", end="", file=sys.stderr, flush=True)
            if done % 2_000 == 0 or done >= count:
                so_far = np.concatenate(outcomes)
                now = null_lines(so_far, experiment.alpha) if not lift else effect_lines(so_far, experiment.power, 0.05)
                file.write_text(json.dumps([asdict(line) for line in (*lines, *now)], indent=1))
        if outcomes:
            table = np.concatenate(outcomes)
            lines += null_lines(table, 0.05) if not lift else effect_lines(table, experiment.power, 0.05)
    print(file=sys.stderr)
    show(lines, console)
    raise typer.Exit(0 if all(line.passed for line in lines) else 1)


if __name__ == "__main__":
    typer.run(bench)
