"""Where an expression of umg.toml gives another value on Sail than on Apache Spark, though both know its functions.

Measured on Sail 0.7.2 and Apache Spark 4.2. Where no record tells that the value is another one, the expression is
refused; where the engines differ over rare values only, `umg doctor` says so.
"""

import re
from collections.abc import Iterator

from sqlglot import exp

from umg_assets.settings.literals import Literals

_PATTERN_FUNCTIONS = ("regexp_extract", "regexp_like", "regexp_replace", "split")
_ALIKE = ("year", "quarter", "month", "week", "day", "doy", "hour", "minute")
"""The fields that EXTRACT gives alike."""


def refuse_differences(text: str) -> None:
    """Raises ValueError, with what to write instead, if the engines give different values for ordinary records."""
    literals = Literals(text)
    for name, arguments in _calls(literals):
        texts = [literals.content_of(argument) for argument in arguments]
        where = f"Sail and Spark differ on {texts[-1]!r}"
        if name == "get_json_object" and any("*" in path for path in texts[1:] if path):
            raise ValueError(f"{where}: a path with a * finds several values: {text!r}")
        if name == "regexp_replace" and len(texts) > 2 and re.search(r"\\|\$\{|\$\d\w", texts[2] or ""):
            raise ValueError(
                f"Sail and Spark differ on {texts[2]!r}: in a replacement no backslash, and no letter or digit right "
                f"after a group like $1: use concat and regexp_extract: {text!r}"
            )
        if name == "split" and len(texts) > 1 and texts[1] == "":
            raise ValueError(f"Sail and Spark differ on a split by an empty text: use substring: {text!r}")
    for node in literals.tree.find_all(exp.Extract):
        if node.name.lower() not in _ALIKE:
            raise ValueError(
                f"Sail and Spark differ on extract({node.name.lower()} from ...): use a function such as dayofweek(): "
                f"{text!r}"
            )


def differences(text: str) -> list[str]:
    """Sentences on rare values that the engines would not give alike."""
    literals, notes = Literals(text), []
    calls = list(_calls(literals))
    if any(name == "get_json_object" for name, _ in calls):
        notes.append("get_json_object gives a number like 1.10 as 1.1 on Spark, and as it is written on Sail")
    if any(name in ("parse_url", "try_parse_url") and len(arguments) > 2 for name, arguments in calls):
        notes.append("parse_url gives a value of the query like a%20b as it is written on Spark, and as 'a b' on Sail")
    patterns = [argument for name, arguments in calls if name in _PATTERN_FUNCTIONS for argument in arguments[1:2]]
    patterns += [node.expression for node in literals.tree.find_all(exp.RegexpLike)]
    for pattern in dict.fromkeys(literals.content_of(pattern) or "" for pattern in patterns):
        if re.search(r"\\[wWdDbB]|\(\?i", pattern):
            notes.append(
                f"the pattern {pattern} takes letters and digits beyond ASCII, like é, on Sail only: [a-z0-9] and "
                "\\p{L} mean the same on both"
            )
    return notes


def _calls(literals: Literals) -> Iterator[tuple[str, list[exp.Expr]]]:
    for node in literals.tree.find_all(exp.Anonymous):
        yield node.name.lower(), node.expressions
