"""Every command's help can be printed, and the plan without a lakehouse."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from statsmodels.stats.power import TTestIndPower

from umg_assets.cli.main import app, main


def commands(command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command and group."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


@pytest.fixture
def umg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`umg ARGUMENTS`, in this process: its exit code, and what it prints."""
    monkeypatch.setenv("UMG_HOME", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["umg", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(str(ended.value.code)), printed.out, printed.err

    return run


def test_every_command_prints_its_help(umg):
    paths = list(commands(typer.main.get_command(app)))
    assert ("experiment", "analyze") in paths
    for path in paths:
        code, printed, error = umg(*path, "--help")
        assert (code, error) == (0, ""), path
        assert "Usage: umg" in printed


def test_the_plan_without_a_lakehouse_is_that_of_statsmodels(umg):
    for alternative, flag in (("two-sided", ()), ("larger", ("--one-sided",))):
        size, needed = 0.05 * 310 / 420, TTestIndPower().solve_power
        n = float(needed(effect_size=size, alpha=0.05, power=0.8, ratio=1, alternative=alternative))
        power = TTestIndPower().power(effect_size=size, nobs1=5_000, alpha=0.05, ratio=1, alternative=alternative)
        small = float(needed(nobs1=5_000, alpha=0.05, power=0.8, ratio=1, alternative=alternative))
        base = ("experiment", "plan", "--mean", "310", "--sd", "420", *flag)
        users = int(umg(*base, "--effect", "0.05")[1].split()[0].replace(",", ""))
        assert users == pytest.approx(n, abs=1)
        assert f"{power:.1%} power" in umg(*base, "--effect", "0.05", "--users", "5000")[1]
        assert f"{small * 420 / 310:.2%} is found" in umg(*base, "--users", "5000")[1]


@pytest.mark.parametrize("effect", ["2", "5", "8", "50", "1e6"])
def test_an_effect_that_two_users_show_needs_no_more_than_two_users(umg, effect: str):
    base = ("experiment", "plan", "--mean", "5", "--sd", "1", "--effect", effect)
    assert umg(*base)[1].startswith("2 users a variant")
    share = float(umg(*base, "--users", "2")[1].split("%")[0])
    assert 99 < share <= 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "expected NAME, or --mean"),
        (("--mean", "3"), "standard deviation"),
        (("--mean", "3", "--sd", "1", "--effect", "0"), "--effect: expected a share other than 0"),
        (("--mean", "0", "--sd", "1", "--effect", "0.1"), "--mean: expected a number above 0"),
        (("--mean", "3", "--sd", "1", "--effect", "0.1", "--alpha", "0.9"), "--alpha: expected"),
        (("--mean", "3", "--sd", "1"), "expected --effect, --users or both"),
        (
            ("--mean", "5", "--sd", "1", "--effect", ".1", "--power", "0.01"),
            "--power: expected a number above alpha (0.05)",
        ),
        (("--mean", "5", "--sd", "1", "--users", "9", "--power", "1"), "--power: expected a number above alpha (0.05)"),
        (("--mean", "5", "--sd", "1", "--effect", "1e-300"), "expected numbers for which the test's power can be"),
        (("--mean", "1e-300", "--sd", "1e300", "--users", "9"), "expected numbers for which the test's power can be"),
    ],
)
def test_a_plan_that_cannot_be_made_says_what_it_needs(umg, options: tuple[str, ...], message: str):
    code, _, error = umg("experiment", "plan", *options)
    assert code == 2
    assert message in re.sub(r"\s+", " ", error)
