"""SQL expressions of umg.toml: which are allowed, and how they are rewritten so that both engines agree.

Measured on Sail 0.7.2 and Apache Spark 4.2 (umg_assets_tests/settings/test_expressions.py runs every function on both):
Sail aborts on a bad text where Spark gives NULL, cannot calculate with a text, and finds no date in a text with a time.
So casts become TRY_CAST, and functions on which the engines differ are refused when the settings are read. Both engines
read a time without a date as one of today, and a month as its first day: such a text is NULL here. All else reaches the
engine as it is written, what stands inside quotes to the letter.
"""

import difflib
import functools
import itertools
import re
from collections.abc import Callable, Iterator

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from umg_assets.settings.differences import refuse_differences
from umg_assets.settings.literals import Literals

_PORTABLE = """
    abs add_months array array_contains array_join array_max array_position ascii base64 bigint bin bit_length
    boolean btrim cast ceil ceiling char_length character_length chr coalesce concat concat_ws contains conv
    convert_timezone crc32 date date_add date_diff date_format date_sub date_trunc dateadd datediff day dayofmonth
    dayofweek dayofyear decimal double element_at endswith equal_null exp extract flatten float floor format_number
    format_string from_json from_unixtime from_utc_timestamp get_json_object greatest hash hex hour if ifnull instr
    int isnotnull isnull json_array_length last_day lcase least left len length levenshtein ln locate log log10
    lower lpad ltrim make_date make_timestamp map md5 minute mod month months_between named_struct next_day nullif
    nullifzero nvl nvl2 octet_length overlay parse_url pmod position power quarter regexp_extract regexp_like
    regexp_replace repeat replace reverse right round rpad rtrim second sha sha1 sha2 sign signum size slice
    smallint sort_array soundex split split_part sqrt startswith string struct substr substring substring_index
    timestamp timestamp_micros timestamp_millis timestamp_seconds timestampadd tinyint to_char to_date to_number
    to_timestamp to_unix_timestamp to_utc_timestamp translate trim trunc try_add try_cast try_divide try_element_at
    try_multiply try_parse_url try_subtract try_to_number try_to_timestamp typeof ucase unix_date unix_millis
    unix_seconds unix_timestamp upper url_decode url_encode weekday weekofyear xxhash64 year zeroifnull
"""
FUNCTIONS = frozenset(_PORTABLE.split())
"""Functions that give the same result on both engines; neither aggregates nor functions that change with each call."""

_KEYWORDS = "and as between by case div else end ilike in interval is like not numeric or regexp rlike then when"
_NO_FUNCTIONS = frozenset(_KEYWORDS.split())
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
_MIXED = ("coalesce", "greatest", "least", "nullif", "equal_null")
"""Functions of which all arguments become numbers if one of them is, on Sail without regard for bad texts."""
_FULL_DATE = r"'^\\s*[+]?\\d+-\\d+-\\d+'"
_VALUES = (exp.Condition, exp.Func, exp.AtTimeZone, exp.FromTimeZone, exp.Filter, exp.Interval, exp.Alias, exp.Star)
_REFUSED = (exp.Star, exp.Alias, exp.Lambda, exp.Placeholder, exp.Parameter, exp.HexString, exp.UDTF, exp.Block)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)
_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)


def parse_expression(text: str) -> exp.Expr:
    """A Spark SQL expression over one record's columns, parsed.

    Raises ValueError with a hint for bad syntax; for a query, an aggregate or a window, since an expression sees one
    record; for a value that changes from run to run; and for a function on which the engines may differ.
    """
    try:
        trees = sqlglot.parse(text, read="spark")
        tokens = sqlglot.tokenize(text, read="spark")
    except SqlglotError as error:
        where = (getattr(error, "errors", None) or [{}])[0]
        at = f" near {where.get('highlight')!r}" if where.get("highlight") else ""
        raise ValueError(f"not a Spark SQL expression{at}: {text!r}") from None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, _VALUES) or isinstance(tree, exp.Query):
        raise ValueError(f"expected one expression over the file's columns, got {text!r}")
    _refuse_more_than_a_record(tree, text)
    for name in _called(tokens):
        if name.lower() not in FUNCTIONS:
            raise ValueError(f"no function {name}() that Sail and Spark give alike{_hint(name)}: {text!r}")
    for node in tree.walk():
        if isinstance(node, _REFUSED):
            raise ValueError(f"{node.sql(dialect='spark')!r} cannot be used in an expression: {text!r}")
        if isinstance(node, exp.Func) and node.key.startswith(("current", "localtime")):
            raise ValueError(f"{node.sql(dialect='spark')} changes from run to run: {text!r}")
    refuse_differences(text)
    for token, following in itertools.pairwise(tokens):
        if token.token_type == following.token_type == TokenType.STRING and token.end + 1 == following.start:
            raise ValueError(f"write a quote inside a text as \\': {text!r}")
    return tree


