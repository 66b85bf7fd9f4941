"""Commands about the database as a whole, `wangge db …`, and `wangge doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.terminal import terminal

if TYPE_CHECKING:
    from service.postgres.cluster import Cluster
    from service.settings import Settings

PANEL = "This machine · 本机"
STYLES = {"good": "green", "wanting": "yellow", "missing": "bold red"}

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The backup · 备份文件", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    db = typer.Typer(
        no_args_is_help=True, help="The database: start, stop, back up, restore · 数据库启停与备份"
    )
    for command in (start, stop, status, migrate, backup, restore, restored):
        db.command()(command)
    app.add_typer(db, name="db", rich_help_panel=PANEL)
    app.command(rich_help_panel=PANEL)(doctor)


def start() -> None:
    """Start the embedded database and keep it running · 启动内置数据库并保持运行

    Other commands start and stop it by themselves; this spares them the start.

    其他命令会自行启停数据库；先启动可省去每次等待。
    """
    term = terminal()
    with term.answering_errors():
        cluster = _embedded(_settings())
        cluster.start()
        term.say("db-started", path=cluster.data)


def stop(
    force: Annotated[bool, typer.Option("--force", help="Even if it is in use · 正在使用时也停止")] = False,
) -> None:
    """Stop the embedded database · 停止内置数据库"""
    term = terminal()
    with term.answering_errors():
        stopped = _embedded(_settings()).stop(force=force)
        term.say("db-stopped" if stopped else "db-was-stopped")


def status() -> None:
    """Whether the embedded database runs, and who uses it · 内置数据库的状态

    Ends with 0 if it runs, with 1 if not.

    运行中退出码为 0，否则为 1。
    """
    term = terminal()
    with term.answering_errors():
        found = _embedded(_settings()).status()
        term.say("db-status", path=found.data, state=term.text(f"cluster-state-{found.state}"))
        if found.state != "running":
            raise typer.Exit(1)
        users = ", ".join(map(str, found.users)) or "–"
        term.say("db-status-running", pid=found.pid, version=found.version, socket=found.socket, users=users)
        if found.kept:
            term.say("db-status-kept")


def migrate() -> None:
    """Bring the tables up to date · 升级数据库表结构

    The embedded database is kept up to date by every command; a server of your own by this one, as its owner.

    内置数据库由各命令自动升级；自己的服务器以所有者身份用本命令升级。
    """
    term = terminal()
    with term.answering_errors():
        from service.db import engines, is_current
        from service.db import migrate as bring_up_to_date

        with engines(_settings()) as opened:
            was_current = is_current(opened.owner)
            if not was_current:
                with term.progress() as progress:
                    progress.step("migrate")
                    bring_up_to_date(opened.owner, progress=progress.tell)
        term.say("db-was-current" if was_current else "db-migrated")


def backup(file: BackupFile) -> None:
    """Write the whole database to a file · 备份整个数据库

    The file appears only when it is complete. It holds unsuppressed counts: keep it like the database itself.

    备份完整后文件才会出现。其中的计数未作披露控制，应与数据库同等保管。
    """
    term = terminal()
    with term.answering_errors():
        from service.db import place
        from service.postgres.backup import backup as write

        with place(_settings()) as found:
            size = write(found, file)
        term.say("db-backed-up", path=file, size=f"{size / 1e6:.1f}")


def restore(file: BackupFile) -> None:
    """Replace the whole database by a backup · 用备份恢复整个数据库

    The backup is restored beside the database and takes its place when complete; if anything fails, the
    database stays as it was. Whoever is connected is disconnected.

    先在一旁恢复，完整后才替换；任何一步失败，原数据库保持不变。已有的连接会被断开。
    """
    term = terminal()
    with term.answering_errors():
        from service.db import place
        from service.postgres.backup import restore as read

        with place(_settings()) as found:
            read(found, file)
        term.say("db-restored", path=file)


def restored() -> None:
    """Say that the database was brought back by other means · 声明数据库已用其他方式恢复

    After a recovery to a point in time, or when a replica that may lack the last changes takes over: before
    servers work with it, or restart them afterwards. What servers and clients keep of the lost changes then
    counts for nothing. `wangge db restore` does this itself.

    用于时间点恢复之后，或由可能缺少最近改动的副本接管之后：应在服务连接之前运行，否则运行后重启服务。
    服务和客户端所存的、已丢失改动的内容从此一律作废。wangge db restore 会自动完成这一步。
    """
    term = terminal()
    with term.answering_errors():
        from service.db import engines
        from service.store.timelines import begin_timeline

        with engines(_settings()) as opened, opened.owner.begin() as connection:
            begin_timeline(connection)
        term.say("db-timeline")


def doctor() -> None:
    """What is installed, what is missing, and the line that mends it · 检查运行环境

    Ends with 0 if the product can run, with 1 if not.

    系统可以运行时退出码为 0，否则为 1。
    """
    from rich.table import Table
    from rich.text import Text

    from service.upkeep.doctor import examine

    term = terminal()
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    mends: dict[str, None] = {}
    ill = False
    with term.err.status(term.text("doctor-looking")):
        for symptom in examine(_settings(), term.lang):
            mark = Text(term.text(f"doctor-state-{symptom.state}"), style=STYLES[symptom.state])
            table.add_row(mark, Text(symptom.subject), Text(symptom.said, overflow="fold"))
            ill |= symptom.state == "missing"
            if symptom.mend:
                mends[symptom.mend] = None
    term.out.print(table)
    if mends:
        term.say("doctor-mend")
        for line in mends:
            term.out.print(line, markup=False)
    term.say("doctor-ill" if ill else "doctor-well")
    if ill:
        raise typer.Exit(1)


def _settings() -> Settings:
    from service.settings import Settings

    return Settings()


def _embedded(settings: Settings) -> Cluster:
    """The embedded cluster. Raises ClusterError where the settings name a server: it is not ours to start."""
    from service.postgres.cluster import Cluster, ClusterError

    if settings.database_url is not None:
        raise ClusterError("db-not-embedded")
    return Cluster(settings.state_dir, settings.runtime_dir)
