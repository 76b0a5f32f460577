"""Records of arXiv's snapshot: ids, encoding errors, real defects, years."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from papertrail.data.formats.arxiv_records import ID, repair_id
from tests.fixtures.arxiv import read_snapshot, real_records, record, write_snapshot


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("0704.0001", "0704.0001"),
        ("1501.00001", "1501.00001"),
        ("hep-th/9901001", "hep-th/9901001"),
        ("arXiv:1501.00001v12", "1501.00001"),
        ("ARXIV: 0704.0001", "0704.0001"),
        ("https://arxiv.org/abs/0704.0001v1", "0704.0001"),
        ("704.061", "0704.0610"),
        ("1102.397", "1102.3970"),
        ("1905.0402600000002", "1905.04026"),
        ("1511.0211199999999", "1511.02112"),
        ("math.GT/0309136", "math/0309136"),
        ("hep-th9901001", "hep-th/9901001"),
        ("oai:arXiv.org:1905.04026", "1905.04026"),
        ("https://arxiv.org/pdf/1905.04026v2.pdf", "1905.04026"),
        ("1412.01234", None),  # five digits are from 2015 on
        ("0703.0001", None),  # months with a dot are from April 2007 on
        ("9301114", None),
        ("10.1103/PhysRevD.76.013009", None),
        ("1501.999999999999", None),
        ("", None),
    ],
)
def test_ids(raw: str, expected: str | None) -> None:
    assert repair_id(raw) == expected
    assert expected is None or re.fullmatch(ID, expected)


def test_encoding_errors_are_removed_and_counted(tmp_path: Path) -> None:
    title = "Alzheimer\u00c3\u00a2\u00c2\u0080\u00c2\u0099s\tdisease, na\u00efve  Teichm\x7fuller"
    records, counts = read_snapshot(write_snapshot(tmp_path, [record("0704.0001", title=title)]))
    assert records[0].title == "Alzheimer\u2019s disease, na\u00efve Teichmuller"
    assert counts.read["chosen texts with characters encoded twice"] == 1
    assert counts.read["chosen texts with control characters"] == 1


def test_real_defects_are_handled_and_counted(repo: Path, tmp_path: Path) -> None:
    file = real_records(repo, "dirty/arxiv_dirty_rows.jsonl.gz")
    (tmp_path / file.name).symlink_to(file.resolve())
    rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()]
    issues = Counter(issue for row in rows for issue in row["issues"])
    assert issues.keys() == {"tiny-abstract", "control-char", "mojibake", "latex-heavy", "duplicate-mangled-id"}
    records, counts = read_snapshot(tmp_path)
    dropped = +counts.dropped
    assert dropped["records with a duplicate id"] == issues["duplicate-mangled-id"] / 2
    assert dropped["records withdrawn"] + dropped["records with an abstract under 10 words"] == issues["tiny-abstract"]
    assert counts.read["chosen records with 16 LaTeX commands or more"] >= issues["latex-heavy"]
    assert counts.read["chosen texts with control characters"] >= issues["control-char"]
    assert counts.read["chosen texts with characters encoded twice"] == 4  # others are in other fields
    assert any("Alzheimer\u2019s disease" in r.title for r in records)
    assert len(records) == len(rows) - sum(dropped.values())


def test_the_year_is_that_of_submission(repo: Path, tmp_path: Path) -> None:
    file = real_records(repo, "arxiv/stratified_cs_eess.jsonl.gz")
    (tmp_path / file.name).symlink_to(file.resolve())
    rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()]
    created = {row["id"]: int(row["created"][:4]) for row in rows}
    records, _ = read_snapshot(tmp_path)
    agree = sum(r.year == created[r.id] for r in records)
    assert agree >= 0.97 * len(records)  # a paper of the last day of a month has an id of the next month
