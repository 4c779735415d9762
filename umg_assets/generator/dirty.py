"""Bad records among the plays: each has exactly one fault, and none is a play of the truth."""

from dataclasses import dataclass

import numpy as np

from umg_assets.generator.faults import Deliveries, File
from umg_assets.generator.ids import id_of_play, id_of_track, id_of_user
from umg_assets.generator.world import CSV, DAY_MS, JSONL, PARQUET, World

_MISSING = ("missing_play_id", "missing_user_id", "missing_track_id", "missing_started_at")
_WRONG = ("negative_duration", "duration_over_24h", "starts_after_delivery", "before_first_day")
_UNPARSABLE = ("bad_encoding", "unparsable_started_at", "unparsable_played_ms")
REASONS = {
    CSV: ("field_count", *_UNPARSABLE, *_MISSING, *_WRONG),
    JSONL: ("broken_json", *_UNPARSABLE, *_MISSING, *_WRONG),
    PARQUET: (*_MISSING, *_WRONG),
}
"""The faults possible in each layout; a few CSV files also end in a broken_quote."""
_BAD_TIMES = ("n/a", "2026-13-45T25:61:00Z", "half past nine")
_BAD_DURATIONS = ("n/a", "3:25", "long")
_BAD_BYTES = (b"\xff\xfe", b"\xc3(", b"Caf\xe9")


@dataclass(frozen=True)
class BadPlay:
    """A bad record: the good row of its file that it precedes, its reason, and its fields as written.

    An empty field is missing; started_at is in milliseconds since 1970 or, if unparsable, a text; variant (0 to 2)
    chooses among the forms of a fault.
    """

    position: int
    reason: str
    play_id: str
    user_id: str
    track_id: str
    started_at: int | str
    played_ms: int | str
    variant: int

    def as_csv(self) -> bytes:
        """The CSV line, including its line end."""
        at = self.started_at
        if isinstance(at, int):
            at = f"{np.datetime64(at, 'ms')}Z"
        fields = [self.play_id, self.user_id, "1", self.track_id, str(at), str(self.played_ms)]
        if self.reason == "field_count":
            fields = [fields[:4], fields[:5], [*fields, "0"]][self.variant]
        text = ",".join(fields)
        if self.reason == "broken_quote":
            text = '"' + text
        return self._spoil(text.encode()) + b"\n"

    def as_json(self) -> bytes:
        """The JSON line, including its line end."""
        at = self.started_at if isinstance(self.started_at, int) else _text(self.started_at)
        played = self.played_ms if isinstance(self.played_ms, int) else f'"{self.played_ms}"'
        user = f'{{"id":{_text(self.user_id)},"country":null}}'
        if self.reason == "missing_user_id":
            user = (user, "null", '{"country":null}')[self.variant]
        text = (
            f'{{"id":{_text(self.play_id)},"user":{user},"session":"1","track":{_text(self.track_id)},'
            f'"ts":{at},"played_ms":{played}}}'
        )
        if self.reason == "broken_json":
            text = (text[:-1], text[: len(text) // 2], text.replace('"ts":', '"ts"'))[self.variant]
        return self._spoil(text.encode()) + b"\n"

    def _spoil(self, line: bytes) -> bytes:
        if self.reason != "bad_encoding":
            return line
        return line.replace(self.track_id.encode(), self.track_id.encode() + _BAD_BYTES[self.variant])


def _text(value: str) -> str:
    return f'"{value}"' if value else "null"


def plant_bad_plays(world: World, deliveries: Deliveries, users: int, tracks: int) -> list[list[BadPlay]]:
    """The bad records of each file, by position: world.dirty of all plays, and each reason at least once.

    users, tracks: how many are known; bad records name known ones.
    """
    bad: list[list[BadPlay]] = [[] for _ in deliveries.files]
    if world.dirty == 0:
        return bad
    rng = world.rng("dirty")
    files, sizes = deliveries.files, np.diff(deliveries.start)
    by_layout = {layout: [i for i, f in enumerate(files) if f.layout == layout] for layout in (CSV, JSONL, PARQUET)}
    once = [(int(rng.choice(by_layout[layout])), reason) for layout, all_ in REASONS.items() for reason in all_]
    rest = rng.choice(len(files), max(0, round(world.dirty * world.plays) - len(once)), p=sizes / sizes.sum()).tolist()
    for file in rest:
        reasons = REASONS[files[file].layout]
        once.append((file, reasons[int(rng.integers(0, len(reasons)))]))
    quoted = rng.choice(by_layout[CSV], min(2, len(by_layout[CSV])), replace=False).tolist()
    for nth, (file, reason) in enumerate([*once, *((int(file), "broken_quote") for file in quoted)]):
        size = int(sizes[file])
        at_end = reason == "broken_quote"
        position = size + 1 if at_end else int(rng.integers(0, size + 1))
        bad[file].append(_bad_play(world, rng, files[file], position, reason, world.plays + nth, users, tracks))
    return [sorted(records, key=lambda record: record.position) for records in bad]


def _bad_play(
    world: World, rng: np.random.Generator, file: File, position: int, reason: str, number: int, users: int, tracks: int
) -> BadPlay:
    midnight = world.calendar.start_ms + file.day * DAY_MS
    noonish = midnight + int(rng.integers(6 * 3_600_000, 18 * 3_600_000))
    variant = int(rng.integers(0, 3))
    fields: dict[str, str | int] = {
        "play_id": id_of_play(number),
        "user_id": id_of_user(int(rng.integers(0, users))),
        "track_id": id_of_track(int(rng.integers(0, tracks))),
        "started_at": noonish,
        "played_ms": int(rng.integers(1_000, 240_000)),
    }
    spoilt: dict[str, tuple[str, str | int]] = {
        "unparsable_started_at": ("started_at", _BAD_TIMES[variant]),
        "unparsable_played_ms": ("played_ms", _BAD_DURATIONS[variant]),
        "negative_duration": ("played_ms", -int(rng.integers(1, 300_000))),
        "duration_over_24h": ("played_ms", DAY_MS + int(rng.integers(1, DAY_MS))),
        "starts_after_delivery": ("started_at", noonish + int(rng.integers(2, 20)) * DAY_MS),
        "before_first_day": ("started_at", noonish - (file.day + int(rng.integers(2, 30))) * DAY_MS),
    }
    if reason.startswith("missing_"):
        fields[reason.removeprefix("missing_")] = ""
    elif reason in spoilt:
        name, value = spoilt[reason]
        fields[name] = value
    return BadPlay(position=position, reason=reason, variant=variant, **fields)  # pyright: ignore[reportArgumentType]
