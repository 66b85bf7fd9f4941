"""Where the sample community comes from, and under which licence it may be used."""

from __future__ import annotations

SOURCE = "合成数据，名称、坐标与数字均为虚构 / synthetic data: names, coordinates and figures are invented"
LICENCE = "CC0-1.0"
