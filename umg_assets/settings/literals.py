"""Expressions parsed without sight of their texts in quotes, so that these reach the engine as written."""

import re

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.spark import Spark

_UNITS_FIRST = ("timestampadd", "dateadd", "datediff", "date_diff", "timestampdiff")


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
        for call in self.tree.find_all(exp.Anonymous):
            if call.name.lower() in _UNITS_FIRST and len(call.expressions) == 3:
                call.expressions[0].replace(exp.Var(this=call.expressions[0].name))
        for division in self.tree.find_all(exp.Div):
            if isinstance(division.expression, exp.Literal) and division.expression.to_py() != 0:
                division.set("safe", False)  # else sqlglot adds a NULLIF, which changes a decimal's places

    def content_of(self, node: exp.Expr) -> str | None:
        """What stands inside a literal's quotes; None for another node."""
        return self.contents.get(node.name, node.name) if isinstance(node, exp.Literal) and node.is_string else None

    def sql(self, tree: exp.Expr) -> str:
        """The tree as SQL, with every text as it was written."""
        return re.sub(r"'umg:\d+'", lambda placeholder: self._sources[placeholder[0]], tree.sql(dialect="databricks"))
