"""Commands that show things: `wangge serve`, `wangge map` and `wangge demo`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partition.texts import catalogue
from service.access import Principal, Role
from service.commands.terminal import Terminal, terminal

if TYPE_CHECKING:
    import socket

    from service.db import Database
    from service.demo import Step, Tell

PANEL = "Maps and service · 地图与服务"
INTERRUPTED = 130

Host = Annotated[
    str | None,
    typer.Option("--host", help="Address to listen on; default: this machine only · 监听地址，默认仅限本机"),
]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port to listen on · 监听端口")]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the map in the browser · 自动打开浏览器")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (demo, serve, map_community):
        name = "map" if command is map_community else None
        app.command(name, rich_help_panel=PANEL)(command)


def serve(host: Host = None, port: Port = None, browser: Browser = False) -> None:
    """Serve the API and the maps of what is loaded, until Ctrl-C · 启动服务，按 Ctrl-C 停止

    Where only this machine reaches it, it prints one-time login links for the planner and the command centre.
    Elsewhere it starts only if there is a key (`wangge token create`) or an OIDC issuer to come in by.

    仅限本机访问时会打印规划人员和指挥中心的一次性登录链接；对外提供服务前须先配置登录方式。
    """
    from service.db import database
    from service.settings import Settings
    from service.web.doors import check_door
    from service.web.serving import Stopped, listen, stopping

    term = terminal()
    settings = Settings()
    with term.answering_errors(), stopping():
        try:
            with database(settings, keep=True) as opened:
                check_door(opened, settings, host or settings.host)
                with listen(host or settings.host, settings.port if port is None else port) as bound:
                    _serve(term, opened, bound, None, browser=browser, log=True)
        except Stopped:
            term.say("serve.stopped")


def map_community(
    community: Annotated[
        str,
        typer.Argument(metavar="COMMUNITY", help="Its code, id or name · 社区编码或名称", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.html", help="Where · 输出文件", show_default=False)
    ],
    role: Annotated[Role, typer.Option("--role", help="As whom to look · 以何种身份查看")] = Role.PUBLIC,
) -> None:
    """Write a community's map to one file that needs nothing else · 输出可独立打开的社区地图

    The file shows what everybody may see, unless another role is named: the command centre's holds exact
    figures, so mind where it goes.

    默认只含公众可见的内容；用 --role 指定其他身份时请注意保管，指挥中心的地图含准确数字。
    """
    from service.db import database
    from service.maps.community import write_map
    from service.settings import Settings
    from service.store.communities import find_community

    term = terminal()
    with term.answering_errors(), database(Settings()) as opened:
        with opened.owner.begin() as connection:
            division = find_community(connection, community)
        write_map(opened, Principal(role, subject=user()), division, out, lang=term.lang)
        term.say("wrote", path=out)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Write demo-out/ and stop · 只写出文件后结束")] = False,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder of --once · --once 的输出文件夹")
    ] = Path("demo-out"),
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until",
            formats=["%Y-%m-%d"],
            metavar="DAY",
            show_default=False,
            help="First load: sample cases end in the week before this day's end; default: now · "
            "首次载入时样例事件的截止日期，默认现在",
        ),
    ] = None,
    host: Host = None,
    port: Port = None,
    browser: Browser = False,
) -> None:
    """The sample community on a map: load, divide, publish, serve · 演示：样例社区上图

    Everything stays on this machine. Ctrl-C stops the server and the database. The second time it is quick.
    The first time, the sample's year of cases is moved by whole weeks, to end in the week before now; then it
    stays.

    一切都在本机进行。按 Ctrl-C 停止服务和数据库。第二次启动很快。
    首次载入时，样例一年的事件按整周平移，止于最近一周内，此后不再变动。
    """
    from service.db import database
    from service.demo import prepare, write_files
    from service.operating import OperatingError
    from service.settings import Settings
    from service.web.guard import is_loopback
    from service.web.serving import Stopped, address_of, listen, stopping

    term = terminal()
    settings = Settings()
    step = _steps(term)
    serving = False
    with term.answering_errors(), stopping():
        try:
            wanted = settings.port if port is None else port
            if not is_loopback(host or settings.host):
                raise OperatingError("demo-not-loopback", host=host or settings.host)
            bound = None if once else listen(host or settings.host, wanted, search=port is None)
            if bound is not None and wanted and bound.getsockname()[1] != wanted:
                term.say("demo.port-taken", port=wanted, address=address_of(bound))
            with ExitStack() as held:
                if bound is not None:
                    held.enter_context(bound)
                with step("database"):
                    opened = held.enter_context(database(settings, keep=True))
                ready = prepare(opened, step, None if until is None else _end_of(until))
                if bound is None:
                    files = write_files(opened, ready, Principal(Role.PLANNER, subject=user()), out, step)
                    term.say("wrote", path=", ".join(map(str, files)))
                    return
                serving = True
                _serve(term, opened, bound, ready.division, browser=browser, log=False)
        except Stopped:
            if not serving:
                term.say("demo.interrupted")
                raise typer.Exit(INTERRUPTED) from None
            term.say("serve.stopped")


def _serve(
    term: Terminal, opened: Database, bound: socket.socket, division: str | None, *, browser: bool, log: bool
) -> None:
    """Serve until stopped; prints where, once the first request would be answered."""
    from service.db import is_fenced
    from service.exports.workshop import Workshop
    from service.identity.accounts import Accounts
    from service.identity.oidc import Issuer
    from service.jobs.beside import worker_beside
    from service.main import create_app
    from service.settings import Settings
    from service.upkeep.limits import Limits
    from service.upkeep.logs import begin_logging
    from service.web.doors import names_of
    from service.web.guard import is_loopback
    from service.web.serving import address_of, run

    if not is_fenced(opened.app):
        term.err.print(term.text("serve.unfenced"), style="yellow", markup=False)
    settings = Settings()
    accounts = Accounts(opened.app, Issuer.of(settings))
    address = address_of(bound)
    inside = is_loopback(bound.getsockname()[0])
    lines = [("serve.landing", f"{address}/")]
    if division is not None:
        lines.append(("serve.centre", f"{address}/centre/{division}"))
        lines.append(("serve.map", f"{address}/maps/{division}"))
    for role in (Role.PLANNER, Role.CENTRE) if inside else ():
        token = accounts.invite(Principal(role, subject=user()))
        lines.append((f"serve.login_{role}", f"{address}/login?token={token}"))

    def announce() -> None:
        term.out.print()
        for key, place in lines:
            term.out.print(f"  {term.text(key)}", style="bold", end="  ")
            term.out.print(place, style="cyan", markup=False)
        term.out.print()
        term.say("serve.stop")
        if browser:
            import webbrowser

            webbrowser.open(lines[-1][1])

    workshop = Workshop(settings.export_dir)
    workshop.sweep()
    app = create_app(
        opened,
        accounts=accounts,
        hosts=names_of(settings, bound.getsockname()[0]),
        licence=settings.licence,
        limits=Limits(settings.rate),
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else "",
        workshop=workshop,
    )
    begin_logging(settings.log_format, settings.log_level, requests=log)
    with worker_beside():
        run(app, bound, ready=announce, proxies=settings.proxies)


def _end_of(day: datetime) -> datetime:
    """When a day ends in Beijing. Raises typer.BadParameter where dates cannot be moved to."""
    from service.centre.question import BEIJING

    if not 1900 <= day.year <= 2200:
        raise typer.BadParameter("1900-01-01 … 2200-12-31", param_hint="--until")
    return day.replace(tzinfo=BEIJING) + timedelta(days=1)


def user() -> str:
    """Who runs this process, for the record."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        import os

        return f"uid {os.getuid()}"


def _steps(term: Terminal) -> Step:
    """Steps that show themselves: a line each with its seconds, and meanwhile how far it is."""

    @contextmanager
    def step(name: str) -> Iterator[Tell]:
        title = term.text(f"step.{name}")
        begun = time.perf_counter()
        if not term.err.is_terminal:
            term.err.print(f"  {title} …", markup=False)
        with term.err.status(title) as status:

            def tell(part: str, share: float) -> None:
                key = f"step.{part}"
                doing = term.text(key) if key in catalogue("service") else part
                status.update(f"{title}: {doing} {share:.0%}")

            yield tell
        seconds = time.perf_counter() - begun
        term.err.print(f"  [green]✓[/] {title} [dim]{seconds:.1f} s[/]")

    return step
