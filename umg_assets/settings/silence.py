"""When a record says nothing of a value: expressions of umg.toml that choose an empty text or NULL."""

import re
from collections.abc import Callable, Collection, Iterable

from sqlglot import exp

from umg_assets.settings.literals import Literals
from umg_assets.settings.portable import ARITHMETIC, MAKE_NULL, portable, try_cast

_TEXTS = """
    array_join btrim coalesce concat concat_ws element_at format_string get_json_object greatest if ifnull lcase least
    left lower lpad ltrim nullif nvl nvl2 overlay parse_url regexp_extract regexp_replace repeat replace reverse right
    rpad rtrim split_part string substr substring substring_index translate trim try_element_at try_parse_url ucase
    upper url_decode
"""
_TEXT_FUNCTIONS = frozenset(_TEXTS.split())
_ELEMENTS = ("element_at", "try_element_at", "get")
_TEXT_NODES = (exp.DPipe, exp.Concat, exp.Bracket, exp.Dot, exp.Trim, exp.Substring, exp.Overlay)


def says_nothing(text: str, column_says_nothing: Callable[[list[str], str], str | None]) -> str:
    """SQL for whether a record says nothing of a value, so that a NULL is no mistake: TRUE or FALSE, never NULL.

    It does if the columns that the expression uses are empty, and if the expression chooses an empty text or NULL (by
    IF, CASE, NULLIF and the like), or takes a part of a text, JSON, address, list, map or struct that has no such part.
    It does not if a cast or a function turns a text into NULL, nor if it chooses because a cast in a condition does.

    column_says_nothing: from a column's path and its SQL to the condition under which it is empty, None for always.
    """
    literals = Literals(text)

    def silent(node: exp.Expr) -> exp.Expr | None:
        """When the node's value is NULL or empty for good reason; None if it has no say in that (a constant)."""
        node = node.unnest()
        name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        arguments = node.expressions if name else []
        if isinstance(node, exp.Column):
            condition = column_says_nothing([part.name for part in node.parts], node.sql(dialect="databricks"))
            return exp.Var(this=f"({condition})") if condition else exp.true()
        if isinstance(node, exp.Null) or literals.content_of(node) == "":
            return exp.true()
        if isinstance(node, exp.Literal | exp.Boolean | exp.DataType | exp.Var | exp.Interval):
            return None
        if isinstance(node, exp.If):
            return _case(
                [*failed(node.this), (node.this, empty(node.args["true"]))],
                empty_or_all(node.args.get("false"), node),
            )
        if isinstance(node, exp.Case):
            branches = [(branch.this, empty(branch.args["true"])) for branch in node.args["ifs"]]
            if not node.this:
                branches = [case for branch in branches for case in (*failed(branch[0]), branch)]
            return _case(branches, empty_or_all(node.args.get("default"), node), node.this)
        if name == "nvl2":
            known = exp.Not(this=exp.Is(this=arguments[0].copy(), expression=exp.Null()))
            return _case([(known, empty(arguments[1]))], empty(arguments[2]))
        if name in ("nullif", "nullifzero"):
            placeholder = arguments[1].copy() if name == "nullif" else exp.Literal.number(0)
            return _or(empty(arguments[0]), _true(exp.EQ(this=arguments[0].copy(), expression=placeholder)))
        if name in ("coalesce", "nvl", "ifnull") and any(literals.content_of(value) == "" for value in arguments):
            return exp.true()
        if (absent := _absent(node, literals)) is not None:
            return _or(_all(part for value in node.iter_expressions() if (part := has_say(value))), absent)
        return _all(part_empty for part in node.iter_expressions() if (part_empty := has_say(part)) is not None)

    def failed(condition: exp.Expr) -> list[tuple[exp.Expr, exp.Expr]]:
        """The case in which a condition is NULL because a cast in it failed: no reason to be empty."""
        casts = [node for node in condition.walk() if isinstance(node, exp.Cast) or _is_call(node, MAKE_NULL)]
        lost = [exp.and_(_is_null(cast), exp.Not(this=exp.Paren(this=empty(cast)))) for cast in casts]
        return [(exp.and_(_is_null(condition), exp.or_(*lost)), exp.false())] if lost else []

    def has_say(node: exp.Expr) -> exp.Expr | None:
        """As `empty`; None if the node is a constant, which has no say."""
        reason = silent(node)
        return None if reason is None else or_chosen(reason, node)

    def empty(node: exp.Expr) -> exp.Expr:
        """When the node's value is NULL or empty for good reason."""
        return or_chosen(silent(node) or exp.false(), node)

    def or_chosen(reason: exp.Expr, node: exp.Expr) -> exp.Expr:
        """The reason, or that the node's value is an empty text, where it can be a text that an expression made."""
        inner = node.unnest()
        name = inner.name.lower() if isinstance(inner, exp.Anonymous) else ""
        if name not in _TEXT_FUNCTIONS and not isinstance(inner, _TEXT_NODES):
            return reason
        chosen = exp.EQ(this=try_cast(node.copy(), "string"), expression=exp.Literal.string(""))
        return exp.Paren(this=exp.Or(this=reason, expression=_true(chosen)))

    def empty_or_all(node: exp.Expr | None, whole: exp.Expr) -> exp.Expr:
        """As `empty`; where there is no ELSE: when all columns of the whole are empty."""
        if node is not None:
            return empty(node)
        return _all(silent(column) or exp.true() for column in whole.find_all(exp.Column)) or exp.false()

    return literals.sql(portable(literals, empty(literals.tree)))


