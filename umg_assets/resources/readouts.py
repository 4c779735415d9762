"""Readouts of experiments: made of the evidence that is kept, their looks appended, written as files; decisions."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path
from typing import Any

from umg_assets import tables
from umg_assets.experiments.days import settles_on
from umg_assets.experiments.definition import Experiment
from umg_assets.experiments.evidence_text import from_text
from umg_assets.experiments.looks import Look
from umg_assets.experiments.power import Plan, WindowPlan
from umg_assets.experiments.readout import Readout, make_readout
from umg_assets.experiments.report import to_html
from umg_assets.resources.reading import read_table


class NoReadoutError(RuntimeError):
    """There is nothing to read yet; the message says what to do."""


@dataclass(frozen=True)
class Taken:
    """A readout, the looks that it and those before it took, and what was decided."""

    readout: Readout
    new: tuple[Look, ...]
    decisions: tuple[Mapping[str, Any], ...]


class Readouts:
    """The readouts of a lakehouse, by delta-rs: no engine, no Dagster."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def folder(self, name: str) -> Path:
        """Where an experiment's files are written."""
        return self._home / "exports" / "experiments" / name

    def take(self, name: str, experiment: Experiment, today: date) -> Taken:
        """The readout through the last day of which there is evidence; each settled day before is looked at once.

        Looks are appended to table readouts; one that was taken before is not taken again, and says `restated` where
        its figures have changed. Days after the one with which the experiment ends are not read. Raises NoReadoutError
        when there is no evidence.
        """
        kept = self._kept(name)
        if not kept:
            raise NoReadoutError(
                f"experiment {name}: no day of it is over and has data; it begins on {experiment.first_day}. Drop its "
                "events into landing/ and type `umg run`"
            )
        looks, plan = self.looks(name), self.plan(name)
        new: list[Look] = []
        restated: list[Any] = []
        last: Readout | None = None
        for at, (day, text) in enumerate(kept):
            evidence = from_text(text, settled=today >= settles_on(experiment, day))
            ends = at == len(kept) - 1 or evidence.complete
            last = make_readout(experiment, evidence, (*looks, *new), plan, name=name, full=ends)
            restated += last.restated
            if evidence.settled:
                new += [look for look in last.looks if _comes_after(look, looks)]
            if ends:
                break
        assert last is not None
        last = replace(last, restated=tuple(restated))
        self._append(tables.READOUTS, (_row(name, look) for look in new))
        return Taken(last, tuple(new), tuple(self.decisions(name)))

    def publish(self, name: str, experiment: Experiment, today: date) -> Taken:
        """Takes the readout; writes readout.html and readout.json, with the decisions, into the experiment's folder."""
        taken = self.take(name, experiment, today)
        page = to_html(experiment, taken.readout, self.plan(name))
        plain = json.loads(taken.readout.to_json())
        plain["decisions"] = [{**one, "decided_at": str(one["decided_at"])} for one in taken.decisions]
        page = page.replace("</body>", f"{_decided(taken.decisions)}</body>")
        self.write(name, {"readout.json": json.dumps(plain, indent=2, default=str), "readout.html": page})
        return taken

    def written(self, name: str) -> dict[str, Any] | None:
        """The readout that was written last, as readout.json has it; None before the first."""
        file = self.folder(name) / "readout.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    def _kept(self, name: str) -> list[tuple[date, str]]:
        rows = read_table(self._home, tables.EXPERIMENT_DAYS, [("experiment", "=", name)], ["through_date", "evidence"])
        return sorted((row["through_date"], row["evidence"]) for row in rows.to_pylist())

    def frozen(self, name: str) -> dict[str, Any] | None:
        """The definition kept at the first exposure; None before it."""
        rows = read_table(self._home, tables.EXPERIMENT_DAYS, [("experiment", "=", name)], ["through_date", "frozen"])
        kept = sorted((row["through_date"], row["frozen"]) for row in rows.to_pylist() if row["frozen"])
        return json.loads(kept[0][1]) if kept else None

    def looks(self, name: str) -> list[Look]:
        """The looks that settled readouts have taken, in order."""
        rows = read_table(self._home, tables.READOUTS, [("experiment", "=", name)]).to_pylist()
        found = [json.loads(row["look"]) for row in sorted(rows, key=lambda row: row["taken_at"])]
        looks = [Look(**{**one, "day": date.fromisoformat(one["day"])}) for one in found]
        return sorted(looks, key=lambda look: look.day)

    def plan(self, name: str) -> Plan | None:
        """The plan that `umg experiment plan` kept; None without one."""
        file = self.folder(name) / "plan.json"
        if not file.exists():
            return None
        plain = json.loads(file.read_text(encoding="utf-8"))
        windows = tuple(WindowPlan(**one) for one in plain.pop("windows"))
        target, said = plain.pop("at_target"), tuple(plain.pop("said"))
        return Plan(**plain, windows=windows, at_target=tuple(target) if target else None, said=said)

    def keep_plan(self, name: str, plan: Plan) -> Path:
        """Keeps a plan, which the looks are held to."""
        return self.write(name, {"plan.json": json.dumps(asdict(plan), indent=2)})["plan.json"]

    def decide(self, name: str, experiment: Experiment, verdict: str, by: str, why: str, today: date) -> None:
        """Appends a decision to the log, with the readout that stands. Raises NoReadoutError without one."""
        readout = self.take(name, experiment, today).readout
        said = "; ".join(f"{one.treatment}: {one.decision}" for one in readout.verdicts)
        row = {"verdict": verdict, "decided_by": by, "reason": why, "through_date": readout.through}
        row |= {"experiment": name, "readout_verdict": said, "definition_hash": experiment.definition_hash}
        self._append(tables.DECISIONS, [{**row, "decided_at": datetime.now(UTC)}])

    def decisions(self, name: str) -> list[dict[str, Any]]:
        """What was decided, in order."""
        rows = read_table(self._home, tables.DECISIONS, [("experiment", "=", name)]).to_pylist()
        return sorted(rows, key=lambda row: row["decided_at"])

    def write(self, name: str, files: Mapping[str, str]) -> dict[str, Path]:
        """Writes an experiment's files, each switched whole; returns where they lie."""
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        written = {}
        for file, text in files.items():
            draft = folder / f".{file}"
            draft.write_text(text, encoding="utf-8")
            written[file] = draft.replace(folder / file)
        return written

    def _append(self, table: tables.Table, rows: Iterable[Mapping[str, Any]]) -> None:
        found = list(rows)
        if found:
            from umg_assets.resources.lakehouse import Lakehouse  # imports the engines' client: only for news

            Lakehouse.append(self._home, table, found)


def _decided(decisions: Iterable[Mapping[str, Any]]) -> str:
    """The decision log as HTML; nothing without a decision."""
    lines = "".join(
        f"<li>{one['decided_at']:%Y-%m-%d}: <b>{escape(one['verdict'])}</b>, by {escape(one['decided_by'])}: "
        f"{escape(one['reason'])} (on the readout through {one['through_date']}: {escape(one['readout_verdict'])})</li>"
        for one in decisions
    )
    return f"<h2>Decisions</h2><ul>{lines}</ul>" if lines else ""


def _comes_after(look: Look, taken: Iterable[Look]) -> bool:
    """Whether it is later than every look taken of its metric: alpha that was spent cannot be spent before it."""
    own = (look.metric, look.treatment)
    return all(one.day < look.day for one in taken if (one.metric, one.treatment) == own)


def _row(name: str, look: Look) -> dict[str, Any]:
    text = json.dumps(asdict(look) | {"day": look.day.isoformat()})
    return {"experiment": name, "look": text, "definition_hash": look.definition_hash, "taken_at": datetime.now(UTC)}
