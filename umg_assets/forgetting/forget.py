"""Forgets people: their records go, what follows from them is built again, and a search of all bytes proves it.

In this order, each step repeatable, the tombstones first: alone; tombstones; files of landing/; ledger, raw tables and
quarantine; everything derived; old versions; the search; the receipt.
"""

import itertools
import re
import uuid
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from umg_assets import clock, tables
from umg_assets.forgetting.byte_search import Searched, search_bytes
from umg_assets.forgetting.erasure import Erasure, People
from umg_assets.forgetting.frozen_days import take_out
from umg_assets.forgetting.places import held_among
from umg_assets.forgetting.receipt import Receipt
from umg_assets.forgetting.work import Progress, Work
from umg_assets.landing.bucket import copied, fetch
from umg_assets.landing.file_names import files_of, name_of
from umg_assets.landing.sealing import seal_tables, sealing_alone
from umg_assets.privacy.keys import UserKeys
from umg_assets.privacy.names import holding, is_distinct
from umg_assets.privacy.requests import Requests
from umg_assets.privacy.seals import Seals
from umg_assets.privacy.tombstones import Tombstones
from umg_assets.privacy.users import users_of
from umg_assets.resources.delta_log import forget_versions
from umg_assets.resources.forgetting_lock import ForgettingError, alone, replay_file
from umg_assets.resources.interop import refresh_catalog
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.locations import address_of, fetched_files, refuse_elsewhere, undo_move
from umg_assets.resources.nearby import nearby
from umg_assets.resources.staging import clear_abandoned
from umg_assets.settings.model import Settings


@dataclass(frozen=True)
class Steps:
    """What forgetting needs of those above it.

    under_way: the runs and backfills that are queued or running. rebuild: builds everything that the ledger says is
    affected. say: is told each step.
    """

    under_way: Callable[[], Sequence[str]]
    rebuild: Callable[[], object]
    say: Callable[[str], None] = lambda _: None


