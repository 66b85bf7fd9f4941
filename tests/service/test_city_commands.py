"""`wangge partition` on several communities at once, as a person calls it: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import psutil
import pyogrio
import pytest
import shapely

from tests.benchmarks.city import City, write_city
from tests.lattice import CRS

ROOT = Path(__file__).parents[2]
LONG_SECONDS = 120


def start(*words: object) -> subprocess.Popen[str]:
    """`wangge` with these words, on the code of this checkout."""
    code = "import sys; from service.cli import main; sys.exit(main())"
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", code, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "WANGGE_LANG": "en", "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*words: object) -> tuple[int, str, str]:
    """Status, output and errors of `wangge` with these words."""
    process = start(*words)
    output, errors = process.communicate(timeout=LONG_SECONDS)
    return process.returncode, output, errors


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("city") / "city.gpkg"
    write_city(City(4), file)
    return file


def test_a_city_is_the_same_plan_with_any_number_of_jobs(city: Path, tmp_path: Path) -> None:
    plans = []
    for jobs in (1, 3):
        plan = tmp_path / f"plan{jobs}.gpkg"
        status, output, errors = run("partition", city, "--out", plan, "--jobs", jobs)
        assert status == 0, errors
        assert str(plan) in output
        plans.append([pyogrio.read_dataframe(plan, layer=layer) for layer in ("grids", "buildings")])
    for one, other in zip(*plans, strict=True):
        assert one.drop(columns="geometry").equals(other.drop(columns="geometry"))
        assert shapely.equals_exact(one.geometry.to_numpy(), other.geometry.to_numpy()).all()
    grids = plans[0][0]
    assert grids["community"].nunique() == 4


@pytest.mark.long
def test_a_broken_community_is_told_and_the_others_are_written(tmp_path: Path) -> None:
    """Asked for 1,200 grids, one community has more houses than there are numbers for grids."""
    many = [shapely.box(x, y, x + 6, y + 6) for x in range(2, 400, 10) for y in range(2, 300, 10)]
    few = [shapely.box(x, 20, x + 20, 40) for x in (420, 460, 500)]
    area = tmp_path / "area.gpkg"
    layers = {
        "community": gpd.GeoDataFrame(
            {"id": ["full", "small"]},
            geometry=[shapely.box(0, 0, 401, 301), shapely.box(401, 0, 560, 301)],
            crs=CRS,
        ),
        "streets": gpd.GeoDataFrame(
            {"class": ["lane"]}, geometry=[shapely.LineString([(0, 150), (560, 150)])], crs=CRS
        ),
        "buildings": gpd.GeoDataFrame(
            {"id": [f"B{n}" for n in range(len(many + few))], "households": 1}, geometry=many + few, crs=CRS
        ),
    }
    for name, frame in layers.items():
        pyogrio.write_dataframe(frame, area, layer=name, driver="GPKG", append=area.exists())
    plan, report = tmp_path / "plan.gpkg", tmp_path / "report.json"
    status, _, errors = run(
        "partition", area, "--out", plan, "--report", report, "--grids", 1200, "--jobs", 2
    )
    assert status == 1, errors
    assert "community full could not be divided" in errors
    assert "Traceback" not in errors
    written = pyogrio.read_dataframe(plan, layer="grids")
    assert set(written["community"]) == {"small"}
    houses = pyogrio.read_dataframe(plan, layer="buildings")
    assert (houses["grid"] == "").sum() == len(many)
    told = json.loads(report.read_text(encoding="utf-8"))["violations"]
    (failed,) = [violation for violation in told if violation["code"] == "community_failed"]
    assert (failed["rows"], failed["values"]["buildings"]) == (["full"], len(many))


@pytest.mark.parametrize("wait_for", ["workers", "plan"])
def test_ctrl_c_ends_it_all_and_leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, wait_for: str
) -> None:
    """Interrupted while the workers load, and while they work."""
    city = tmp_path_factory.mktemp("city") / "city.gpkg"
    write_city(City(64), city)  # takes them half a minute
    process = start("partition", city, "--out", tmp_path / "plan.gpkg", "--jobs", 2)
    me = psutil.Process(process.pid)
    deadline = time.monotonic() + LONG_SECONDS
    children: list[psutil.Process] = []
    while len(children) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        children = me.children(recursive=True)
        time.sleep(0.01)
    while wait_for == "plan" and min(sum(child.cpu_times()[:2]) for child in children) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LONG_SECONDS)
    assert process.returncode != 0
    assert "Traceback" not in errors
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert len(gone) == 2, alive
    assert list(tmp_path.iterdir()) == []


def test_workers_end_when_the_command_is_killed(city: Path, tmp_path: Path) -> None:
    process = start("partition", city, "--out", tmp_path / "plan.gpkg", "--jobs", 2)
    me = psutil.Process(process.pid)
    deadline = time.monotonic() + LONG_SECONDS
    children: list[psutil.Process] = []
    while len(children) < 2:
        assert time.monotonic() < deadline
        children = me.children(recursive=True)
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=LONG_SECONDS)
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert len(gone) == 2, alive


def test_a_scheduler_that_is_not_there_is_a_wrong_call(city: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    status, _, errors = run("partition", city, "--out", tmp_path / "plan.gpkg", "--scheduler", "nonsense")
    assert status == 2
    assert "the scheduler nonsense cannot be reached" in errors
    assert list(tmp_path.iterdir()) == []
