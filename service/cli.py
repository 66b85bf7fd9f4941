"""The command line `wangge`: what each group of commands holds stands in `service/commands`."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

app = typer.Typer(
    name="wangge",
    help="Draw and watch community management grids · 社区网格的划分与查看",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # paragraphs of the help fill the terminal
    pretty_exceptions_show_locals=False,
)


def end_in_order() -> None:
    """Let a closed terminal or a `kill` end us as Ctrl-C does, through every `finally`."""
    for wanted in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(wanted) is signal.SIG_DFL:  # what `nohup` ignores stays ignored
            signal.signal(wanted, _leave)


def _leave(wanted: int, frame: FrameType | None) -> None:
    sys.exit(128 + wanted)


def main() -> None:
    """Run the command line."""
    from service.commands import register

    end_in_order()
    register(app)
    app()
