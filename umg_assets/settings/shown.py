"""Settings as markdown, for a page that people read: every setting, its value and what it is."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from umg_assets.settings.model import Settings
from umg_assets.text import markdown

_COUNTED = ("sources", "experiments", "published")
_HIDDEN = "set (not shown: it can hold a token)"


def as_markdown(settings: Settings) -> str:
    """A table with a line a setting, `section.name`.

    What may hold a secret (repr=False) is not shown; sources, experiments and published lists are counted.
    """
    head = "| setting | value | |\n| --- | --- | --- |"
    lines = [f"| `{name}` | {_cell(value)} | {_cell(about)} |" for name, value, about in _rows(settings)]
    return "\n".join([head, *lines])


def _rows(settings: BaseModel, section: str = "") -> Iterator[tuple[str, Any, str]]:
    for name, field in type(settings).model_fields.items():
        value, about = getattr(settings, name), field.description or ""
        if name == "sources":
            value = ", ".join(f"{kind}: {len(getattr(value, kind))}" for kind in type(value).model_fields)
        elif name in _COUNTED:
            value = len(value)
        elif value and not field.repr:
            value = _HIDDEN
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{name}.")
        else:
            yield f"{section}{name}", value, about


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
    return markdown(text)
