"""Citation linking: queries, candidates, samples, and folders of pairs. Masks are tested in test_citations."""

from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.params import Files, Sizes, validate
from papertrail.core.records import Counts, Row
from papertrail.data.tasks.citation_linking import TASK, AclsumPairs, FolderPairs, Pairs
from tests.fixtures.aclsum import Json, change_json, paper, paper_file, paragraph, write_papers
from tests.fixtures.citation_pairs import BIBLIOGRAPHY, write_folders, write_pair

ALL = Sizes(train=None, validation=None, test=None)
MASK = "[CITATION]"
SETTINGS = AclsumPairs(
    task="citation_linking",
    source="aclsum",
    format="aclsum",
    context_characters=60,
    mask="target",
    mask_text=MASK,
    negatives=5,
    queries=ALL,
)
FOLDERS = FolderPairs(
    task="citation_linking",
    source="linking",
    format="folder",
    files=Files(train="train", validation="val", test="test"),
    context_characters=200,
    mask="target",
    mask_text=MASK,
    negatives=5,
    queries=ALL,
)


def read_queries(folder: Path, settings: Pairs = SETTINGS, counts: Counts | None = None) -> dict[str, list[Row]]:
    """Return the rows of each query, with their split in column `split`."""
    queries: dict[str, list[Row]] = defaultdict(list)
    for split, row in TASK.read(folder, settings, 42, counts or Counts()):
        queries[row["query"]].append({**row, "split": split})
    return queries


def test_every_occurrence_is_a_query(aclsum: Path) -> None:
    queries = read_queries(aclsum)
    # six resolved citations in each of seven papers; the third paragraph cites one work twice by the same string
    assert len(queries) == 7 * 6
    third = {key: rows for key, rows in queries.items() if key.startswith("2020.test-main.0/2/")}
    cited = [next(row["candidate"] for row in rows if row["label"] == "cited") for rows in third.values()]
    assert len(cited) == 3
    assert len(set(cited)) == 2
    assert len({rows[0]["context"] for rows in third.values()}) == 3


def test_the_citation_of_a_query_is_masked(aclsum: Path) -> None:
    for key, rows in read_queries(aclsum, replace(SETTINGS, mask="all")).items():
        assert rows[0]["context"].count(MASK) >= 1, key
        assert "et al." not in rows[0]["context"]
        assert {row["context"] for row in rows} == {rows[0]["context"]}


def test_candidates_by_split(aclsum: Path) -> None:
    for rows in read_queries(aclsum).values():
        assert [row["label"] for row in rows].count("cited") == 1
        sampled = [row for row in rows if row["sampled"]]
        assert len(sampled) == 1 + 5
        assert [row["label"] for row in sampled].count("cited") == 1
        assert len(rows) == (6 if rows[0]["split"] == "train" else 9)  # of nine entries in every bibliography
        assert len({row["candidate"] for row in rows}) == len(rows)


def test_the_sample_of_training_is_marked_in_test(aclsum: Path, tmp_path: Path) -> None:
    works = [(f"Work {number}", 2000, "ACL") for number in range(20)]
    one = paper("P1", [paragraph("See ", ("[3]", "BIBREF3"), ".")], works)
    (train,) = read_queries(write_papers(tmp_path / "a", {"train": [one]})).values()
    (test,) = read_queries(write_papers(tmp_path / "b", {"test": [one]})).values()
    assert len(test) == 20
    assert [row["id"] for row in test if row["sampled"]] == [row["id"] for row in train]


def test_more_negatives_include_the_earlier_ones(aclsum: Path) -> None:
    few, many = (read_queries(aclsum, replace(SETTINGS, negatives=number)) for number in (2, 3))
    for key, rows in few.items():
        sampled = {row["id"] for row in rows if row["sampled"]}
        assert len(sampled) == 3
        assert sampled < {row["id"] for row in many[key] if row["sampled"]}


