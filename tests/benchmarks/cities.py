"""A synthetic city from file to file: seconds, processor seconds and memory, step by step."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from data.plan_file import write_plan
from data.vector import read_area
from partition.area import Area
from partition.city.crew import Workers
from partition.clock import Clock
from partition.intake.frames import check_area
from partition.split import Split, split_area
from partition.wishes.policy import load_profile
from tests.benchmarks.city import City, write_city

LOOK_SECONDS = 0.1  # between two looks at the memory
WORK = ("blocks", "units", "graph", "plan", "grids", "judge")  # done by the workers
REST = ("join", "sum")  # within the split, by the process itself


@dataclass
class Memory:
    """The most memory that the process and its workers held at once, in bytes; what they share counts for
    each.
    """

    peak: int = 0
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the memory until the block ends."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield
        finally:
            self._end.set()
            watcher.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._end.wait(LOOK_SECONDS):
            resident = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    resident += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, resident)


@dataclass(frozen=True)
class Run:
    """What one run of a city took."""

    buildings: int
    bytes_read: int
    seconds: float
    clock: Clock
    workers_cpu: float
    peak: int
    split: Split


def run_city(communities: int, jobs: int, folder: Path) -> tuple[Run, Area]:
    """Divide a city as `wangge partition` does: read, check, split, write."""
    file = folder / f"city{communities}.gpkg"
    if not file.exists():
        write_city(City(communities), file)
    clock, memory = Clock(), Memory()
    began = time.perf_counter()
    with memory.watched():
        with clock.step("read"):
            raw = read_area(file)
        with Workers(jobs) as crew:
            with clock.step("check"):
                area = check_area(raw)
                del raw
            with clock.step("split"):
                split = split_area(area, load_profile("yichang"), crew=crew)
            workers = [psutil.Process(pid).cpu_times() for pid in crew.pids]
        with clock.step("write"):
            write_plan(folder / "plan.gpkg", area, split.grids, split.buildings)
        seconds = time.perf_counter() - began
    cpu = sum(times.user + times.system for times in workers)
    run = Run(len(area.buildings), file.stat().st_size, seconds, clock, cpu, memory.peak, split)
    return run, area


def show_city(communities: int, jobs: int, folder: Path | None, console: Console) -> tuple[Run, Area]:
    """Run a city of so many communities and print where the time goes. The files are kept in `folder`."""
    with tempfile.TemporaryDirectory(prefix="wangge-city-") as made:
        run, area = run_city(communities, jobs, folder or Path(made))
    report = run.split.report
    table = Table(
        title=f"{communities} communities, {run.buildings:,} buildings, {jobs} workers: "
        f"{run.seconds:.1f} s from file to file, {run.peak / 2**30:.2f} GB at most",
        title_justify="left",
    )
    for column in ("step", "s", "processor s", "ms a community"):
        table.add_column(column, justify="left" if column == "step" else "right")

    def row(name: str, seconds: float, cpu: float) -> None:
        table.add_row(name, f"{seconds:.2f}", f"{cpu:.2f}", f"{1000 * cpu / communities:.2f}")

    for step in ("read", "check", "split"):
        row(step, run.clock.seconds[step], run.clock.cpu[step])
    for step in REST:
        row(f"  · {step}", report.seconds[step], report.cpu_seconds[step])
    row("  workers in all", sum(report.seconds[step] for step in WORK) / jobs, run.workers_cpu)
    for step in WORK:
        row(f"  · {step}", report.seconds[step] / jobs, report.cpu_seconds[step])
    row("write", run.clock.seconds["write"], run.clock.cpu["write"])
    own = sum(run.clock.cpu.values())
    row("in all", run.seconds, own + run.workers_cpu)
    console.print(table)
    figures = report.judgement.figures
    console.print(
        f"{figures['grids']:,} grids, {figures['share_in_range']:.1%} in range, variation "
        f"{figures['variation']:.3f}, Polsby-Popper {figures['polsby_popper']:.3f}, "
        f"{len(report.violations):,} wishes not met"
    )
    return run, area
