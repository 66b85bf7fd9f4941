"""The command line `wangge`: what each group of commands holds stands in `service/commands`."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="wangge",
    help="Draw and watch community management grids · 社区网格的划分与查看",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)


def main() -> None:
    """Run the command line."""
    from service.commands import register

    register(app)
    app()
