"""Where files are made: a folder on a disk that may be full, and processes that write there.

Each export has a folder of its own below the workshop's, locked as long as somebody works in it; what a
killed server left is thereby known, and removed when the next one begins. A finished file is opened and
unlinked: whatever happens then, it is gone with whoever sends it.
"""

from __future__ import annotations

import dataclasses
import fcntl
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from service.exports.faults import FailedError, FullDiskError, LargeError, UnfitError
from service.exports.formats import Encoding, Fit, Format
from service.exports.shelf import Shelf
from service.exports.writer import Answer, Job, receive, send
from service.operating import OperatingError
from service.store.exports import Rows, column_titles

logger = logging.getLogger(__name__)

RESERVE = 64 << 20
PREFIX = "export-"
IDLE_MOST = 2
Batches = Callable[[], Sequence[tuple[Any, ...]]]


class Writer:
    """A process that writes files, one after the other."""

    def __init__(self) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("WANGGE_", "PG"))
        }
        # a process group of its own: Ctrl-C at the terminal is the server's affair
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "service.exports.writer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        self._source = cast(BinaryIO, self._process.stdout)
        self._target = cast(BinaryIO, self._process.stdin)
        self.end = weakref.finalize(self, _end, self._process)

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process, from any thread; whoever works with it meets EOFError."""
        self._process.kill()

    def work(self, job: Job, batches: Batches) -> Answer:
        """Have the job done with all batches (an empty one is the last). EOFError: the process is gone."""
        try:
            send(self._target, dataclasses.asdict(job))
            while batch := batches():
                send(self._target, batch)
            send(self._target, [])
        except BrokenPipeError:
            pass  # it says why
        return cast(Answer, receive(self._source))


class Workshop:
    """Makes files. folder: where; by default one of this user's own among the temporary files. reserve: bytes
    of the disk that it leaves to others.
    """

    def __init__(self, folder: Path | None = None, *, reserve: int = RESERVE) -> None:
        self._folder = folder
        self.reserve = reserve
        self._swept = False
        self.shelf = Shelf()
        self._idle: list[Writer] = []
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """The folder, which is there and nobody else's. OperatingError: it cannot be had."""
        path = self._folder or Path(tempfile.gettempdir()) / f"wangge-exports-{os.geteuid()}"
        try:
            path.mkdir(mode=0o700, exist_ok=True, parents=self._folder is not None)
            found = path.lstat()
        except OSError as error:
            raise OperatingError("export.folder", path=path, reason=error.strerror) from None
        if path.is_symlink() or not path.is_dir() or (self._folder is None and found.st_uid != os.geteuid()):
            raise OperatingError("export.folder", path=path, reason="?")
        return path

    def sweep(self) -> int:
        """Remove what servers left that were killed; returns how many folders."""
        removed = 0
        with _locked(self.folder):
            for one in self.folder.glob(f"{PREFIX}*"):
                descriptor = _claim(one)
                if descriptor is not None:
                    shutil.rmtree(one, ignore_errors=True)
                    os.close(descriptor)
                    removed += 1
        if removed:
            logger.warning("exports: removed %d folders of servers that were killed", removed)
        return removed

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A folder for one export, which is removed in the end."""
        if not self._swept:
            self._swept = True
            self.sweep()
        try:
            with _locked(self.folder):
                made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self.folder))
                descriptor = _claim(made)
        except OSError as error:
            raise _fault_of(error) from None
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
            if descriptor is not None:
                os.close(descriptor)

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """A writing process, used again by the next if the block ends well, else ended."""
        with self._lock:
            found = self._idle.pop() if self._idle else None
        writer = found if found is not None and found.alive else Writer()
        try:
            yield writer
        except BaseException:
            writer.end()
            raise
        with self._lock:
            if len(self._idle) < IDLE_MOST and writer.alive:
                self._idle.append(writer)
                return
        writer.end()

    def close(self) -> None:
        """End the processes that wait for work, and give back the disk that files take."""
        self.shelf.clear()
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            one.end()


class Made(Protocol):
    """One file to be made; `abort` may come from any thread."""

    workshop: Workshop
    rows: Rows

    def make(self, folder: Path) -> Path:
        """The file in `folder`. The rows are open. Raises FullDiskError and whatever the format refuses."""

    def abort(self) -> None:
        """End the work, now."""


class Writing:
    """A file of the text that else is sent while it is made."""

    def __init__(
        self, workshop: Workshop, rows: Rows, parts: Callable[[Rows], Iterator[bytes]], suffix: str
    ) -> None:
        self.workshop, self.rows, self._parts, self._suffix = workshop, rows, parts, suffix

    def make(self, folder: Path) -> Path:
        """The file in `folder`. Raises FullDiskError."""
        path = folder / f"rows{self._suffix}"
        try:
            with path.open("wb") as file:
                for part in self._parts(self.rows):
                    room = os.statvfs(folder)
                    if room.f_bavail * room.f_frsize <= self.workshop.reserve + len(part):
                        raise FullDiskError("export-full")
                    file.write(part)
        except OSError as error:
            raise _fault_of(error) from None
        return path

    def abort(self) -> None:
        """What runs in the database is aborted by itself."""


class Making:
    """One file, from the rows of a question; `abort` may come from any thread."""

    def __init__(
        self,
        workshop: Workshop,
        rows: Rows,
        chosen: Format,
        *,
        encoding: Encoding = "UTF-8",
        fit: Fit = "refuse",
        packed: bool = True,
    ) -> None:
        self.workshop, self.rows, self.chosen = workshop, rows, chosen
        self.encoding, self.fit, self.packed = encoding, fit, packed
        self._writer: Writer | None = None
        self._lock = threading.Lock()
        self._aborted = False

    def make(self, folder: Path, tell: Callable[[int], None] | None = None) -> Path:
        """The file in `folder`; `tell` is told how many rows are done. The rows are open.

        Raises FullDiskError, UnfitError or LargeError; nothing usable is then left.
        """
        collection = self.rows.collection
        headings = self.rows.headings
        job = Job(
            folder=str(folder),
            driver=self.chosen.driver,
            layer=collection.name,
            shape=collection.shape,
            srid=self.rows.question.crs.srid,
            geometry_name=collection.geometry_name,
            names=[one.name for one in headings],
            kinds=[one.kind for one in headings],
            titles=column_titles(headings),
            encoding=self.encoding,
            cut=self.fit == "cut",
            packed=self.packed,
            ordered=bool(self.rows.question.sort),
            reserve=self.workshop.reserve,
        )

        def batches() -> Sequence[tuple[Any, ...]]:
            rows = self.rows.fetch()
            if tell is not None:
                tell(self.rows.fetched)
            return rows

        self.rows.select_values()
        with self.workshop.writer() as writer:
            with self._lock:
                self._writer = writer
                if self._aborted:
                    writer.kill()
            try:
                answer = writer.work(job, batches)
            except EOFError:
                raise FailedError("the writing process is gone") from None
            finally:
                # from here on it may be another's
                with self._lock:
                    self._writer = None
            self._raise(answer)
        if answer["features"] != self.rows.count:
            raise FailedError(f"{answer['features']} of {self.rows.count} rows")
        return Path(answer["file"])

    def abort(self) -> None:
        """End the writing process, now, as long as it works on this file."""
        with self._lock:
            self._aborted = True
            if self._writer is not None:
                self._writer.kill()

    def _raise(self, answer: Answer) -> None:
        match answer.get("fault"):
            case None:
                return
            case "full":
                raise FullDiskError("export-full")
            case "large":
                raise LargeError("export-large")
            case "unfit":
                raise UnfitError([tuple(one) for one in answer["columns"]], self.encoding)
            case _:
                raise FailedError(answer.get("reason", ""))


def _fault_of(error: OSError) -> Exception:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FullDiskError("export-full")
    return OperatingError("export.folder", path=error.filename or "", reason=error.strerror)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else makes or removes folders in `folder` meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _claim(folder: Path) -> int | None:
    """A lock on the folder, until it is closed or the process ends; None if somebody has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