def _refuse_more_than_a_record(tree: exp.Expr, text: str) -> None:
    for node in tree.find_all(exp.AggFunc, exp.Window, exp.Query):
        what = "a window" if isinstance(node, exp.Window) else "a query" if isinstance(node, exp.Query) else node.key
        raise ValueError(f"an expression sees one record at a time, {what} sees more: {text!r}")


def _called(tokens: list) -> list[str]:
    """The names of the functions that are called: names right before an opening bracket."""
    return [
        token.text
        for token, following in itertools.pairwise(tokens)
        if following.token_type == TokenType.L_PAREN
        and token.text.isidentifier()
        and token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER)
        and token.text.lower() not in _NO_FUNCTIONS
    ]


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), FUNCTIONS, n=1)
    return f"; did you mean {near[0]}()?" if near else ""


def columns_of(text: str) -> list[str]:
    """The file's columns that an expression uses, in order of appearance; for a nested field, the outermost column."""
    return list(dict.fromkeys(column.parts[0].name for column in parse_expression(text).find_all(exp.Column)))


def check_over_text(text: str) -> None:
    """Raises ValueError if an expression over text columns calculates with one or compares one with a number.

    Spark would silently cast the text to a number; Sail refuses, or raises at the first text that is no number.
    """
    for node in parse_expression(text).find_all(*_ARITHMETIC, *_COMPARED):
        operands = [part.unnest() for part in node.iter_expressions()]
        columns = [part for part in operands if isinstance(part, exp.Column)]
        number = any(isinstance(part, exp.Literal) and not part.is_string for part in operands)
        if columns and (isinstance(node, _ARITHMETIC) or number):
            name = columns[0].sql(dialect="spark")
            raise ValueError(f"{name} is a text, cast it first, e.g. cast({name} as double): {text!r}")
    for operands in _in_one_type(Literals(text).tree):
        name = next((part.sql(dialect="spark") for part in operands if isinstance(part, exp.Column)), None)
        number = next((part.name for part in operands if isinstance(part, exp.Literal) and not part.is_string), None)
        if name and number:
            raise ValueError(
                f"{name} is a text and {number} is none: write '{number}', or cast it first, e.g. "
                f"cast({name} as double): {text!r}"
            )


def _in_one_type(tree: exp.Expr) -> Iterator[list[exp.Expr]]:
    """The values that an engine brings to one type, for each function and CASE that compares them."""
    for node in tree.find_all(exp.Anonymous, exp.Case):
        if isinstance(node, exp.Anonymous) and node.name.lower() in _MIXED:
            yield [argument.unnest() for argument in node.expressions]
        if isinstance(node, exp.Case) and node.this:
            yield [value.unnest() for value in (node.this, *(branch.this for branch in node.args["ifs"]))]


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
    tree = _null_for_empty(literals.tree) if type_ != "string" else literals.tree
    tree = portable(literals, tree, type_ == "timestamp")
    return literals.sql(_cast(exp.Paren(this=tree), exp.DataType.build(type_, dialect="spark")))


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
    return isinstance(inner, _ARITHMETIC) or (isinstance(inner, exp.Literal) and not inner.is_string)


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
    type_ = exp.Anonymous(this="TYPEOF", expressions=[value.copy()])
    is_other = exp.NEQ(this=type_, expression=exp.Literal.string("string"))
    pattern = exp.Anonymous(this="RLIKE", expressions=[try_cast(value.copy(), "string"), exp.Var(this=_FULL_DATE)])
    return exp.Case(ifs=[exp.If(this=exp.Or(this=is_other, expression=pattern), true=value)])


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
