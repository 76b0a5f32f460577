"""Records of lines with tags: RIS, and the nbib (MEDLINE) form of PubMed.

The two forms differ in their tags only, so one reader serves both. Records without an end, lines that go on in the
next one and repeated tags are read; a file is not refused for one record.
"""

import re
from typing import Any

from papertrail.data.text import find_year

RIS, NBIB = re.compile(r"([A-Z][A-Z0-9])(?: {2}-| -(?= |$)) ?(.*)"), re.compile(r"([A-Z]{2,4}) {0,2}-(?: (.*)|\s*)")
IS_RIS, IS_NBIB = re.compile(r"^TY {1,2}-", re.MULTILINE), re.compile(r"^PMID ?-", re.MULTILINE)
FIELDS = {  # field -> tags, the first that a record has is used
    "id": ("ID", "PMID"),
    "title": ("TI", "T1", "CT", "BT", "BTI", "TT"),
    "abstract": ("AB", "N2"),
    "year": ("PY", "Y1", "DP", "DA", "DEP"),
}
JOINED = ("title", "abstract")  # repeated tags are lines of one text
Tags = dict[str, list[str]]


def read_tagged(content: str, place: str, problems: list[str]) -> list[dict[str, Any]]:
    """Return {"id", "title", "abstract", "year"} of each record; without an id its number is the id.

    Args:
        content: Content of a file in RIS or nbib.
        place: Name of the file, for messages.
        problems: Receives a line with the number of lines outside records.
    """
    is_ris = IS_RIS.search(content) is not None
    records: list[tuple[int, Tags]] = []
    last: list[str] | None = None
    is_open, outside = False, 0
    for number, line in enumerate(content.split("\n"), start=1):
        found = (RIS if is_ris else NBIB).fullmatch(line.rstrip().removeprefix("\ufeff"))
        tag = found[1] if found else ""
        if tag == ("TY" if is_ris else "PMID"):
            records.append((number, {}))
            is_open = True
        if tag == "ER" and is_ris:
            is_open, last = False, None
        elif found and is_open:
            last = records[-1][1].setdefault(tag, [])
            last.append((found[2] or "").strip())
        elif last is not None and is_open and line.strip():
            last[-1] = f"{last[-1]} {line.strip()}"
        elif line.strip():
            outside += 1
    if outside:
        problems.append(f"{place}: {outside} lines outside of records are left out")
    return [_make(str(number), tags) for number, (_, tags) in enumerate(records, start=1)]


def _make(number: str, tags: Tags) -> dict[str, Any]:
    values = {}
    for field, names in FIELDS.items():
        found = next((tags[name] for name in names if any(tags.get(name, ()))), [""])
        values[field] = " ".join(" ".join(found if field in JOINED else found[:1]).split())
    return {**values, "id": values["id"] or number, "year": find_year(values["year"].replace("/", " "))}
