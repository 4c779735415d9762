"""Expressions of umg.toml as they are passed on: rewritten so that both engines give the same values.

Measured on Sail 0.7.2 and Apache Spark 4.2: Sail aborts on a bad text where Spark gives NULL, and finds no date in a
text with a time. So casts become TRY_CAST. Both engines read a time without a date as one of today, and a month as its
first day: such a text is NULL here. All else reaches the engine as it is written, what stands inside quotes to the
letter.
"""

import functools
import re
from collections.abc import Callable

from sqlglot import exp

from umg_assets.settings.literals import Literals

_EPOCHS = {"timestamp_millis": 1_000, "timestamp_micros": 1_000_000}
_CAST_FUNCTIONS = ("bigint", "boolean", "date", "decimal", "double", "float", "int", "smallint", "timestamp", "tinyint")
_PARSERS = ("to_timestamp", "try_to_timestamp", "to_date", "unix_timestamp", "to_unix_timestamp")
_DATE_ARGUMENT = {"from_utc_timestamp": 0, "to_utc_timestamp": 0, "convert_timezone": -1, "date_add": 0, "date_sub": 0}
_DATE_ARGUMENT |= {"dateadd": 0, "timestampadd": 2, "add_months": 0, "last_day": 0, "next_day": 0}
_DATE_ARGUMENT |= {"date_trunc": 1, "trunc": 0}
"""By function that makes a date or an instant of a text: the position of the text."""
_READERS = ("year", "quarter", "month", "weekofyear", "dayofyear", "dayofmonth", "day", "dayofweek", "weekday")
_READERS = (*_READERS, "hour", "minute", "second", "date_format")
"""Functions that read a part of a date or an instant, their first argument, which may be a text."""
_MAY_CHOOSE = ("coalesce", "nvl", "ifnull", "nvl2")
MAKE_NULL = (*_CAST_FUNCTIONS, *_PARSERS, *_EPOCHS, "timestamp_seconds", "to_number", "try_to_number")
"""Functions that make NULL of a bad text, as a cast does."""
_NO_TEXT = (*_CAST_FUNCTIONS, *_EPOCHS, *_PARSERS, *_DATE_ARGUMENT, "timestamp_seconds", "make_date", "make_timestamp")
_NO_TEXT = (*_NO_TEXT, "round", "floor", "ceil", "ceiling", "abs", "to_number", "try_to_number", "length", "datediff")
_NO_TEXT = (*_NO_TEXT, "try_add", "try_subtract", "try_multiply", "try_divide", "unix_seconds", "unix_millis", "int")
"""Functions whose value is no text."""
_FULL_DATE = r"'^\\s*[+]?\\d+-\\d+-\\d+'"
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)


@functools.cache
def null_on_bad_cast(text: str, type_: str | None = None) -> str:
    """The expression, cast to a type if there is one, rewritten so that both engines agree: a bad text becomes NULL.

    An epoch outside the years 1 to 9999 is NULL: on overflow Spark raises, and Sail wraps around to a wrong instant.
    Every cast becomes a TRY_CAST, so '12.7' is no BIGINT. A cast to DATE goes through TIMESTAMP, since Sail finds no
    date in a text with a time. TIMESTAMP_SECONDS keeps fractions of a second. A text without year, month and day is no
    date and no instant; if type_ is timestamp, one that is read by a format without them is none, either. Where another
    type than text is wanted, an empty text that IF, CASE or COALESCE chooses is NULL.
    """
    literals = Literals(text)
    if type_ is None:
        return literals.sql(portable(literals, literals.tree))
    return literals.sql(_cast(_uncast(literals, type_), exp.DataType.build(type_, dialect="spark")))


@functools.cache
def has_other_value(text: str, type_: str) -> str:
    """SQL for whether an expression, before it is cast to a type, has a value, and that is no text: TRUE or FALSE."""
    literals = Literals(text)
    value = _uncast(literals, type_)
    return literals.sql(exp.and_(exp.Not(this=exp.Is(this=value, expression=exp.Null())), _is_other(value)))


