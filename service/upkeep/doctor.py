"""What `wangge doctor` looks at: all that the product stands on, what is missing, the line that mends it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from partition.texts import Language, catalogue
from service.db import APP_ROLE, DatabaseError, engines, is_current, is_fenced
from service.postgres.cluster import Cluster
from service.postgres.cluster_files import ADMIN_LINE, BOOTSTRAP_SQL, ClusterError, find_programs

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.settings import Settings

PACKAGES = ("geopandas", "shapely", "numba", "sqlalchemy", "fastapi", "folium")
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
FONT = re.compile(r"cjk|wqy|uming|ukai|sourcehan|droidsansfallback", re.IGNORECASE)
SETUP_LINE = "make demo ARGS=--once"
PAPER_LINE = "pip install 'wangge[paper]'"


@dataclass(frozen=True)
class Symptom:
    """One thing looked at: `good`, `wanting` (the product runs without it) or `missing` (it does not)."""

    subject: str
    state: Literal["good", "wanting", "missing"]
    said: str
    mend: str = ""


def examine(settings: Settings, lang: Language) -> Iterator[Symptom]:
    """Look at everything, cheap things first. An embedded cluster that exists is started for the question."""
    say = _Sayer(lang)
    yield say("doctor-python", "good", f"{platform.python_version()}  {os.path.realpath('/proc/self/exe')}")
    yield from _packages(say)
    yield from _programs(settings, say)
    yield from _database(settings, say, lang)
    yield _font(say)
    yield _printing(settings, say)
    yield _browser(say)


class _Sayer:
    """Makes symptoms whose subject is a key of the catalogue."""

    def __init__(self, lang: Language) -> None:
        self.lang = lang

    def text(self, key: str, **values: object) -> str:
        return catalogue("service").say(key, self.lang, **values)

    def __call__(
        self, key: str, state: Literal["good", "wanting", "missing"], said: str, mend: str = ""
    ) -> Symptom:
        return Symptom(self.text(key), state, said, mend)


def _packages(say: _Sayer) -> Iterator[Symptom]:
    there, lacking = [f"wangge {version('wangge')}"], []
    for name in PACKAGES:
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lacking.append(name)
    yield say("doctor-packages", "good", " · ".join(there))
    if lacking:
        yield say("doctor-packages", "missing", ", ".join(lacking), SETUP_LINE)


def _programs(settings: Settings, say: _Sayer) -> Iterator[Symptom]:
    try:
        programs = find_programs()
    except ClusterError:
        state: Literal["wanting", "missing"] = "missing" if settings.database_url is None else "wanting"
        yield say("doctor-programs", state, say.text("doctor-absent"), ADMIN_LINE)
        return
    said = subprocess.run(  # noqa: S603
        [programs.path("postgres"), "--version"], capture_output=True, text=True, check=False
    ).stdout.strip()
    yield say("doctor-programs", "good", f"{said}  {programs.folder}")


def _database(settings: Settings, say: _Sayer, lang: Language) -> Iterator[Symptom]:
    key = "doctor-database"
    if settings.database_url is None:
        status = Cluster(settings.state_dir, settings.runtime_dir).status()
        if status.state == "absent":
            yield say(key, "good", say.text("doctor-embedded-absent", path=status.data))
            return
        state = say.text(f"cluster-state-{status.state}")
        yield say(key, "good", say.text("doctor-embedded", path=status.data, state=state))
    try:
        with engines(settings) as opened:
            current = is_current(opened.app)
            if settings.database_url is not None:
                address = opened.app.url.render_as_string(hide_password=True)
                yield say(key, "good", say.text("doctor-server", address=address))
            with opened.app.connect() as connection:
                yield _postgis(connection, say)
            fenced = current and is_fenced(opened.app)
        if current:
            yield say("doctor-tables", "good", say.text("doctor-tables-current"))
            if not fenced:
                unfenced = say.text("doctor-unfenced", role=APP_ROLE)
                yield say("doctor-fence", "wanting", unfenced, say.text("doctor-fence-mend", role=APP_ROLE))
        elif settings.database_url is None:
            yield say("doctor-tables", "good", say.text("doctor-tables-own"))
        else:
            yield say("doctor-tables", "missing", say.text("doctor-tables-behind"), "wangge db migrate")
    except (ClusterError, DatabaseError) as error:
        said, _, mend = error.text(lang).partition("\n")
        yield say(key, "missing", said, mend)


def _postgis(connection: Connection, say: _Sayer) -> Symptom:
    from sqlalchemy import text

    row = connection.execute(
        text(
            "select current_setting('server_version'), current_user, "
            "(select extversion from pg_extension where extname = 'postgis')"
        )
    ).one()
    if row[2] is None:
        mend = f"psql -d {connection.engine.url.database} -f {BOOTSTRAP_SQL}"
        return say("doctor-postgis", "missing", say.text("doctor-absent"), mend)
    return say("doctor-postgis", "good", f"PostGIS {row[2]}, PostgreSQL {row[0]}, {row[1]}")


def _font(say: _Sayer) -> Symptom:
    """A font with Chinese, for the browser on this machine; pages carry none."""
    lister = shutil.which("fc-list")
    if lister:
        listed = subprocess.run(  # noqa: S603
            [lister, ":lang=zh-cn", "family"], capture_output=True, text=True, check=False
        )
        families = [line.split(",")[0].strip() for line in listed.stdout.splitlines() if line.strip()]
    else:
        families = [
            file.stem
            for folder in FONT_FOLDERS
            for file in Path(folder).expanduser().rglob("*.[ot]t[fc]")
            if FONT.search(file.name)
        ]
    if families:
        return say("doctor-font", "good", min(families))
    return say("doctor-font", "wanting", say.text("doctor-absent"), ADMIN_LINE)


def _printing(settings: Settings, say: _Sayer) -> Symptom:
    """What `wangge print` needs: the extra, and a font that it can put into a file."""
    from layers.paper.fonts import NoFont, find_font

    try:
        return say("doctor-printing", "good", str(find_font(settings.font)))
    except ModuleNotFoundError as error:
        return say("doctor-printing", "wanting", str(error.name), PAPER_LINE)
    except NoFont as error:
        return say("doctor-printing", "wanting", error.wanted or say.text("doctor-absent"), ADMIN_LINE)


def _browser(say: _Sayer) -> Symptom:
    browser = shutil.which("chromium")
    if browser is None:
        return say("doctor-browser", "wanting", say.text("doctor-browser-absent"), ADMIN_LINE)
    said = subprocess.run([browser, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    return say("doctor-browser", "good", f"{said.stdout.strip()}  {browser}")