def is_conversion(text: str) -> bool:
    """Whether an expression is a column, or a part of one, at most converted: its NULL is not there, or is lost."""
    return _is_converted(Literals(text).tree)


def _is_converted(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Cast | exp.Neg):
        return _is_converted(node.this)
    if isinstance(node, ARITHMETIC):
        sides = (node.this, node.expression)
        return any(_is_constant(side) for side in sides) and any(_is_converted(side) for side in sides)
    if _is_call(node, MAKE_NULL):
        return all(map(_is_converted, node.expressions[:1])) and all(map(_is_constant, node.expressions[1:]))
    return _is_part(node)


def _is_part(node: exp.Expr) -> bool:
    """Whether a node is a column, or what lies within one, at a place that is constant or itself such a node."""
    node = node.unnest()
    if isinstance(node, exp.Dot):
        return _is_part(node.this)
    whole, *places = [node.this, *node.expressions] if isinstance(node, exp.Bracket) else [node]
    if _is_call(node, _ELEMENTS) and node.expressions:
        whole, *places = node.expressions
    if places:
        return _is_part(whole) and all(_is_constant(place) or _is_part(place) for place in places)
    return isinstance(node, exp.Column)


def _is_constant(node: exp.Expr) -> bool:
    return node.find(exp.Column) is None


def _absent(node: exp.Expr, literals: Literals) -> exp.Expr | None:
    """That a node takes a part which a list, map or struct, or a readable text, JSON or address, does not have.

    None for other nodes.
    """
    if _is_part(node):
        return _is_null(node)
    if _is_call(node, ("get_json_object",)):
        return exp.and_(_is_null(node), _is_json(node.expressions[0]))
    if _is_call(node, ("parse_url", "try_parse_url")):
        readable = exp.Anonymous(
            this="TRY_PARSE_URL", expressions=[node.expressions[0].copy(), exp.Literal.string("PROTOCOL")]
        )
        return exp.and_(_is_null(node), exp.Not(this=_is_null(readable)))
    if isinstance(node, exp.Bracket) and _is_call(node.this, ("split",)):
        return _is_null(node)
    if _is_call(node, _ELEMENTS) and _is_call(node.expressions[0], ("split",)):
        return _is_null(node)
    keys, parsed = [], node
    while isinstance(parsed, exp.Dot):
        keys, parsed = [parsed.expression.name, *keys], parsed.this
    if keys and _is_call(parsed, ("from_json",)) and not any(re.search(r"[.\['\"*]", key) for key in keys):
        text = parsed.expressions[0]
        return exp.and_(_is_null(_json(text, ".".join(["$", *keys]))), _is_json(text))
    return None


def _json(text: exp.Expr, path: str) -> exp.Expr:
    return exp.Anonymous(this="GET_JSON_OBJECT", expressions=[text.copy(), exp.Literal.string(path)])


def _is_json(text: exp.Expr) -> exp.Expr:
    """Whether a text begins with a JSON object or array that can be read."""
    first = exp.Anonymous(this="LEFT", expressions=[_json(text, "$"), exp.Literal.number(1)])
    return _true(exp.In(this=first, expressions=[exp.Literal.string("{"), exp.Literal.string("[")]))


def _is_call(node: exp.Expr, names: Collection[str]) -> bool:
    inner = node.unnest()
    return isinstance(inner, exp.Anonymous) and inner.name.lower() in names


def _is_null(node: exp.Expr) -> exp.Expr:
    return exp.Is(this=exp.Paren(this=node.copy()), expression=exp.Null())


def _or(reason: exp.Expr | None, other: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Or(this=reason, expression=exp.Paren(this=other))) if reason else exp.Paren(this=other)


def _case(branches: list[tuple[exp.Expr, exp.Expr]], default: exp.Expr, operand: exp.Expr | None = None) -> exp.Expr:
    ifs = [exp.If(this=condition.copy(), true=result) for condition, result in branches]
    return exp.Case(this=operand.copy() if operand else None, ifs=ifs, default=default)


def _all(conditions: Iterable[exp.Expr]) -> exp.Expr | None:
    """Whether all hold; None for no condition."""
    several = list(conditions)
    return exp.Paren(this=exp.and_(*several)) if several else None


def _true(condition: exp.Expr) -> exp.Expr:
    """The condition, FALSE where it is NULL."""
    return exp.Anonymous(this="COALESCE", expressions=[condition, exp.false()])
