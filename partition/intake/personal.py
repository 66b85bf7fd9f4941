"""Columns that hold personal data, known by their names or by the shape of what stands in them.

Nothing here returns or prints a value: a finding names the column and the rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from partition.intake.columns import read_texts

Flags = npt.NDArray[np.bool_]

# words that make a Chinese column name personal wherever they stand in it
ZH_PARTS = (
    "姓名", "身份证", "证件号", "证件类型", "护照", "社保号", "医保号", "银行卡", "车牌", "病历", "出生",
    "手机", "电话", "联系方式", "联系人", "微信", "邮箱", "户主", "业主", "产权人", "承租人", "监护人",
    "租户名", "居民名", "住户名", "信仰",
)  # fmt: skip
# a count is no person: 业主户数, 电话亭数量
ZH_COUNTS = ("数", "数量", "人数", "户数", "总数", "比例", "占比", "率")
EN_NAMES = frozenset((
    "fullname", "firstname", "lastname", "surname", "givenname", "familyname", "personname",
    "residentname", "ownername", "tenantname", "holdername", "householder", "headofhousehold",
    "contactname", "contactperson", "guardian", "owner", "tenant", "resident", "idcard", "idcardno",
    "idno", "idnumber", "identity", "identityno", "identitynumber", "identitycard", "nationalid",
    "passport", "passportno", "ssn", "phone", "phoneno", "phonenumber", "mobile", "mobileno",
    "mobilephone", "mobilenumber", "cellphone", "tel", "telephone", "telno", "contactphone",
    "contactmobile", "email", "mail", "contactemail", "wechat", "weixin", "qq", "birthday",
    "birthdate", "dateofbirth", "dob", "xingming", "shenfenzheng", "shouji", "shoujihao", "dianhua",
    "lianxiren", "lianxidianhua", "huzhu", "yezhu", "sfz", "sfzh", "sfzhm", "zjhm", "sjh", "sjhm",
    "lxdh", "lxr", "lxrdh", "lxfs",
))  # fmt: skip
# here a bare name is a person's
PERSON_LAYERS = frozenset({"cases", "population_groups"})
# work contacts of staff are meant to be known
STAFF_OPEN = frozenset({"name", "phone"})

MOBILE_DIGITS = 11  # an identity number has more
_MOBILE = re.compile(
    r"(?<![0-9A-Za-z.])(?:\+?86[- ]?)?1[3-9]\d(?:\d{8}|-\d{4}-\d{4}| \d{4} \d{4})(?![0-9A-Za-z])"
)
_IDENTITY = re.compile(r"(?<![0-9A-Za-z])[1-9]\d{16}[0-9Xx](?![0-9A-Za-z])")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# a column of ids may hold numbers that look like a mobile's by chance; only if most do, they are
ID_NAMES = re.compile(
    r"(^|_|@)id$|^(id|fid|uuid|ref|code|objectid)$|编号|编码|代码|楼号|楼栋号", re.IGNORECASE
)


def find_personal(
    frame: pd.DataFrame, layer: str, originals: Mapping[str, str] | None = None
) -> dict[str, Flags]:
    """The personal columns of a layer, each with the rows concerned.

    originals: the file's name of each column that was renamed; both names are looked at.
    """
    originals = originals or {}
    found: dict[str, Flags] = {}
    for column in frame.columns:
        name = str(column)
        if name == "geometry":
            continue
        open_ = layer == "staff" and name in STAFF_OPEN
        if not open_ and (is_personal_name(name, layer) or is_personal_name(originals.get(name, ""), layer)):
            found[name] = frame[column].notna().to_numpy()
            continue
        rows = personal_rows(frame[column], name, phones=not open_)
        if rows.any():
            found[name] = rows
    return found


def is_personal_name(column: str, layer: str = "") -> bool:
    """Whether a column's name says that a person's data stands in it, in Chinese, English or pinyin."""
    plain = unicodedata.normalize("NFKC", column).strip().lower()
    if any(part in plain for part in ZH_PARTS):
        return not plain.endswith(ZH_COUNTS)
    bare = re.sub(r"^contact:", "contact", plain)
    word = re.sub(r"[^a-z]", "", bare)
    if word in EN_NAMES or re.sub(r"^(addr|contact)", "", word) in EN_NAMES:
        return True
    return layer in PERSON_LAYERS and word in {"name", "xm"}


def personal_rows(values: pd.Series, name: str = "", *, phones: bool = True) -> Flags:
    """The rows in which an identity number (with its check digit) or a mobile number stands."""
    if not _may_hold_text(values):
        return np.zeros(len(values), dtype=bool)
    if pd.api.types.is_float_dtype(values.dtype):
        return _of_floats(values.to_numpy(dtype=np.float64, na_value=np.nan), name, phones)
    texts = read_texts(values)
    # most values are too short to hold either number
    long = {row: text for row, text in enumerate(texts) if len(text) >= MOBILE_DIGITS}
    identity, mobile = np.zeros((2, len(texts)), dtype=bool)
    for row, text in long.items():
        identity[row] = holds_identity_number(text)
        mobile[row] = phones and _MOBILE.search(text) is not None
    filled = sum(1 for text in texts if text)
    return identity | _unless_chance(mobile, filled, name)


def holds_identity_number(text: str) -> bool:
    """Whether an identity number stands in `text`, known by its birth date and check digit (GB 11643)."""
    return any(_is_identity(match.group()) for match in _IDENTITY.finditer(text))


def holds_personal_number(text: str) -> bool:
    """Whether an identity number or a mobile number stands in `text`."""
    return holds_identity_number(text) or _MOBILE.search(text) is not None


def _is_identity(number: str) -> bool:
    if not _is_birth(number[6:14]) or not "11" <= number[:2] <= "83":
        return False
    rest = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number[:17], strict=True)) % 11
    return number[17].upper() == "10X98765432"[rest]


def _is_birth(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return born.year >= 1900 and born <= date.today()


def _may_hold_text(values: pd.Series) -> bool:
    kind = values.dtype
    return not (pd.api.types.is_bool_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind))


def _of_floats(numbers: npt.NDArray[np.float64], name: str, phones: bool) -> Flags:
    """Whole numbers with gaps arrive as floats, which keep 15 or 16 of 18 digits, so no check digit."""
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(numbers) & (np.floor(numbers) == numbers)
        mobile = whole & (numbers >= 1.3e10) & (numbers < 2e10) & phones
        identity = whole & (numbers >= 1e17) & (numbers < 1e18)
    for row in np.flatnonzero(identity):
        identity[row] = _is_birth(str(int(numbers[row]))[6:14])
    found: Flags = identity | _unless_chance(mobile, int(np.isfinite(numbers).sum()), name)
    return found


def _unless_chance(mobile: Flags, filled: int, name: str) -> Flags:
    if ID_NAMES.search(name) and mobile.sum() * 2 < filled:
        return np.zeros_like(mobile)
    return mobile