def test_each_query_has_its_own_draw_of_negatives(tmp_path: Path) -> None:
    works = [(f"Work {number}", 2000, "ACL") for number in range(20)]
    papers = [paper(name, [paragraph(("[3]", "BIBREF3"), " or ", ("[3]", "BIBREF3"))], works) for name in ("P1", "P2")]
    queries = read_queries(write_papers(tmp_path, {"train": papers}))
    assert len({tuple(row["candidate"] for row in rows) for rows in queries.values()}) == 4


def test_small_bibliography(tmp_path: Path) -> None:
    works = [("First", 2001, ""), ("Second", 2002, ""), ("", 2003, ""), ("first!", 2001, "")]
    body = [paragraph("See ", ("[4]", "BIBREF3"), " and ", ("[3]", "BIBREF2"), " and ", ("[9]", None), ".")]
    alone = paper("P2", [paragraph("See ", ("[1]", "BIBREF0"), ".")], [("Only", 2001, "")])
    counts = Counts()
    queries = read_queries(write_papers(tmp_path, {"train": [paper("P1", body, works), alone]}), SETTINGS, counts)
    (rows,) = queries.values()
    # entries 0 and 3 are one work: the cited one is kept; the untitled entry is dropped
    assert {row["id"]: row["label"] for row in rows} == {"P1/0/4/BIBREF1": "other", "P1/0/4/BIBREF3": "cited"}
    assert all(row["sampled"] for row in rows)
    assert +counts.dropped == {
        "candidates without a title": 1,
        "candidates with a duplicate title": 1,
        "citations of an entry without a title": 1,
        "citations that the parser did not resolve": 1,
        "citations with no other candidate": 1,
    }
    assert counts.read["citations"] == 4


def test_paper_with_an_empty_bibliography(aclsum: Path) -> None:
    def change(raw: Json) -> None:
        raw["pdf_parse"]["bib_entries"] = {}

    before = read_queries(aclsum)
    change_json(paper_file(aclsum, "train"), change)
    counts = Counts()
    after = read_queries(aclsum, SETTINGS, counts)
    assert after == {key: rows for key, rows in before.items() if not key.startswith("2020.train-main.0/")}
    assert counts.read["papers without a bibliography"] == 1
    assert counts.dropped["citations that the parser did not resolve"] == 7 + 6


# --- folders of N.in and N.label ---


def test_folders_have_queries_of_the_same_form(tmp_path: Path) -> None:
    counts = Counts()
    queries = read_queries(write_folders(tmp_path), FOLDERS, counts)
    assert len(queries) == counts.read["citations"] == 3 * 2 * 4 * 2  # each citation is twice in its text
    for key, rows in queries.items():
        split = rows[0]["split"]
        assert len(rows) == (6 if split == "train" else 9)
        assert [row["label"] for row in rows].count("cited") == 1
        assert sum(row["sampled"] for row in rows) == 6
        assert rows[0]["context"].count(MASK) == 2
        number = int(key.split("/")[1]) % 4
        cited = next(row["candidate"] for row in rows if row["label"] == "cited")
        assert cited.startswith(f"Work {number} of {'val' if split == 'validation' else split} ")
        assert f"{number} pebbles" in rows[0]["context"]
    papers = {(rows[0]["split"], rows[0]["paper"]) for rows in queries.values()}
    assert len(papers) == 6 == len({paper for _, paper in papers})