def _uncast(literals: Literals, type_: str) -> exp.Expr:
    tree = _null_for_empty(literals.tree) if type_ != "string" else literals.tree
    return exp.Paren(this=portable(literals, tree, type_ == "timestamp"))


def portable(literals: Literals, tree: exp.Expr, is_instant: bool = False) -> exp.Expr:
    """A tree of the literals, rewritten as null_on_bad_cast says. is_instant: whether its value is to be an instant."""

    def changed(node: exp.Expr) -> exp.Expr:
        called = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        arguments = node.expressions if called else []
        if isinstance(node, exp.Cast):
            return _cast(node.this, node.to)
        if called in _CAST_FUNCTIONS and len(arguments) == 1:
            return _cast(arguments[0], exp.DataType.build(called, dialect="spark"))
        if called == "timestamp_seconds":
            micros = exp.Mul(this=exp.Paren(this=arguments[0]), expression=exp.Literal.number(1_000_000))
            instant = exp.Anonymous(this="TIMESTAMP_MICROS", expressions=[try_cast(micros, "bigint")])
            return _of_year_1_to_9999(instant, arguments[0], 1)
        if called in _EPOCHS:
            # Spark accepts whole numbers only, Sail others, too
            epoch = try_cast(arguments[0], "bigint")
            instant = exp.Anonymous(this=called.upper(), expressions=[epoch])
            return _of_year_1_to_9999(instant, epoch, _EPOCHS[called])
        if called == "to_date" and len(arguments) == 1:
            return _cast(arguments[0], exp.DataType.build("date", dialect="spark"))
        if called in ("to_timestamp", "try_to_timestamp") and len(arguments) == 1:
            return exp.Anonymous(this=called.upper(), expressions=[_if_full_date(arguments[0])])
        if called in _PARSERS and len(arguments) == 2 and is_instant:
            return _by_full_format(node, literals.content_of(arguments[1]))
        if called in _DATE_ARGUMENT:
            position = 2 if called == "dateadd" and len(arguments) == 3 else _DATE_ARGUMENT[called]
            position %= len(arguments)
            guarded = [_if_full_date(a) if at == position else a for at, a in enumerate(arguments)]
            return exp.Anonymous(this=called.upper(), expressions=guarded)
        if called in _READERS and arguments:
            # Sail raises where a text is no date, Spark takes the time of today
            instant = try_cast(_if_full_date(arguments[0]), "timestamp")
            return exp.Anonymous(this=called.upper(), expressions=[instant, *arguments[1:]])
        if isinstance(node, exp.Extract):
            return exp.Extract(this=node.this, expression=try_cast(_if_full_date(node.expression), "timestamp"))
        if called == "element_at":  # Sail raises where there is no such element
            return exp.Anonymous(this="TRY_ELEMENT_AT", expressions=arguments)
        if any(_is_no_text(value) for value in _results(node)):
            for value in _results(node):
                if literals.content_of(value) == "":
                    value.replace(exp.Null())
        return node

    return _changed(tree, changed)


def _results(node: exp.Expr) -> list[exp.Expr]:
    """The values among which a node chooses: of IF, CASE, COALESCE and the like."""
    if isinstance(node, exp.If):
        return [value for value in (node.args["true"], node.args.get("false")) if value]
    if isinstance(node, exp.Case):
        chosen = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
        return [value for value in chosen if value]
    if isinstance(node, exp.Anonymous) and node.name.lower() in _MAY_CHOOSE:
        return node.expressions[1:] if node.name.lower() == "nvl2" else node.expressions
    return []


def _is_no_text(value: exp.Expr) -> bool:
    inner = value.unnest()
    if isinstance(inner, exp.Anonymous):
        return inner.name.lower() in _NO_TEXT
    if isinstance(inner, exp.Cast):
        return not inner.to.is_type("string", "text", "varchar", "char")
    return isinstance(inner, ARITHMETIC) or (isinstance(inner, exp.Literal) and not inner.is_string)


