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
from collections.abc import Callable

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import SqlglotError

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
_CAST_FUNCTIONS = ("bigint", "boolean", "date", "double", "float", "int", "smallint", "timestamp", "tinyint")
_PARSERS = ("to_timestamp", "try_to_timestamp", "to_date", "unix_timestamp", "to_unix_timestamp")
_DATE_ARGUMENT = {"from_utc_timestamp": 0, "to_utc_timestamp": 0, "convert_timezone": -1, "date_add": 0, "date_sub": 0}
_DATE_ARGUMENT |= {"dateadd": 0, "timestampadd": 2, "add_months": 0, "last_day": 0, "next_day": 0}
_DATE_ARGUMENT |= {"date_trunc": 1, "trunc": 0}
"""By function that makes a date or an instant of a text: the position of the text."""
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
    for path in _json_paths(text):
        if "*" in path:
            raise ValueError(f"Sail and Spark differ on {path!r}: a path with a * finds several values: {text!r}")
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


class _Written(Spark):
    """Spark's SQL with every function call kept as it is written."""

    class Parser(Spark.Parser):
        FUNCTIONS = {name: Spark.Parser.FUNCTIONS[name] for name in ("ARRAY", "STRUCT")}  # noqa: RUF012


class Literals:
    """The texts in quotes of an expression, which stay out of the parser's sight: it would rewrite some of them."""

    def __init__(self, text: str) -> None:
        tokens = [
            token
            for token in sqlglot.tokenize(text, read="spark")
            if token.token_type in (TokenType.STRING, TokenType.RAW_STRING)
        ]
        self.contents = {f"umg:{number}": token.text for number, token in enumerate(tokens)}
        self._sources = {f"'umg:{number}'": text[token.start : token.end + 1] for number, token in enumerate(tokens)}
        parts, at = [], 0
        for placeholder, token in zip(self._sources, tokens, strict=True):
            # empty texts are left: what an expression chooses may be one
            parts += [text[at : token.start], placeholder if token.text else "''"]
            at = token.end + 1
        self.tree = sqlglot.parse_one("".join([*parts, text[at:]]), read=_Written)

    def content_of(self, node: exp.Expr) -> str | None:
        """What stands inside a literal's quotes; None for another node."""
        return self.contents.get(node.name, node.name) if isinstance(node, exp.Literal) and node.is_string else None

    def sql(self, tree: exp.Expr) -> str:
        """The tree as SQL, with every text as it was written."""
        return re.sub(r"'umg:\d+'", lambda placeholder: self._sources[placeholder[0]], tree.sql(dialect="databricks"))


def _json_paths(text: str) -> list[str]:
    literals = Literals(text)
    calls = [node for node in literals.tree.find_all(exp.Anonymous) if node.name.lower() == "get_json_object"]
    return [path for call in calls for node in call.expressions[1:] if (path := literals.content_of(node)) is not None]


def reads_json_values(text: str) -> bool:
    """Whether an expression takes values out of JSON: Spark writes the number 1.10 as 1.1, Sail as it is."""
    return bool(_json_paths(text))


@functools.cache
def null_on_bad_cast(text: str, type_: str | None = None) -> str:
    """The expression, cast to a type if there is one, rewritten so that both engines agree: a bad text becomes NULL.

    An epoch outside the years 1 to 9999 is NULL: on overflow Spark raises, and Sail wraps around to a wrong instant.
    Every cast becomes a TRY_CAST, so '12.7' is no BIGINT. A cast to DATE goes through TIMESTAMP, since Sail finds no
    date in a text with a time. TIMESTAMP_SECONDS keeps fractions of a second. A text without year, month and day is no
    date and no instant; if type_ is timestamp, one that is read by a format without them is none, either.
    """
    literals = Literals(text)

    def portable(node: exp.Expr) -> exp.Expr:
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
        if called in _PARSERS and len(arguments) == 2 and type_ == "timestamp":
            pattern = literals.content_of(arguments[1])
            return node if pattern is None or _has_full_date(pattern) else exp.Null()
        if called in _DATE_ARGUMENT:
            position = 2 if called == "dateadd" and len(arguments) == 3 else _DATE_ARGUMENT[called]
            position %= len(arguments)
            guarded = [_if_full_date(a) if at == position else a for at, a in enumerate(arguments)]
            return exp.Anonymous(this=called.upper(), expressions=guarded)
        return node

    tree = _changed(literals.tree, portable)
    return literals.sql(_cast(exp.Paren(this=tree), exp.DataType.build(type_, dialect="spark")) if type_ else tree)


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
