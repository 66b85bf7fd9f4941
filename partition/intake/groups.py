"""Columns that count people of a population group: a workload holds them only where the role may see them."""

from __future__ import annotations

import re
import unicodedata

# words that make a column's name one of a population group, wherever they stand in it
ZH_PARTS = (
    "老人", "老年", "老龄", "孤老", "高龄", "独居", "空巢", "孤寡", "孤儿", "失独", "失能", "失智",
    "残疾", "残障", "低保", "低收入", "困难", "特困", "五保", "贫困", "脱贫", "帮扶", "救助", "留守",
    "儿童", "未成年", "妇女", "孕", "单亲", "丧偶", "精神", "心理", "患者", "慢病", "大病", "重病",
    "病人", "疾病", "艾滋", "矫正", "服刑", "缓刑", "刑满", "刑释", "吸毒", "涉毒", "戒毒", "信访",
    "上访", "流动人口", "外来人口", "暂住", "境外", "外籍", "重点人", "特殊人", "人群", "失业", "退休",
    "退役", "退伍", "优抚", "帮教", "信教", "宗教", "少数民族", "党员",
)  # fmt: skip
EN_PARTS = (  # and in pinyin
    "elder", "senior", "retire", "disab", "handicap", "lowincome", "poverty", "welfare", "leftbehind",
    "child", "orphan", "widow", "singleparent", "livingalone", "pregnan", "mental", "psychiat", "dement",
    "patient", "chronic", "drug", "addict", "probation", "parole", "correction", "convict", "offender",
    "petition", "floating", "migrant", "foreigner", "veteran", "unemployed", "religio", "ethnic",
    "vulnerable", "keypopulation", "populationgroup", "laoren", "laonian", "gaoling", "kongchao", "canji",
    "dibao", "tekun", "wubao", "pinkun", "liushou", "ertong", "jingshen", "jiaozheng", "xingman", "xidu",
    "xinfang", "shangfang", "liudongrenkou", "tuiyi", "tuixiu", "youfu",
)  # fmt: skip
# an age: 60岁以上, age_65, over 80, 65+
AGES = re.compile(r"岁|(?<![a-z])(ages?|aged|over|under)[\W_]*\d|(?<![a-z])aged(?![a-z])|\d\s*\+")


def is_group_count(name: str) -> bool:
    """Whether a column's name says that it counts people of a group (elderly living alone, disabled …)."""
    plain = unicodedata.normalize("NFKC", name).strip().lower()
    bare = "".join(sign for sign in plain if sign.isalnum())
    return (
        any(part in plain for part in ZH_PARTS)
        or any(part in bare for part in EN_PARTS)
        or AGES.search(plain) is not None
    )