def test_a_sample_of_folders_is_part_of_the_whole(tmp_path: Path) -> None:
    source = write_folders(tmp_path)
    whole = read_queries(source, FOLDERS)
    drawn: set[str] = set()
    for size in (3, 5, 16):
        counts = Counts()
        some = read_queries(source, replace(FOLDERS, queries=Sizes(train=size, validation=2, test=None)), counts)
        assert {key: whole[key] for key in some} == some
        train = {key for key, rows in some.items() if rows[0]["split"] == "train"}
        assert len(train) == size
        assert drawn < train
        assert counts.dropped["citations not sampled"] == 16 - size + 16 - 2
        drawn = train


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("target", "As [CITATION] and (Brandt, 2002) say, see [CITATION] and [CITATION]."),
        ("all", "As [CITATION] and [CITATION] say, see [CITATION] and [CITATION]."),
        ("none", "As (Adler, 2001) and (Brandt, 2002) say, see Adler and (Adler, 2001)."),
    ],
)
def test_masks_in_folders(tmp_path: Path, mask: str, expected: str) -> None:
    text = "As (Adler, 2001) and (Brandt, 2002) say, see Adler and (Adler, 2001)."
    for split in ("train", "val", "test"):
        write_pair(tmp_path / split, 0, text, {"(Adler, 2001)": "a", "(Brandt, 2002)": "b", "Adler": "a"})
    rows = read_queries(tmp_path, replace(FOLDERS, mask=mask))["train/0/3"]  # type: ignore[arg-type]
    assert rows[0]["context"] == expected
    assert sorted(row["candidate"] for row in rows) == [
        BIBLIOGRAPHY["a"]["title"],
        BIBLIOGRAPHY["c"]["title"],
        BIBLIOGRAPHY["b"]["abstract"],
    ]


def test_dropped_citations_of_folders_are_counted(tmp_path: Path) -> None:
    source = write_folders(tmp_path, papers=1, texts=1)
    label = {"[1]": "a", "[2]": "z", "[3]": "d", "[4]": "b"}
    write_pair(source / "train", 1, "Of [1], [2] and [3].", label, {**BIBLIOGRAPHY, "d": {"title": ""}})
    write_pair(source / "train", 2, "Of [1].", {"[1]": "a"}, {})
    write_pair(source / "train", 3, "Of [1].", {"[1]": "a"}, {"a": {"title": "Alone"}})
    counts = Counts()
    queries = read_queries(source, FOLDERS, counts)
    assert [key for key in queries if key.split("/")[1] != "0"] == ["train/1/3"]
    assert +counts.dropped == {
        "citations that the text does not have": 1,
        "citations that the parser did not resolve": 2,
        "citations of an entry without a title": 1,
        "citations with no other candidate": 1,
    }


def test_a_title_in_the_context_is_label_leakage(tmp_path: Path) -> None:
    source = write_folders(tmp_path, papers=1, texts=1)
    title = BIBLIOGRAPHY["b"]["title"]
    write_pair(source / "train", 1, f"In '{title}' [2] we read of bread", {"[2]": "b"})  # its candidate is the abstract
    counts = Counts()
    read_queries(source, FOLDERS, counts)
    assert counts.leaked["cited_title_in_context"] == 1
    assert counts.labels["cited_title_in_context"] == 3 * 2 + 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": "folders"}, "x: format: expected one of 'aclsum', 'folder'"),
        ({"files": {"train": "train", "validation": "val"}}, "x: files.test: missing; params.yaml holds every value"),
        ({"negatives": 0}, "x: negatives: input should be greater than 0"),
    ],
)
def test_wrong_settings_of_folders(change: dict[str, object], expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        validate(TASK.settings, {**asdict(FOLDERS), **change}, "x")
    assert expected in str(caught.value)
    assert validate(TASK.settings, asdict(FOLDERS), "x") == FOLDERS


def test_folders_with_one_name_have_different_queries(tmp_path: Path) -> None:
    write_folders(tmp_path)
    folders = {}
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        (tmp_path / "of" / split).mkdir(parents=True)
        (tmp_path / name).rename(tmp_path / "of" / split / "pairs")
        folders[split] = f"of/{split}/pairs"
    queries = read_queries(tmp_path, replace(FOLDERS, files=Files(**folders)))
    assert len(queries) == 3 * 2 * 4 * 2
    assert {(key.split("/")[0], rows[0]["split"]) for key, rows in queries.items()} == {(s, s) for s in folders}
