"""Options that take one value are given once: of two, none is silently the last."""

import contextlib
from collections import Counter
from typing import Any

import typer
from typer.core import TyperGroup


class OnceGroup(TyperGroup):
    """A group that refuses an option with one value which its own line, or that of a command of it, gives twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer's. Raises BadParameter for a second value of an option of the group."""
        if not ctx.resilient_parsing:  # a shell that completes a line is not told what is wrong with it
            _refuse_second_values(self, ctx, args)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer's: the command that the line names, and its arguments. Raises BadParameter for a second value."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not ctx.resilient_parsing:
            _refuse_second_values(command, type(ctx)(command, info_name=name, parent=ctx), rest)
        return name, command, rest


def _refuse_second_values(command: Any, ctx: Any, args: list[str]) -> None:
    order: list[Any] = []
    with contextlib.suppress(Exception):  # what cannot be parsed is refused by the command itself
        _, _, order = command.make_parser(ctx).parse_args(list(args))
    for parameter, times in Counter(filter(_takes_one_value, order)).items():
        if times > 1:
            raise typer.BadParameter(f"expected once, got {times} times", ctx=ctx, param=parameter)


def _takes_one_value(parameter: Any) -> bool:
    return parameter.param_type_name == "option" and not (parameter.multiple or parameter.is_flag or parameter.count)
