"""Columns that count people of a population group: a workload holds them only where the role may see them."""

from __future__ import annotations

import unicodedata

# words that make a column's name one of a population group, wherever they stand in it
ZH_PARTS = (
    "老人", "老年", "高龄", "独居", "空巢", "孤寡", "孤儿", "失独", "失能", "残疾", "低保", "低收入", "困难",
    "特困", "五保", "贫困", "留守", "儿童", "未成年", "妇女", "孕", "精神", "心理", "患者", "慢病", "病人",
    "疾病", "矫正", "刑满", "刑释", "吸毒", "涉毒", "戒毒", "信访", "上访", "流动人口", "外来人口", "暂住",
    "重点人", "特殊人", "人群", "失业", "退役", "退伍", "优抚", "帮教", "信教", "少数民族", "党员",
)  # fmt: skip
EN_PARTS = (
    "elder", "disab", "handicap", "lowincome", "poverty", "welfare", "leftbehind", "child",
    "orphan", "pregnan", "mental", "psychiat", "patient", "chronic", "drug", "addict", "probation",
    "parole", "correction", "petition", "floating", "migrant", "veteran", "unemployed", "religio", "ethnic",
    "vulnerable", "keypopulation", "populationgroup",
)  # fmt: skip


def is_group_count(name: str) -> bool:
    """Whether a column's name says that it counts people of a group (elderly living alone, disabled …)."""
    plain = unicodedata.normalize("NFKC", name).strip().lower()
    bare = "".join(sign for sign in plain if sign.isalnum())
    return any(part in plain for part in ZH_PARTS) or any(part in bare for part in EN_PARTS)
