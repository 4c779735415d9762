"""Readouts of experiments: computed from stored evidence, their looks logged, written as files; and decisions."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from umg_assets import clock, tables
from umg_assets.experiments.evidence_text import from_text
from umg_assets.experiments.look_log import LookLog
from umg_assets.experiments.page import PAGE, VIEW, render_page
from umg_assets.experiments.report import to_view
from umg_assets.resources.appending import append_rows
from umg_assets.resources.reading import read_table
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.look_session import Restated
from umg_assets.statistics.looks import Look
from umg_assets.statistics.power import Plan, WindowPlan
from umg_assets.statistics.readout import Readout, make_readout


class NoReadoutError(RuntimeError):
    """An experiment has no evidence yet; the message says what to do."""


@dataclass(frozen=True)
class Taken:
    """A readout as it was taken.

    readout: through the last day with evidence; `restated` holds that of every day read on the way.
    new: the looks that were appended to the log, of any of those days.
    decisions: the rows of table decisions, in order.
    """

    readout: Readout
    new: tuple[Look, ...]
    decisions: tuple[Mapping[str, Any], ...]


class Readouts:
    """The readouts of a lakehouse's experiments, read and written by delta-rs: no engine, no Dagster."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def folder(self, name: str) -> Path:
        """The folder of an experiment's files."""
        return self._home / "exports" / "experiments" / name

    def take(self, name: str, experiment: Experiment, today: date) -> Taken:
        """The readout through the last day that has evidence; each settled day up to it is looked at once.

        New looks are appended to table readouts. A look taken before stays as it was: if its figures have changed, the
        readout lists it as `restated`. Days after the one that completes the experiment are not read. Readouts of an
        experiment wait for each other. Raises NoReadoutError when there is no evidence.
        """
        with LookLog(self._home, name).lock():
            return self._take(name, experiment, today)

    def publish(self, name: str, experiment: Experiment, today: date) -> Taken:
        """Takes the readout; writes readout.json, VIEW and PAGE, with the decisions, into the experiment's folder."""
        with LookLog(self._home, name).lock():
            taken = self._take(name, experiment, today)
            view = to_view(experiment, taken.readout, self.plan(name), taken.decisions)
            plain = json.loads(taken.readout.to_json())
            plain["decisions"] = [
                {**decision, "decided_at": str(decision["decided_at"])} for decision in taken.decisions
            ]
            readout = json.dumps(plain, indent=2, default=str)
            self.write(name, {"readout.json": readout, VIEW: json.dumps(view, indent=2), PAGE: render_page(view)})
        return taken

    def _take(self, name: str, experiment: Experiment, today: date) -> Taken:
        """As `take`, for a caller that holds the lock."""
        rows = read_table(self._home, tables.EXPERIMENT_DAYS, [("experiment", "=", name)], ["through_date", "evidence"])
        days = sorted((row["through_date"], row["evidence"]) for row in rows.to_pylist())
        if not days:
            raise NoReadoutError(
                f"experiment {name}: no day of it is over and has data; it begins on {experiment.first_day}. Drop its "
                "events into landing/ and type `umg run`"
            )
        log, plan = LookLog(self._home, name), self.plan(name)
        before = log.read()
        new: list[Look] = []
        restated: list[Restated] = []
        readout: Readout | None = None
        for position, (day, text) in enumerate(days):
            evidence = from_text(text, settled=today >= experiment.settles_on(day))
            is_last = position == len(days) - 1 or evidence.complete
            readout = make_readout(experiment, evidence, (*before, *new), plan, name=name, full=is_last)
            restated += readout.restated
            if evidence.settled:
                new += [look for look in readout.looks if _comes_after(look, before)]
            if is_last:
                break
        assert readout is not None
        readout = replace(readout, restated=tuple(restated))
        log.append(new)
        return Taken(readout, tuple(new), tuple(self.decisions(name)))

    def written(self, name: str) -> dict[str, Any] | None:
        """The latest published readout, as in readout.json; None before the first."""
        file = self.folder(name) / "readout.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    def frozen(self, name: str) -> dict[str, Any] | None:
        """The definition kept at the first exposure; None before it."""
        rows = read_table(self._home, tables.EXPERIMENT_DAYS, [("experiment", "=", name)], ["through_date", "frozen"])
        definitions = sorted((row["through_date"], row["frozen"]) for row in rows.to_pylist() if row["frozen"])
        return json.loads(definitions[0][1]) if definitions else None

    def looks(self, name: str) -> list[Look]:
        """The looks that settled readouts have taken, ordered by day."""
        return LookLog(self._home, name).read()

    def plan(self, name: str) -> Plan | None:
        """The plan that `umg experiment plan --keep` kept; None without one."""
        file = self.folder(name) / "plan.json"
        if not file.exists():
            return None
        plain = json.loads(file.read_text(encoding="utf-8"))
        windows = tuple(WindowPlan(**window) for window in plain.pop("windows"))
        target, sentences = plain.pop("at_target"), tuple(plain.pop("said"))
        return Plan(**plain, windows=windows, at_target=tuple(target) if target else None, sentences=sentences)

    def keep_plan(self, name: str, plan: Plan) -> Path:
        """Keeps a plan, which sets the information that looks are measured against. Returns its file."""
        plain = asdict(plan)
        plain["said"] = plain.pop("sentences")  # what the file has always called them
        return self.write(name, {"plan.json": json.dumps(plain, indent=2)})["plan.json"]

    def decide(self, name: str, experiment: Experiment, verdict: str, by: str, why: str, today: date) -> None:
        """Appends a decision to the log, with the current readout's verdicts. Raises NoReadoutError without one."""
        readout = self.take(name, experiment, today).readout
        row = {
            "experiment": name,
            "verdict": verdict,
            "decided_by": by,
            "reason": why,
            "through_date": readout.through,
            "readout_verdict": "; ".join(f"{verdict.treatment}: {verdict.decision}" for verdict in readout.verdicts),
            "definition_hash": experiment.definition_hash,
            "decided_at": clock.now(),
        }
        append_rows(self._home, tables.DECISIONS, [row])

    def decisions(self, name: str) -> list[dict[str, Any]]:
        """The decisions taken, in order."""
        rows = read_table(self._home, tables.DECISIONS, [("experiment", "=", name)]).to_pylist()
        return sorted(rows, key=lambda row: row["decided_at"])

    def write(self, name: str, files: Mapping[str, str]) -> dict[str, Path]:
        """Writes an experiment's files, each replaced as a whole. Returns name = path."""
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        written = {}
        for file, text in files.items():
            draft = folder / f".{file}"
            draft.write_text(text, encoding="utf-8")
            written[file] = draft.replace(folder / file)
        return written


def _comes_after(look: Look, taken: Iterable[Look]) -> bool:
    """Whether it is later than every look taken at its metric: spent alpha cannot be spent at an earlier day again."""
    same = [other for other in taken if (other.metric, other.treatment) == (look.metric, look.treatment)]
    return all(other.day < look.day for other in same)
