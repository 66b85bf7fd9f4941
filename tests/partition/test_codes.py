from __future__ import annotations

import numpy as np
import pytest

from partition.codes import code_prefix, issue_codes, reading_order
from partition.errors import CodeError


def test_reading_order_is_west_to_east_in_bands_from_north_to_south() -> None:
    x = np.array([0.0, 100, 200, 0, 100, 200])
    y = np.array([205.0, 195, 202, 100, 104, 97])
    shuffled = np.array([4, 1, 5, 0, 3, 2])
    order = shuffled[reading_order(x[shuffled], y[shuffled], np.full(6, 8000.0))]
    assert order.tolist() == [0, 1, 2, 3, 4, 5]


def test_codes_continue_after_those_ever_issued() -> None:
    prefix = code_prefix("C1", "420502001001")
    assert issue_codes(prefix, 2) == ["420502001001001", "420502001001002"]
    assert issue_codes(prefix, 2, ["420502001001007", "420502001002009"]) == [
        "420502001001008",
        "420502001001009",
    ]
    assert issue_codes(code_prefix("C1", ""), 1) == ["C1-001"]


def test_malformed_and_exhausted_codes_are_errors() -> None:
    for code in ("42050200100", "4205020010011", "42050200100x", "４２０５０２００１００１"):
        with pytest.raises(CodeError, match="12 digits"):
            code_prefix("C1", code)
    with pytest.raises(CodeError, match="do not fit"):
        issue_codes("C1-", 2, ["C1-998"])
