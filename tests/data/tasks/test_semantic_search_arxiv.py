"""Semantic search in arXiv's snapshot: held-out titles as queries, pairs of a category, documents."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.params import Sizes
from papertrail.core.records import Counts, Row
from papertrail.data.tasks.semantic_search import TASK, ArxivSettings
from tests.fixtures.arxiv import record, write_snapshot

ARXIV = ArxivSettings(
    task="semantic_search",
    source="arxiv",
    format="arxiv",
    records=30,
    choose="first",
    plain_signs=False,
    min_title_words=1,
    min_abstract_words=10,
    labels_by="author",
    pairing="same_category",
    per_category=200,
    queries=Sizes(train=None, validation=4, test=6),
)
PAPERS = [record(f"0704.{n:04}", ("cs.CL cs.LG", "cs.LG", "math.AG")[n % 3]) for n in range(1, 41)]


def find(
    folder: Path, settings: ArxivSettings = ARXIV, seed: int = 42
) -> tuple[dict[str, Any], dict[str, Row], Counts]:
    """Return split -> rows, the documents by id, and the counts."""
    assert TASK.read_collection
    counts = Counts()
    rows: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    for split, row in TASK.read(folder, settings, seed, counts):
        rows[split].append(row)
    documents = list(TASK.read_collection(folder, settings, seed, counts, set()))
    assert [document["id"] for document in documents] == sorted({document["id"] for document in documents})
    return rows, {document["id"]: document for document in documents}, counts


@pytest.mark.parametrize("pairing", ["same_category", "title_abstract"])
def test_the_only_query_for_a_held_out_paper_is_its_title(tmp_path: Path, pairing: Any) -> None:
    rows, documents, _ = find(write_snapshot(tmp_path, PAPERS), replace(ARXIV, pairing=pairing))
    assert documents.keys() == {paper["id"] for paper in PAPERS[:30]}
    held_out = [row for split in ("validation", "test") for row in rows[split]]
    assert (len(rows["validation"]), len(rows["test"])) == (4, 6)
    for row in held_out:
        assert row["query"] == f"Stones of the place {row['paper']}"
        assert row["relevant"] == row["positives"] == [row["paper"]]
        assert documents[row["paper"]]["title"] == ""
        assert documents[row["paper"]]["abstract"].startswith("We count")
    trained = {id_ for row in rows["train"] for id_ in (row["paper"], *row["relevant"])}
    assert not trained & {row["paper"] for row in held_out}
    assert {id_ for id_, document in documents.items() if document["title"]} == documents.keys() - {
        row["paper"] for row in held_out
    }
    assert {document["year"] for document in documents.values()} == {2007}


def test_neighbours_of_a_category_string_in_the_order_of_the_files(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path, PAPERS[20:], "b.jsonl")
    rows, _, _ = find(write_snapshot(tmp_path, PAPERS[:20], "c.jsonl"), replace(ARXIV, records=40))
    held_out = {row["paper"] for split in ("validation", "test") for row in rows[split]}
    order = [paper["id"] for paper in PAPERS[20:] + PAPERS[:20] if paper["id"] not in held_out]
    for categories in ("cs.CL cs.LG", "cs.LG", "math.AG"):
        members = [id_ for id_ in order if PAPERS[int(id_[-4:]) - 1]["categories"] == categories]
        found = [row for row in rows["train"] if row["id"].startswith(f"{categories}/")]
        assert [(row["paper"], *row["positives"]) for row in found] == list(pairwise(members))
        assert all(row["relevant"] == sorted(members) for row in found)  # none is a negative of another
    assert folder == tmp_path


def test_pairs_of_a_category_are_limited_and_sampled(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path, PAPERS)
    rows, _, counts = find(folder, replace(ARXIV, per_category=3))
    sizes = Counter(row["id"].partition("/")[0] for row in rows["train"])
    assert len(sizes) == 3 and max(sizes.values()) == 3
    assert counts.dropped["papers beyond per_category"] == 20 - 3 - len(rows["train"])
    assert counts.dropped["papers that are the last of their category"] == 3
    assert counts.dropped["records not chosen"] == 10
    few, _, counts = find(folder, replace(ARXIV, per_category=3, queries=Sizes(train=5, validation=4, test=6)))
    assert len(few["train"]) == 5 and all(row in rows["train"] for row in few["train"])
    assert counts.dropped["queries not sampled"] == len(rows["train"]) - 5


def test_records_drawn_by_seed(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path, PAPERS)
    drawn = [find(folder, replace(ARXIV, choose="seed"), seed)[1].keys() for seed in (42, 42, 43)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(ids) for ids in drawn] == [30, 30, 30]


def test_plain_signs_removes_other_signs(tmp_path: Path) -> None:
    title = "On $K_3$-stones (and *naïve* graphs): a “study”, 100%?"
    papers = [record("0704.0001", title=title), record("0704.0002", title="$$"), *PAPERS[2:]]
    settings = replace(ARXIV, plain_signs=True, queries=Sizes(train=None, validation=1, test=1))
    _, documents, counts = find(write_snapshot(tmp_path, papers), settings)
    assert documents["0704.0001"]["title"] == "On K3-stones (and naïve graphs): a study, 100?"
    assert counts.dropped["records that are empty after removing special characters"] == 1
    kept = find(tmp_path, replace(settings, plain_signs=False))[1]
    assert kept["0704.0001"]["title"] == title


def test_papers_of_one_title_are_one_document(tmp_path: Path) -> None:
    papers = [record("0704.0100", title="STONES of the place: 0704.0001."), *PAPERS]
    _, documents, counts = find(write_snapshot(tmp_path, papers))
    assert "0704.0100" in documents and "0704.0001" not in documents
    assert counts.dropped["records with a duplicate title"] == 1


def test_arxiv_needs_numbers_of_held_out_papers(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="numbers for validation and test"):
        find(write_snapshot(tmp_path, PAPERS), replace(ARXIV, queries=Sizes(train=None, validation=None, test=None)))
