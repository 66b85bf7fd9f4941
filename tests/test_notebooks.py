"""The notebooks run from top to bottom, and show what they say."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def _run(name: str, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    # The kernel needs the checkout, wherever the tests were started from.
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOKS)}})
    return client.execute()


def _printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell["outputs"])


def _pictures(notebook: nbformat.NotebookNode) -> list[str]:
    return [
        output["data"]["image/svg+xml"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/svg+xml" in output.get("data", {})
    ]


def test_split_runs_and_shows_every_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = _run("01_split.ipynb", monkeypatch)
    codes = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    assert not [output for cell in codes for output in cell["outputs"] if output.get("name") == "stderr"]
    printed = "\n".join(_printed(cell) for cell in codes)
    assert "226 栋" in printed
    assert "4,413 户" in printed
    assert "in range          100%" in printed
    assert "buildings: 226" in printed
    picture, borders = _pictures(notebook)
    grids = int(printed.split("200–400: ")[1].split(" ")[0])
    assert 12 <= grids <= 20
    assert picture.count("<text") == grids
    assert f"grids: {grids} " in printed
    # the borders before and after they were drawn straight, of the same place
    before, after = (int(turns) for turns in re.findall(r"([0-9]+) 个转折 turns → ([0-9]+)", printed)[0])
    assert after < before
    left, right = (panel.split("</svg>")[0] for panel in borders.split("<svg")[2:])
    assert left.split('viewBox="')[1].split('"')[0] == right.split('viewBox="')[1].split('"')[0]
    assert left.count("fill:#6b6b73") == right.count("fill:#6b6b73") > 2


def test_stored_notebooks_are_small_and_name_no_machine() -> None:
    for path in NOTEBOOKS.glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert path.stat().st_size < 300_000
        assert "/home/" not in text
        assert "site-packages" not in text
        assert "Traceback" not in text


def test_heat_map_runs_and_shows_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = _run("02_heatmap.ipynb", monkeypatch)
    codes = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    assert not [output for cell in codes for output in cell["outputs"] if output.get("name") == "stderr"]
    printed = "\n".join(_printed(cell) for cell in codes)
    assert "0.48 km², 3,016 件 cases, 带宽 bandwidth 100 m" in printed
    # the wider the kernel, the lower the top
    tops = [int(top.replace(",", "")) for top in re.findall(r"最高 highest ([0-9,]+)", printed)]
    assert len(tops) == 3
    assert tops == sorted(tops, reverse=True)
    borders = dict(re.findall(r"(un)?corrected: 边界处 border ([0-9.]+)", printed))
    assert float(borders["un"]) < 0.6
    assert abs(float(borders[""]) - 1) < 0.05
    assert "太少 too few: True" in printed
    same = re.findall(r"相同 the same: \(([^)]+)\)", printed)[0]
    maps = _pictures(notebook)
    assert len(maps) == 6
    # the lower row of months has one legend, three times; the upper has legends of its own
    rows = [re.findall(r"≤([-0-9.e+]+)<", part) for part in maps[4].split('class="t"')[1:]]
    assert rows[3] == rows[4] == rows[5] == [f"{float(bound):g}" for bound in same.split(", ")]
    assert len({tuple(row) for row in rows[:3]}) > 1
    assert len(_pictures(nbformat.read(NOTEBOOKS / "02_heatmap.ipynb", as_version=4))) == 6


def test_hot_spots_are_told_from_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = _run("03_hot_spots.ipynb", monkeypatch)
    codes = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    assert not [output for cell in codes for output in cell["outputs"] if output.get("name") == "stderr"]
    printed = "\n".join(_printed(cell) for cell in codes)
    # chance has squares with small p, and none left when false discoveries are controlled
    lines = re.findall(r"(真实|偶然)[a-z ]+p ≤ 0.05: +([0-9]+) +q ≤ 0.05: +([0-9]+)", printed)
    assert [line[0] for line in lines] == ["真实", "偶然", "偶然", "偶然"]
    assert all(int(p) >= 3 for _, p, _ in lines)
    assert int(lines[0][2]) >= 5
    assert [int(q) for _, _, q in lines[1:]] == [0, 0, 0]
    assert "Clusters that are more than chance: 2" in printed
    assert "偶然 chance: Of 480 cases, none gather more than by chance" in printed
    assert "原样 as it is:      共" in printed
    assert printed.count("in the last 3 days where") == 1
    quiet, halved = re.findall(r"There are ([0-9.]+) times|fell to ([0-9.]+) times", printed)
    assert float(halved[1]) < 0.7 < float(quiet[0])
    spread, spots, rings = _pictures(notebook)
    assert (spread.count("<svg"), spots.count("<svg"), rings.count("<svg")) == (5, 4, 3)
    red = '"#b2182b"'
    real, wrong, none = spots.split("<svg")[2:]
    assert real.count(red) == int(re.findall(r"热点 ([0-9]+) 个", printed)[0]) > 0
    assert "#f4a582" in wrong
    assert red not in none
    full = [part.count('stroke-width="9"') for part in rings.split("<svg")[2:]]
    assert full == [2, 0]


def test_redraw_runs_and_moves_few(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = _run("04_redraw.ipynb", monkeypatch)
    codes = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    assert not [output for cell in codes for output in cell["outputs"] if output.get("name") == "stderr"]
    printed = "\n".join(_printed(cell) for cell in codes)
    assert "358 → 478" in printed
    moved = int(re.findall(r"栋 buildings, ([0-9]+) 户 households\n", printed)[0])
    anew = int(re.findall(r"anew: ([0-9]+) 户", printed)[0])
    assert 0 < moved < anew / 3
    kept, grids = map(int, re.findall(r"untouched: ([0-9]+) / ([0-9]+)", printed)[0])
    assert kept > grids / 2
    assert "达标 in range: 100%" in printed
    assert int(re.findall(r"at most 2%: ([0-9]+) 户", printed)[0]) <= 0.02 * 4_499
    assert "允许调整 116 户即可达标" in printed
    locked = re.findall(r"locked ([0-9]{3}): +(.*)", printed)[0]
    assert locked[0] not in locked[1]  # it neither gives nor takes
    (picture,) = _pictures(notebook)
    assert picture.count("stroke:#b3261e") == 2  # borders that changed, before and after
    assert picture.count("fill:#a5327f") == 2 * 3  # the buildings that moved
