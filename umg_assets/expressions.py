"""SQL expressions of umg.toml: which may be written, and how they are put so that both engines give the same.

Measured on Sail 0.7.2 and Apache Spark 4.2 (umg_assets_tests/test_expressions.py runs every function on both):
Sail aborts on a bad text where Spark gives NULL, cannot calculate with a text, and reads no date out of a text
with a time. So casts become TRY_CAST, and what the engines answer differently is refused at start.
"""

import difflib
import functools
import itertools
from collections.abc import Callable

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

_GIVEN_ALIKE = """
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
FUNCTIONS = frozenset(_GIVEN_ALIKE.split())
"""Functions that give the same on both engines. Aggregates, and what differs with each call, are none of them."""

_KEYWORDS = "and as between by case div else end ilike in interval is like not numeric or regexp rlike then when"
_BEFORE_A_BRACKET = frozenset(_KEYWORDS.split())
_EPOCHS = {"timestamp_millis": 1_000, "timestamp_micros": 1_000_000}
_CAST_FUNCTIONS = ("smallint", "tinyint", "bigint")
_VALUES = (exp.Condition, exp.Func, exp.AtTimeZone, exp.FromTimeZone, exp.Filter, exp.Interval, exp.Alias, exp.Star)
_REFUSED = (exp.Star, exp.Alias, exp.Lambda, exp.Placeholder, exp.Parameter, exp.HexString, exp.UDTF, exp.Block)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)
_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)


def parse_expression(text: str) -> exp.Expr:
    """A Spark SQL expression over one record's columns, parsed.

    Raises ValueError with a hint for bad syntax, for a query, an aggregate or a window (an expression sees one
    record), for a value that changes from run to run, and for a function that both engines do not give alike.
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
    for one, next_ in itertools.pairwise(tokens):
        if one.token_type == next_.token_type == TokenType.STRING and one.end + 1 == next_.start:
            raise ValueError(f"write a quote inside a text as \\': {text!r}")
    return tree


def _refuse_more_than_a_record(tree: exp.Expr, text: str) -> None:
    for node in tree.find_all(exp.AggFunc, exp.Window, exp.Query):
        what = "a window" if isinstance(node, exp.Window) else "a query" if isinstance(node, exp.Query) else node.key
        raise ValueError(f"an expression sees one record at a time, {what} sees more: {text!r}")


def _called(tokens: list) -> list[str]:
    """The names that stand right before an opening bracket."""
    return [
        one.text
        for one, next_ in itertools.pairwise(tokens)
        if next_.token_type == TokenType.L_PAREN
        and one.text.isidentifier()
        and one.token_type not in (TokenType.STRING, TokenType.IDENTIFIER)
        and one.text.lower() not in _BEFORE_A_BRACKET
    ]


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), FUNCTIONS, n=1)
    return f"; did you mean {near[0]}()?" if near else ""


def columns_of(text: str) -> list[str]:
    """The file's columns that an expression uses (of a nested one, its outermost), in order of appearance."""
    return list(dict.fromkeys(column.parts[0].name for column in parse_expression(text).find_all(exp.Column)))


def check_over_text(text: str) -> None:
    """Raises ValueError where an expression over text columns calculates with one or compares it with a number.

    Spark would cast it to a number without a word; Sail refuses, or raises at the first text that is no number.
    """
    for node in parse_expression(text).find_all(*_ARITHMETIC, *_COMPARED):
        operands = [part.unnest() for part in node.iter_expressions()]
        columns = [part for part in operands if isinstance(part, exp.Column)]
        number = any(isinstance(part, exp.Literal) and not part.is_string for part in operands)
        if columns and (isinstance(node, _ARITHMETIC) or number):
            name = columns[0].sql(dialect="spark")
            raise ValueError(f"{name} is a text, cast it first, e.g. cast({name} as double): {text!r}")


@functools.cache
def null_on_bad_cast(text: str) -> str:
    """The expression as both engines understand it alike: a bad text becomes NULL, on each.

    An epoch outside the years 1 to 9999 is NULL: Spark raises where one overflows, and Sail wraps around to a wrong
    instant. Every cast is a TRY_CAST ('12.7' is no BIGINT then); a cast to DATE goes by TIMESTAMP, since Sail finds no
    date in a text with a time; fractions of a second are kept by TIMESTAMP_SECONDS.
    """

    def same(node: exp.Expr) -> exp.Expr:
        called = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        if called in _CAST_FUNCTIONS:
            return _try_cast(node.expressions[0], called)
        if called == "timestamp_seconds":
            micros = exp.Mul(this=exp.Paren(this=node.expressions[0]), expression=exp.Literal.number(1_000_000))
            instant = exp.Anonymous(this="TIMESTAMP_MICROS", expressions=[_try_cast(micros, "bigint")])
            return _of_year_1_to_9999(instant, node.expressions[0], 1)
        if called in _EPOCHS:
            # Spark takes whole numbers only, Sail also others
            epoch = _try_cast(node.expressions[0], "bigint")
            instant = exp.Anonymous(this=called.upper(), expressions=[epoch])
            return _of_year_1_to_9999(instant, epoch, _EPOCHS[called])
        if isinstance(node, exp.TsOrDsToDate) and not node.args.get("format"):
            return _try_date(node.this)
        if isinstance(node, exp.Cast):
            return _try_date(node.this) if node.is_type("date") else exp.TryCast(this=node.this, to=node.to)
        return node

    return _changed(parse_expression(text), same).sql(dialect="databricks")


def _of_year_1_to_9999(instant: exp.Expr, epoch: exp.Expr, a_second: int) -> exp.Expr:
    within = exp.Paren(this=epoch.copy()).between(-62_135_596_800 * a_second, 253_402_300_799 * a_second)
    return exp.Case(ifs=[exp.If(this=within, true=instant)])


def _try_date(value: exp.Expr) -> exp.Expr:
    return _try_cast(_try_cast(value, "timestamp"), "date")


def _try_cast(value: exp.Expr, type_: str) -> exp.Expr:
    return exp.TryCast(this=value, to=exp.DataType.build(type_, dialect="spark"))


def _changed(tree: exp.Expr, change: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """The tree with every node changed once, inner nodes first, so that what a change makes is not changed again."""
    tree = tree.copy()
    for node in reversed(list(tree.walk())):
        changed = change(node)
        if changed is not node:
            if node is tree:
                tree = changed
            else:
                node.replace(changed)
    return tree