class Forgetting:
    """Forgets people of a lakehouse."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, ledger: Ledger, steps: Steps) -> None:
        self._settings, self._lakehouse, self._ledger, self._steps = settings, lakehouse, ledger, steps
        self._home = settings.home
        self._requests, self._work, self._tombstones = Requests(self._home), Work(self._home), Tombstones(self._home)

    def forget(self) -> Receipt | None:
        """Forgets whom the collected requests name; first finishes what was broken off. None if there is nobody.

        Gives the last receipt.

        Raises ForgettingError while a run, a backfill or another process is at work, KeyFileError without the key,
        LocationError where the tables lie elsewhere than umg.toml says.
        A request whose receipt is not good stays: somebody is found after all, or a file that may hold them has stayed.
        """
        refuse_elsewhere(self._home, self._settings.places.tables)
        with alone(self._home):
            return self._forget()

    def replay(self) -> Receipt | None:
        """As `forget`, after a back-up was restored: first adds a request of all who have a tombstone and are back."""
        refuse_elsewhere(self._home, self._settings.places.tables)
        with alone(self._home):
            if not self._is_broken_off():
                back = {users[key] for users in users_of(self._home) for key in self._tombstones.keys_among(users)}
                if back:
                    self._refuse_others()
                    self._requests.add(sorted(back), held=True)
            receipt = self._forget()
            if receipt is None or receipt.good:
                replay_file(self._home).unlink(missing_ok=True)
            return receipt

    def _forget(self) -> Receipt | None:
        finished = self._finish() if self._is_broken_off() else None
        requests = self._requests.read()
        if {request.name for request in requests} <= {*(finished.requests if finished else ())}:
            return finished
        if finished:
            self._steps.say(f"what was broken off is finished, receipt {finished.name}; now what came since")
        ids = list(dict.fromkeys(user_id for request in requests for user_id in request.user_ids))
        asked_at = min(request.asked_at for request in requests)
        self._begin(ids, [request.name for request in requests], asked_at)
        return self._finish()

    def _is_broken_off(self) -> bool:
        """Whether there is something to finish. A log without its first line is removed: nothing was done after it."""
        if self._work.exists and self._work.read().begun is None:
            self._work.finish()
        return self._work.exists

    def _begin(self, user_ids: Sequence[str], requests: Sequence[str], asked_at: datetime) -> None:
        self._refuse_others()
        self._tombstones.add(user_ids)
        content = {
            "users": self._requests.sealed(user_ids),
            "number": len(user_ids),
            "requests": list(requests),
            "asked_at": asked_at.isoformat(),
        }
        self._work.note("begun", content)

    def _refuse_others(self) -> None:
        if others := self._steps.under_way():
            raise ForgettingError(f"{others[0]} is under way: wait until it has ended, or end it, and type this again")

    def _finish(self) -> Receipt:
        self._refuse_others()
        begun = self._work.read().begun
        assert begun is not None
        user_ids = self._requests.opened(begun["users"])
        say = self._steps.say
        self._lakehouse.create_tables()
        with sealing_alone(self._home):
            seal_tables(self._lakehouse, self._settings.chunk_plays, say)
        people = people_of(self._home, user_ids)
        say("looking for their records in landing/")
        fetch(self._settings)
        naming, named = naming_files(self._settings, people)
        self._note_held(begun["requests"], people, named)
        say("taking out their records")
        kept = Erasure(self._settings, self._lakehouse, self._ledger, self._work).erase(people, naming)
        take_out(self._settings, self._lakehouse, self._ledger, people.user_keys)
        say("building again what follows from them")
        before = self._ledger.read().sequence
        self._steps.rebuild()
        kept = self._landed_since(before) | kept
        say("removing old versions")
        self._clear()
        say("searching all bytes")
        searched = prove(people, self._settings)
        receipt = _receipt(begun, user_ids, self._work.read(), kept, searched, self._not_held(begun["requests"]))
        receipt.write(self._home)
        if receipt.good:
            self._requests.done(begun["requests"])
        self._work.finish()
        return receipt

    def _note_held(self, requests: Collection[str], people: People, named: set[str]) -> None:
        """Notes in those of the requests that do not say so yet of whom nothing is held. named: ids that files name."""
        asked = (request for request in self._requests.read() if request.name in requests and request.not_held is None)
        if unknown := {user_id for request in asked for user_id in request.user_ids}:
            ids = dict(zip(people.user_keys, people.user_ids, strict=True))
            ids = {key: user_id for key, user_id in ids.items() if user_id in unknown - named}
            self._requests.note_held(requests, named | held_among(self._home, ids))

    def _not_held(self, requests: Collection[str]) -> set[str]:
        """The ids of which nothing was held, by all of these requests that name them."""
        done = [request for request in self._requests.read() if request.name in requests]
        held = {i for request in done for i in request.user_ids if i not in (request.not_held or ())}
        return {i for request in done for i in request.not_held or ()} - held

    def _landed_since(self, sequence: int) -> dict[str, str]:
        """By path, that a file which landed after that entry of the ledger holds records of people forgotten."""
        since = (entry for entry in self._ledger.read().with_any("suppressed").delivered() if entry.sequence > sequence)
        return {entry.path: "it was delivered, or read again, meanwhile" for entry in since if entry.suppressed}

    def _clear(self) -> None:
        """Leaves no version of a table but its latest, and nothing that dead processes have left."""
        clear_abandoned(self._home)
        nearby(self._home).clear()
        undo_move(self._home, address_of(self._home))
        for table in tables.ALL:
            self._lakehouse.vacuum(table, timedelta(0))
            forget_versions(self._lakehouse.location(table))
        refresh_catalog(self._home)


def people_of(home: Path, user_ids: Sequence[str]) -> People:
    """Some people among all of a lakehouse. Raises KeyFileError without its keys."""
    others = (other for users in users_of(home) for other in users.values())
    return People(tuple(user_ids), tuple(UserKeys(home).of(user_ids)), holding(user_ids, others))


def prove(people: People, settings: Settings) -> Searched:
    """Searches every byte under the home for people: their ids, sealed ones too, and their keys, as text and raw.

    Files that sources take from elsewhere are searched, too, and tables in a bucket. Objects of landing/'s bucket that
    were not fetched are unreadable.

    An id that may well be another value (757, AT) is not looked for as it is, nor is any as a number outside landing/,
    where numbers are sums.
    """
    sealed = Seals(settings.home).seal_ids(people.user_ids)
    forms = [
        [user_id.encode() if is_distinct(user_id) else b"", key.encode(), bytes.fromhex(key), seal.encode()]
        for user_id, key, seal in zip(people.user_ids, people.user_keys, sealed, strict=True)
    ]
    others, outside = _encoded(people.others), _outside(settings)
    searched = search_bytes(settings.home, forms, others=others, outside=outside, fetched=fetched_files(settings.home))
    bucket = copied(settings)
    unread = [f"{bucket.address}/{key}: {why}" for key, why in bucket.refused.items()]
    meant = [found for found in searched.findings if found.how != "number" or found.path.startswith(("landing/", "/"))]
    return replace(searched, findings=meant, unreadable=[*searched.unreadable, *unread])


def naming_files(settings: Settings, people: People) -> tuple[dict[str, bool], set[str]]:
    """The files in landing/ whose bytes name one of them, and the ids named.

    By path, as the ledger names it: whether one of the file's ids can hardly be another value.
    """
    landing = settings.landing
    forms = [[user_id.encode()] for user_id in people.user_ids]
    searched = search_bytes(landing, forms, others=_encoded(people.others), followed="", outside=_outside(settings))
    places: dict[str, bool] = {}
    for finding in searched.findings:
        for place in _files_named_by(finding.path) if not finding.how.startswith("name") else ():
            places[place] = places.get(place, False) or is_distinct(people.user_ids[finding.person])
    hidden = {finding.path for finding in searched.findings if finding.how.startswith("name")}
    files = itertools.chain(files_of(landing, "**/*", follow_links=True), _outside(settings))
    named = {people.user_ids[finding.person] for finding in searched.findings}
    names, listed = (name_of(landing, file) for file in files), {}
    shown = ((name, name if name in places else _shown(landing, name, hidden, listed)) for name in names)
    return {name: places[place] for name, place in shown if place in places}, named


def _shown(landing: Path, name: str, hidden: Collection[str], listed: dict[Path, list[str]]) -> str:
    """A file's path as a finding shows it: names that hold an id, of which the paths are `hidden`, by position.

    listed: the names in folders, of those that were listed before.
    """
    shown, folder = "", landing
    for part in Path(name).parts if hidden and not Path(name).is_absolute() else ():
        place = f"{shown}/{part}".lstrip("/")
        names = listed.get(folder) or sorted(entry.name for entry in folder.iterdir())
        listed[folder] = names
        entry = f"{shown}/<entry {bisect_left(names, part)}>".lstrip("/")
        shown, folder = entry if entry in hidden else place, folder / part
    return shown


def _outside(settings: Settings) -> list[Path]:
    """The files that sources take from elsewhere than landing/."""
    patterns = {
        (source.files, source.follow_links)
        for kind in tables.KINDS
        for source in settings.sources.of(kind)
        if Path(source.files).is_absolute()
    }
    files = {file for pattern in patterns for file in files_of(settings.landing, *pattern)}
    return sorted(file for file in files if not file.is_relative_to(settings.landing))


def _files_named_by(place: str) -> list[str]:
    """What a finding's file may be called: a name may hold the ! that stands before what is inside a file."""
    return [place, *(place[: mark.start()] for mark in re.finditer("!", place))]


