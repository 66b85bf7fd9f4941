"""The command `wangge worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from service.commands.terminal import terminal


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel="Maps and service · 地图与服务")(worker)


def worker(
    stalled: Annotated[
        float,
        typer.Option(
            "--stalled",
            min=1.0,
            metavar="S",
            help="Seconds without a sign after which a worker is taken for lost · 判定失联的秒数",
        ),
    ] = 20.0,
) -> None:
    """Work on partition runs asked for through the service, until Ctrl-C · 处理经服务提交的划分任务

    `serve` and `demo` start one of their own. More of them, here or on other machines, share the work: set
    WANGGE_DATABASE_URL there. What a worker had when it was lost, another one does again.

    `serve` 与 `demo` 自带一个；可在本机或其他机器再启动若干个分担任务（须设置 WANGGE_DATABASE_URL）。
    处理进程中断时，其任务由其他进程重新处理。
    """
    term = terminal()
    with term.answering_errors():
        from service.jobs.beside import main

        term.say("worker.started")
        main(stalled)
        term.say("worker.stopped")
