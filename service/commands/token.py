"""`wangge token`: API keys. A key is shown once, when it is made."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from service.access import Role
from service.commands.store import owner
from service.commands.terminal import terminal

PANEL = "Service · 服务"
YEARS_MOST = 5

group = typer.Typer(name="token", help="API keys · 接口密钥", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(group, rich_help_panel=PANEL)


@group.command()
def create(
    role: Annotated[Role, typer.Option("--role", help="What the holder may do · 角色", show_default=False)],
    name: Annotated[
        str, typer.Option("--name", help="Who or what it is for, for the record · 用途", show_default=False)
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="PREFIX",
            help="Only divisions whose code begins so; again for more · 区划编码前缀",
        ),
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="CODE", help="A grid worker's own grid; again for more · 本人网格"),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", min=1, max=YEARS_MOST * 366, help="Valid for so long · 有效天数")
    ] = 90,
    another: Annotated[
        bool, typer.Option("--another", help="A further key of the same holder · 同一持有人的又一密钥")
    ] = False,
) -> None:
    """Make a key and print it, this once · 生成密钥（只显示一次）。"""
    term = terminal()
    with term.answering_errors():
        from datetime import UTC, datetime, timedelta

        from service.access import Principal
        from service.commands.demo import user
        from service.identity.accounts import make_key
        from service.operating import OperatingError
        from service.store.accounts import add_key, named_keys

        for prefix in scope or []:
            if not re.fullmatch(r"\d{1,12}|[\w-]{1,60}", prefix):
                raise OperatingError("token-scope", value=prefix)
        if bool(grid) != (role is Role.GRID_WORKER):
            raise OperatingError("token-grids")
        principal = Principal(role, tuple(scope or [""]), frozenset(grid or []), name)
        secret, hint = make_key()
        expires = datetime.now(UTC) + timedelta(days=days)
        with owner() as engine, engine.begin() as connection:
            # rates, places and four eyes count by the name
            if not another and (taken := named_keys(connection, name)):
                raise OperatingError("token-name", name=name, numbers=", ".join(map(str, taken)))
            number = add_key(
                connection, secret, principal, hint=hint, name=name, issued_by=user(), expires_at=expires
            )
        term.err.print(term.text("token.created", number=number, until=f"{expires:%Y-%m-%d}"), markup=False)
        term.out.print(secret, markup=False)


@group.command(name="list")
def list_() -> None:
    """List keys: never the key itself, only how it begins · 列出密钥。"""
    term = terminal()
    with term.answering_errors():
        from datetime import UTC, datetime

        from rich.table import Table

        from service.store.accounts import list_keys

        with owner() as engine, engine.connect() as connection:
            keys = list_keys(connection)
        if not keys:
            term.say("token.none")
            return
        names = ("number", "hint", "name", "role", "scope", "state", "expires", "used")
        table = Table(*(term.text(f"token.column-{name}") for name in names), box=None, padding=(0, 2, 0, 0))
        now = datetime.now(UTC)
        for key in keys:
            table.add_row(
                str(key.number),
                f"{key.hint}…",
                key.name,
                key.principal.role.value,
                " ".join(prefix or "*" for prefix in key.principal.scope),
                term.text(f"token.state-{key.state(now)}"),
                f"{key.expires_at:%Y-%m-%d}",
                f"{key.used_at:%Y-%m-%d %H:%M}" if key.used_at else "–",
            )
        term.out.print(table)


@group.command()
def revoke(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `token list` shows · 编号")],
) -> None:
    """End a key at once · 立即停用密钥。"""
    term = terminal()
    with term.answering_errors():
        from service.store.accounts import revoke_key

        with owner() as engine, engine.begin() as connection:
            revoke_key(connection, number)
        term.say("token.revoked", number=number)
