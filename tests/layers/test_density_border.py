"""What docs/heat.md shows: an even scatter fades at the border of a leaflet.heat page, and not on ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.heat.border import compare


@pytest.mark.long
@pytest.mark.browser
def test_an_even_scatter_is_even_on_ours_only(tmp_path: Path) -> None:
    """Within 10 m of the border theirs shows about half; ours all of it, on average within 1 % everywhere."""
    found = compare(tmp_path)
    assert 0.45 < found.theirs.means[0] < 0.6
    assert found.usual.means[0] < 0.7
    assert max(abs(mean - 1) for mean in found.ours.means) < 0.03
    assert max(abs(mean - 1) for mean in found.on_average.means) < 0.01
    # the same page at another zoom shows another intensity
    assert found.by_zoom[16] > 2
    assert found.by_zoom[18] < 0.7
    assert all(picture.stat().st_size > 5_000 for picture in found.pictures)
