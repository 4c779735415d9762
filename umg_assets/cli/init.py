"""`umg init`: a home, landing/ and a commented umg.toml; with sample files, the sources that read them."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from umg_assets.cli.console import out
from umg_assets.settings.model import Settings, SettingsError, read_settings
from umg_assets.settings.template import write_template
from umg_assets.text import visible


class NothingGuessedError(ValueError):
    """Of no sample a source could be guessed; the lines say why, sample by sample."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def initialise(home: Path, first_day: date | None) -> None:
    """Creates what is not there yet, and says what comes next."""
    file, written = write_template(home, first_day)
    _say(f"{file} {'written' if written else f'is there already: left as it is{_which_day_holds(home, first_day)}'}")
    _say(f"Drop files into {home / 'landing'}, then type: umg run")


def initialise_from(home: Path, first_day: date | None, samples: Sequence[Path]) -> None:
    """As `initialise`, with the sources that the sample files look like; prints what could not be guessed.

    Where umg.toml is there already, it is left as it is, and the sources are printed. Raises ValueError if a sample is
    no file, NothingGuessedError if nothing can be guessed of any.
    """
    from umg_assets.landing.source_guess import guess_sources

    if strangers := [str(path) for path in samples if not path.is_file()]:
        raise ValueError(f"expected files to read as samples, got {', '.join(strangers)}: name the files themselves")
    guesses = guess_sources(samples, home / "landing")
    if not guesses.text:
        raise NothingGuessedError(["no source could be guessed:", *guesses.open])
    begins = first_day or (guesses.first_day.replace(day=1) if guesses.first_day else None)
    usual = Settings.model_fields["markets"].default
    markets = guesses.markets if set(guesses.markets) - {*usual} else []
    early = guesses.first_delivery and begins and guesses.first_delivery < begins - timedelta(days=31)
    delivery = guesses.first_delivery if early else None
    file, written = write_template(home, begins, sources=guesses.text, markets=markets, first_delivery=delivery)
    if written:
        _say(f"{file} written, with the sources of {len(samples):,} sample{'s' if len(samples) > 1 else ''}.")
    else:
        _say(f"{file} is there already: left as it is. Sources to add to it:\n")
        out.print(guesses.text, soft_wrap=True)
        if first_day:
            _say(f"{_which_day_holds(home, first_day).removeprefix('; ')}")
        elif begins:
            _say(f"Of the samples the first day is {guesses.first_day or begins}: see first_day in umg.toml.")
    if written and guesses.first_day and not first_day:
        _say(f"first_day = {begins}, since their first plays are of {guesses.first_day}: set it if older files come.")
    if guesses.drop:
        source, landing = guesses.drop.split(" -> ")
        _say(f"The samples do not lie in landing/: put what lies in {source} into {landing}, with its folders.")
    if guesses.open:
        _say("\nNot guessed, or to be checked:")
        for line in guesses.open:
            _say(f"- {visible(line)}")
    _say("\nThen type: umg doctor, which tries every expression; and umg run")


def _which_day_holds(home: Path, asked: date | None) -> str:
    """Of a umg.toml that is left as it is: which first day holds, where another one is asked for."""
    if asked is None:
        return ""
    try:
        holds = read_settings(home).first_day
    except SettingsError as error:
        return f"; its first_day cannot be read: {error.lines[0]}"
    if holds == asked:
        return f"; its first_day is {holds}, too"
    return f"; first_day = {holds} holds, not {asked}: to change it, edit first_day there, and type `umg run`"


def _say(text: str) -> None:
    out.print(text, soft_wrap=True)