def _null_for_empty(tree: exp.Expr) -> exp.Expr:
    """The tree with NULL where it chooses an empty text, which beside a number would make a text of that."""
    tree = tree.copy()
    chosen = [tree]
    while chosen:
        node = chosen.pop().unnest()
        if isinstance(node, exp.Literal) and node.is_string and not node.name:
            if node is tree:
                return exp.Null()
            node.replace(exp.Null())
        chosen += _results(node)
    return tree


def _by_full_format(call: exp.Expr, pattern: str | None) -> exp.Expr:
    """The call of a parser, NULL if its pattern, where it is a text in quotes, has no year, month or day."""
    if pattern is not None:
        return call if _has_full_date(pattern) else _null_like(call)
    letters = exp.Anonymous(
        this="REGEXP_REPLACE", expressions=[call.expressions[1].copy(), exp.Var(this="\"'[^']*'\""), exp.Var(this="''")]
    )
    needed = [
        exp.Anonymous(this="RLIKE", expressions=[letters.copy(), exp.Var(this=f"'[{any_of}]'")])
        for any_of in ("yu", "MLD", "dD")
    ]
    return exp.Case(ifs=[exp.If(this=exp.and_(*needed), true=call)])


def _null_like(call: exp.Expr) -> exp.Expr:
    """NULL of the type that a parser's value has."""
    types = {"to_date": "date", "unix_timestamp": "bigint", "to_unix_timestamp": "bigint"}
    return try_cast(exp.Null(), types.get(call.name.lower(), "timestamp"))


def _has_full_date(pattern: str) -> bool:
    letters = set(re.sub(r"'[^']*'", "", pattern))
    return bool(letters & set("yu")) and bool(letters & set("MLD")) and bool(letters & set("dD"))


def _of_year_1_to_9999(instant: exp.Expr, epoch: exp.Expr, a_second: int) -> exp.Expr:
    within = exp.Paren(this=epoch.copy()).between(-62_135_596_800 * a_second, 253_402_300_799 * a_second)
    return exp.Case(ifs=[exp.If(this=within, true=instant)])


def _cast(value: exp.Expr, type_: exp.DataType) -> exp.Expr:
    if type_.is_type("date"):
        return try_cast(try_cast(_if_full_date(value), "timestamp"), "date")
    if type_.is_type("timestamp", "timestamptz", "timestampltz", "timestampntz"):
        value = _if_full_date(value)
    return exp.TryCast(this=value, to=type_)


def _if_full_date(value: exp.Expr) -> exp.Expr:
    """The value, but NULL for a text without year, month and day: the engines add those of today, or the first ones."""
    inner = value.unnest()
    if isinstance(inner, exp.Anonymous) and inner.name.lower() in (*_PARSERS, *_DATE_ARGUMENT, "make_date"):
        return value
    pattern = exp.Anonymous(this="RLIKE", expressions=[try_cast(value.copy(), "string"), exp.Var(this=_FULL_DATE)])
    return exp.Case(ifs=[exp.If(this=exp.Or(this=_is_other(value), expression=pattern), true=value)])


def _is_other(value: exp.Expr) -> exp.Expr:
    """Whether a value is of another type than text."""
    type_ = exp.Anonymous(this="TYPEOF", expressions=[value.copy()])
    return exp.NEQ(this=type_, expression=exp.Literal.string("string"))


def try_cast(value: exp.Expr, type_: str) -> exp.Expr:
    """TRY_CAST(value AS type_); type_: of Spark SQL."""
    return exp.TryCast(this=value, to=exp.DataType.build(type_, dialect="spark"))


def _changed(tree: exp.Expr, change: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """The tree with every node changed once. Inner nodes come first, so the result of a change is not changed again."""
    tree = tree.copy()
    for node in reversed(list(tree.walk())):
        changed = change(node)
        if changed is not node:
            if node is tree:
                tree = changed
            else:
                node.replace(changed)
    return tree
