"""SQL expressions of umg.toml: which are allowed. What is, reaches the engines as `portable` rewrites it.

Functions on which the engines differ, and arithmetic with texts, are refused when the settings are read; every function
is run on both engines by umg_assets_tests/settings/test_expressions.py.
"""

import difflib
import functools
import itertools
from collections.abc import Iterator

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from umg_assets.settings.differences import refuse_differences
from umg_assets.settings.literals import Literals
from umg_assets.settings.portable import ARITHMETIC

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
_MIXED = ("coalesce", "greatest", "least", "nullif", "equal_null")
"""Functions of which all arguments become numbers if one of them is, on Sail without regard for bad texts."""
_VALUES = (exp.Condition, exp.Func, exp.AtTimeZone, exp.FromTimeZone, exp.Filter, exp.Interval, exp.Alias, exp.Star)
_REFUSED = (exp.Star, exp.Alias, exp.Lambda, exp.Placeholder, exp.Parameter, exp.HexString, exp.UDTF, exp.Block)
_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)


@functools.lru_cache(maxsize=1024)
def parse_expression(text: str) -> exp.Expr:
    """A Spark SQL expression over one record's columns, parsed; the same object for the same text.

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


@functools.lru_cache(maxsize=1024)
def check_over_text(text: str) -> None:
    """Raises ValueError if an expression over text columns calculates with one or compares one with a number.

    Spark would silently cast the text to a number; Sail refuses, or raises at the first text that is no number.
    """
    for node in parse_expression(text).find_all(*ARITHMETIC, *_COMPARED):
        operands = [part.unnest() for part in node.iter_expressions()]
        columns = [part for part in operands if isinstance(part, exp.Column)]
        number = any(isinstance(part, exp.Literal) and not part.is_string for part in operands)
        if columns and (isinstance(node, ARITHMETIC) or number):
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
