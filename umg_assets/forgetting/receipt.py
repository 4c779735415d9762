"""The receipt of people forgotten: what was done and what a search of all bytes has found, for whoever asked."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from umg_assets.privacy.files import write_whole
from umg_assets.resources.forgetting_lock import FOLDER
from umg_assets.text import counted, visible


@dataclass(frozen=True)
class Receipt:
    """What was done for some requests. It names no user.

    asked_at: when the first request came; forgotten_at: when the search ended (both ISO 8601, UTC). records: rows of
    raw tables and records in quarantine or left out by a source that were taken out. days_built: local days from which
    something was taken out, and that were built again. searched, bytes: files and bytes searched. found: places that
    name somebody still; unreadable: files whose content could not be read. kept: by path, why a file that holds records
    of theirs, or may hold them, is still in landing/.
    common: ids that may well be other values (757, AT), and were searched for as keys and sealed values alone.
    not_held: ids of which nothing was held anywhere when it was first looked for them.
    """

    name: str
    requests: list[str]
    users: int
    asked_at: str
    forgotten_at: str
    records: int
    files_rewritten: int
    files_removed: list[str]
    days_built: int
    searched: int
    bytes: int
    found: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    common: int = 0
    not_held: int = 0

    @property
    def good(self) -> bool:
        """Whether the search has found nobody and could read everything, and no file that holds them has stayed."""
        return not self.found and not self.unreadable and not self.kept

    @property
    def text(self) -> str:
        """The receipt in words."""
        common = [f"{counted(self.common, 'id')} may well be another value: searched for as key and sealed value alone"]
        not_held = [
            f"nothing was held of {counted(self.not_held, 'id')} ({self.users:,} asked for): no row, no record in "
            f"quarantine, no file that names {'it' if self.not_held == 1 else 'them'}. Typed as delivered?"
        ]
        lines = [
            f"{'Forgotten' if self.good else 'NOT PROVED FORGOTTEN'}: {people(self.users)}, asked on {self.asked_at}",
            f"done on {self.forgotten_at}; receipt {self.name} of {', '.join(self.requests) or 'a replay'}",
            f"{counted(self.records, 'record')} taken out, of {counted(self.days_built, 'day')}, built again; "
            f"{counted(self.files_rewritten, 'file')} rewritten; {counted(len(self.files_removed), 'file')} removed "
            "that could not be rewritten",
            f"{counted(self.bytes, 'byte')} in {counted(self.searched, 'file')} searched: found {len(self.found)}, "
            f"unreadable {len(self.unreadable)}",
            *(common if self.common else []),
            *(not_held if self.not_held else []),
            *(f"removed: {path}" for path in self.files_removed),
            *(f"still in landing/: {path}: {why}" for path, why in self.kept.items()),
            *(["then type `umg forget --now` again: the request stays until that ends well"] if self.kept else []),
            *(f"found: {place}" for place in self.found),
            *(f"unreadable: {place}" for place in self.unreadable),
        ]
        return "\n".join(map(visible, lines))

    def write(self, home: Path) -> Path:
        """Writes it as JSON and as text under `home`/forgotten/receipts. Returns the text file's path."""
        folder = home / FOLDER / "receipts"
        folder.mkdir(exist_ok=True, mode=0o700)
        write_whole(folder / f"{self.name}.json", json.dumps({**asdict(self), "good": self.good}, indent=2))
        write_whole(folder / f"{self.name}.txt", f"{self.text}\n")
        return folder / f"{self.name}.txt"


def people(number: int) -> str:
    """A number of people, in words."""
    return "1 person" if number == 1 else f"{number:,} people"


def unproved(home: Path) -> str:
    """The text of the last receipt, if it is not good; "" else."""
    last = max((home / FOLDER / "receipts").glob("*.json"), default=None)
    if last is None or json.loads(last.read_text())["good"]:
        return ""
    return last.with_suffix(".txt").read_text()
