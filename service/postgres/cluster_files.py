"""What the embedded cluster finds on the machine: PostgreSQL's programs, their user, live servers."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from service.operating import OperatingError

# no quote in it, so that it survives being pasted between quotes; README names the same line
ADMIN_LINE = (
    "mkdir -p /etc/postgresql-common/createcluster.d"
    " && echo create_main_cluster = false > /etc/postgresql-common/createcluster.d/wangge.conf"
    " && apt-get update"
    " && apt-get install -y --no-install-recommends"
    " python3-venv postgresql-postgis fonts-wqy-microhei chromium libatomic1"
)
DEBIAN_ROOT = Path("/usr/lib/postgresql")
# what a superuser runs once for each database
BOOTSTRAP_SQL = Path(__file__).parents[1] / "bootstrap.sql"


class ClusterError(OperatingError):
    """The embedded cluster, or PostgreSQL's tools, cannot do what was asked."""


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs of one major version."""

    folder: Path
    version: int
    postgis: bool

    def path(self, name: str) -> Path:
        """Path of the program `name`."""
        return self.folder / name


def find_programs(version: int | None = None, *, root: Path = DEBIAN_ROOT) -> Programs:
    """PostgreSQL's programs: those of `version`, else the newest that have PostGIS.

    Looks below `root` (Debian's layout), then asks `pg_config` on PATH. Raises ClusterError with the line
    that installs what is missing.
    """
    found = sorted(_installed(root), key=lambda programs: programs.version, reverse=True)
    fit = [programs for programs in found if programs.postgis and version in (None, programs.version)]
    if fit:
        return fit[0]
    if version is not None:
        raise ClusterError("cluster-programs-of-version", version=version, line=version_line(version))
    raise ClusterError("cluster-programs", line=ADMIN_LINE)


def version_line(version: int) -> str:
    """The line that installs PostgreSQL's programs of `version`."""
    return ADMIN_LINE.replace("postgresql-postgis", f"postgresql-{version}-postgis-3")


def _installed(root: Path) -> Iterator[Programs]:
    for server in root.glob("*/bin/postgres"):
        name = server.parent.parent.name
        if name.isdigit():
            share = root.parent.parent / "share" / "postgresql" / name
            yield Programs(server.parent, int(name), (share / "extension" / "postgis.control").exists())
    config = shutil.which("pg_config") if root == DEBIAN_ROOT else None
    if config:
        said = subprocess.run(  # noqa: S603
            [config, "--bindir", "--sharedir", "--version"], capture_output=True, text=True, check=False
        ).stdout.splitlines()
        major = re.search(r"\d+", said[2]) if len(said) == 3 else None
        if major and Path(said[0], "postgres").exists():
            yield Programs(
                Path(said[0]), int(major[0]), Path(said[1], "extension", "postgis.control").exists()
            )


@dataclass(frozen=True)
class ServerUser:
    """Who PostgreSQL's programs run as: ourselves, or the user `postgres` when we are root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def find(cls) -> ServerUser:
        """The user for this process. Raises ClusterError if it has no entry in the user database."""
        uid = os.geteuid()
        try:
            entry = pwd.getpwuid(uid) if uid else pwd.getpwnam("postgres")
        except KeyError:
            if uid:
                raise ClusterError("cluster-nameless-user", uid=uid) from None
            raise ClusterError("cluster-no-postgres-user", line=ADMIN_LINE) from None
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @property
    def is_other(self) -> bool:
        """Whether this is not the user of this process."""
        return self.uid != os.geteuid()

    def run(
        self,
        command: Sequence[str | Path],
        *,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        text: bytes | None = None,
        environment: dict[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one of PostgreSQL's programs, in a session of its own: Ctrl-C is for us, not for it."""
        try:
            return subprocess.run(  # noqa: S603
                [str(word) for word in command],
                stdin=None if text is not None else stdin,
                input=text,
                stdout=stdout,
                stderr=subprocess.PIPE,
                check=False,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": "/", **(environment or {})},
                start_new_session=True,
                pass_fds=pass_fds,
                user=self.uid if self.is_other else None,
                group=self.gid if self.is_other else None,
                extra_groups=[] if self.is_other else None,
            )
        except PermissionError as error:
            raise ClusterError("cluster-may-not-switch", user=self.name, reason=error.strerror) from error

    def own(self, path: Path) -> None:
        """Give `path` to this user."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)

    def closed_folder(self, path: Path) -> Path | None:
        """The first folder on the way to `path` that this user may not enter, judged by its mode bits."""
        for folder in reversed([path, *path.parents]):
            state = folder.stat()
            bit = 0o100 if state.st_uid == self.uid else 0o010 if state.st_gid == self.gid else 0o001
            if not state.st_mode & bit:
                return folder
        return None


def processes_in(folder: Path) -> list[int]:
    """Live (non-zombie) `postgres` processes whose working directory is `folder`."""
    try:
        wanted = folder.stat()
    except FileNotFoundError:
        return []
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _is_server_in(entry, wanted)
    ]


def is_server(pid: int, folder: Path) -> bool:
    """Whether `pid` is a live `postgres` process working in `folder`."""
    try:
        return _is_server_in(Path("/proc", str(pid)), folder.stat())
    except FileNotFoundError:
        return False


def _is_server_in(process: Path, wanted: os.stat_result) -> bool:
    try:
        # "pid (name) state ...", where the name may hold anything
        name, _, rest = (process / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
        return (
            name == "postgres"
            and rest.split()[0] not in "ZX"
            and os.path.samestat((process / "cwd").stat(), wanted)
        )
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False  # ended meanwhile, or another user's