def _encoded(user_ids: Iterable[str]) -> frozenset[bytes]:
    return frozenset(user_id.encode() for user_id in user_ids)


def _receipt(
    begun: dict,
    user_ids: Sequence[str],
    progress: Progress,
    kept: dict[str, str],
    searched: Searched,
    not_held: Collection[str],
) -> Receipt:
    distinct = [user_id for user_id in user_ids if is_distinct(user_id)]

    def shown(paths: Iterable[str]) -> list[str]:
        """Paths, but for those that hold one of their ids."""
        return [
            f"<file {number}, whose name holds an id>" if holds_id(path) else path
            for number, path in enumerate(paths, 1)
        ]

    def holds_id(text: str) -> bool:
        return any(user_id in text for user_id in distinct)

    files = {file.path: file for file in progress.rewritten}
    return Receipt(
        name=f"{clock.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}",
        requests=begun["requests"],
        users=begun["number"],
        asked_at=begun["asked_at"],
        forgotten_at=clock.now().astimezone(UTC).isoformat(timespec="seconds"),
        records=sum(len(numbers) for batch in progress.batches for numbers in batch.erased),
        files_rewritten=sum(1 for file in files.values() if file.after),
        files_removed=shown(sorted(path for path, file in files.items() if not file.after)),
        days_built=len(progress.days),
        searched=searched.files,
        bytes=searched.bytes,
        found=sorted({f"{finding.path} ({finding.how})" for finding in searched.findings}),
        unreadable=searched.unreadable,
        kept=dict(
            zip(shown(kept), ("remove it by hand" if holds_id(why) else why for why in kept.values()), strict=True)
        ),
        common=sum(not is_distinct(user_id) for user_id in user_ids),
        not_held=len(not_held),
    )
