"""Collections in the files of BEIR: gains, splits, what is dropped and counted, and what is refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import ir_measures
import pytest

from benchmarks.cranfield import CRANFIELD
from papertrail.core.errors import DataError, ParamsError
from papertrail.core.parquet import write_rows
from papertrail.core.records import Counts, Row
from papertrail.data.prepare import prepare_dataset
from papertrail.data.search_collections import CollectionSettings
from papertrail.data.tasks.semantic_search import TASK
from papertrail.metrics.ranking import relevance_of, retrieval_scores
from tests.fixtures.beir import DOCUMENTS, QRELS, QUERIES, make_settings, read_example, write_collection
from tests.fixtures.commands import read_json, write_params

HEADER = "query-id\tcorpus-id\tscore\n"


def find(folder: Path, settings: CollectionSettings, seed: int = 7) -> tuple[dict[str, list[Row]], list[Row], Counts]:
    """Return split -> rows, the documents, and the counts."""
    assert TASK.read_collection
    counts = Counts()
    rows: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    for split, row in TASK.read(folder, settings, seed, counts):
        rows[split].append(row)
    needed = {id_ for split in rows.values() for row in split for id_ in row["relevant"]}
    documents = list(TASK.read_collection(folder, settings, seed, counts, needed))
    return rows, documents, counts


def relevant(rows: list[Row]) -> dict[str, dict[str, int]]:
    return {row["id"]: dict(zip(row["relevant"], row["gains"], strict=True)) for row in rows}


def dropped(counts: Counts) -> dict[str, int]:
    return {reason: number for reason, number in counts.dropped.items() if number}


def test_a_test_split_alone(tmp_path: Path) -> None:
    rows, documents, counts = find(write_collection(tmp_path), make_settings())
    assert rows["test"] == [
        {
            "id": "q1",
            "paper": "q1",
            "query": "graph of words",
            "own": "",
            "relevant": ["d1", "d4"],
            "positives": ["d1", "d4"],
            "gains": [2, 1],
        },
        {**rows["test"][0], "id": "q2", "paper": "q2", "query": "tree", "relevant": ["d2"], "positives": ["d2"]}
        | {"gains": [1]},
    ]
    assert not rows["train"] and not rows["validation"]
    assert documents == [
        {"id": row["_id"], "title": row["title"], "abstract": row["text"], "year": 0} for row in DOCUMENTS
    ]
    assert counts.read == {"documents": 4, "queries": 3, "judgements": 4}
    assert dropped(counts) == {"judgements that are not relevant": 1, "queries without a judgement": 1}
    write_rows(rows["test"], TASK.features(make_settings()), tmp_path / "test.parquet")


def test_a_file_for_each_split(tmp_path: Path) -> None:
    write_collection(tmp_path, qrels=f"{HEADER}q1\td1\t1\n", name="qrels/train.tsv")
    write_collection(tmp_path, qrels=f"{HEADER}q2\td2\t1\n", name="qrels/dev.tsv")
    write_collection(tmp_path, qrels="q3 0 d3 1\n", name="qrels/test.txt")
    qrels = {"train": "qrels/train.tsv", "validation": "qrels/dev.tsv", "test": "qrels/test.txt"}
    rows, _, _ = find(tmp_path, make_settings(qrels=qrels))
    assert {split: relevant(found) for split, found in rows.items()} == {
        "train": {"q1": {"d1": 1}},
        "validation": {"q2": {"d2": 1}},
        "test": {"q3": {"d3": 1}},
    }
    (tmp_path / "qrels/dev.tsv").write_text(f"{HEADER}q1\td2\t1\n", encoding="utf-8")
    expected = (
        r"query 'q1' is judged in qrels/train\.tsv \(train\) and in qrels/dev\.tsv \(validation\); keep it in one"
    )
    with pytest.raises(DataError, match=expected):
        find(tmp_path, make_settings(qrels=qrels))


def test_ids_are_compared_as_normalised_text(tmp_path: Path) -> None:
    documents = [{"_id": 0, "text": "zero"}, {"_id": "re\u0301sume\u0301", "text": "one"}]
    queries = [{"_id": 0.0, "text": "a"}, {"_id": "1", "text": "b"}]
    qrels = f"{HEADER}0\t0\t1\n1\trésumé\t1\n"
    rows, found, _ = find(write_collection(tmp_path, documents, queries, qrels), make_settings(max_unknown=0.0))
    assert relevant(rows["test"]) == {"0": {"0": 1}, "1": {"résumé": 1}}
    assert [row["id"] for row in found] == ["0", "résumé"]


def test_grades_become_gains(tmp_path: Path) -> None:
    qrels = "q1 0 d1 1\nq1 0 d2 2\nq1 0 d3 5\nq2 0 d2 -1\nq2 0 d3 4\n"
    write_collection(tmp_path, qrels=qrels)
    rows, _, counts = find(tmp_path, make_settings())
    assert relevant(rows["test"]) == {"q1": {"d1": 1, "d2": 2, "d3": 5}, "q2": {"d3": 4}}
    assert dropped(counts)["judgements that are not relevant"] == 1
    gains = {"1": 4, "2": 3, "3": 2, "4": 1, "5": 0, "-1": 0}
    rows, _, counts = find(tmp_path, make_settings(gains=gains))
    assert relevant(rows["test"]) == {"q1": {"d1": 4, "d2": 3}, "q2": {"d3": 1}}
    assert dropped(counts)["judgements that are not relevant"] == 2
    with pytest.raises(DataError, match=r"test\.tsv:3: grade 5 is not in gains \(1, 2\); add it to params\.yaml"):
        find(tmp_path, make_settings(gains={"1": 2, "2": 1}))


def test_ndcg_is_that_of_ir_measures_on_the_same_judgements(tmp_path: Path) -> None:
    qrels = "q1 0 d1 1\nq1 0 d2 3\nq1 0 d4 0\nq2 0 d2 2\nq2 0 d3 -1\n"
    rows, _, _ = find(write_collection(tmp_path, qrels=qrels), make_settings())
    ranked = {"q1": ["d4", "d1", "d2"], "q2": ["d3", "d1", "d2"]}
    found = retrieval_scores(relevance_of(rows["test"]), ranked)
    (tmp_path / "qrels.txt").write_text(qrels, encoding="utf-8")
    judgements = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.txt")))
    run = [
        ir_measures.ScoredDoc(query, document, -float(rank))
        for query, documents in ranked.items()
        for rank, document in enumerate(documents)
    ]
    for metric in ir_measures.iter_calc([ir_measures.nDCG @ 10], judgements, run):
        assert found[metric.query_id]["ndcg@10"] == pytest.approx(metric.value)
    assert found["q2"]["ndcg@10"] == pytest.approx(0.5)  # rank 3: 1 / log2(4)


def test_binary_judgements_score_as_before() -> None:
    row = {"id": "q", "relevant": ["a", "b"]}
    assert relevance_of([row]) == relevance_of([{**row, "gains": [1, 1]}]) == {"q": {"a": 1, "b": 1}}


def test_repeated_judgements_count_once_and_must_agree(tmp_path: Path) -> None:
    rows, _, counts = find(write_collection(tmp_path, qrels=QRELS + "q1\td1\t2\n"), make_settings())
    assert relevant(rows["test"])["q1"] == {"d1": 2, "d4": 1}
    assert dropped(counts)["repeated judgements"] == 1
    write_collection(tmp_path, qrels=QRELS + "q1\td1\t1\n")
    with pytest.raises(DataError, match=r"test\.tsv:6: query 'q1' and document 'd1' have another grade on an earlier"):
        find(tmp_path, make_settings())


def test_judgements_of_unknown_ids_are_dropped_up_to_a_limit(tmp_path: Path) -> None:
    write_collection(tmp_path, qrels=QRELS + "q9\td1\t1\nq1\td9\t1\n")
    rows, _, counts = find(tmp_path, make_settings(max_unknown=0.34))
    assert relevant(rows["test"]) == {"q1": {"d1": 2, "d4": 1}, "q2": {"d2": 1}}
    assert dropped(counts)["judgements of an unknown query"] == 1
    assert dropped(counts)["judgements of an unknown document"] == 1
    expected = r"test\.tsv: 2 of 6 judgements are of .* missing, the first of query 'q9' at .*test\.tsv:6; at most"
    with pytest.raises(DataError, match=expected):
        find(tmp_path, make_settings(max_unknown=0.33))


def test_queries_without_text_or_relevant_document_are_dropped(tmp_path: Path) -> None:
    queries = [*QUERIES, {"_id": "q4", "text": " "}, {"_id": "q5", "text": None}]
    write_collection(tmp_path, queries=queries, qrels=f"{QRELS}q3\td3\t0\nq4\td1\t1\n")
    rows, _, counts = find(tmp_path, make_settings())
    assert [row["id"] for row in rows["test"]] == ["q1", "q2"]
    assert dropped(counts) == {
        "judgements that are not relevant": 2,
        "queries without a relevant document": 1,
        "queries without text": 1,
        "queries without a judgement": 1,
    }


def test_an_empty_document_is_dropped_unless_it_is_relevant(tmp_path: Path) -> None:
    empty = [{"_id": "e1", "title": "", "text": ""}, {"_id": "e2", "text": "  "}]
    rows, documents, counts = find(
        write_collection(tmp_path, [*empty, *DOCUMENTS], qrels=f"{QRELS}q1\te2\t1\nq1\te1\t0\n"), make_settings()
    )
    assert [document["id"] for document in documents] == ["d1", "d2", "d3", "d4", "e2"]
    assert relevant(rows["test"])["q1"] == {"d1": 2, "d4": 1, "e2": 1}
    assert dropped(counts)["documents without text"] == 1


@pytest.mark.parametrize(("choice", "own"), [("same_id", "q1"), ("last_judgement", "d4"), (None, "")])
def test_the_document_of_a_query_is_not_relevant(tmp_path: Path, choice: Any, own: str) -> None:
    documents = [*DOCUMENTS, {"_id": "q1", "title": "", "text": "graph of words"}]
    qrels = f"{HEADER}q1\tq1\t1\nq1\td1\t1\nq1\td4\t1\n"
    rows, found, counts = find(
        write_collection(tmp_path, documents, QUERIES, qrels), make_settings(query_document=choice)
    )
    assert rows["test"][0]["own"] == own
    assert set(rows["test"][0]["relevant"]) == {"q1", "d1", "d4"} - {own}
    assert dropped(counts).get("judgements of the query's own document", 0) == (own != "")
    assert len(found) == 5


def test_samples_are_drawn_by_seed(tmp_path: Path) -> None:
    documents = [{"_id": f"d{n}", "text": f"text {n}"} for n in range(40)]
    queries = [{"_id": f"q{n}", "text": f"text {n}"} for n in range(20)]
    qrels = HEADER + "".join(f"q{n}\td{n}\t1\n" for n in range(20))
    write_collection(tmp_path, documents, queries, qrels)
    settings = make_settings(queries={"train": None, "validation": None, "test": 5}, documents=10)
    (rows, kept, counts), again, other = (find(tmp_path, settings, seed) for seed in (7, 7, 8))
    assert (rows, kept) == again[:2] and rows != other[0]
    assert len(rows["test"]) == 5 and len(kept) == 15
    assert {row["relevant"][0] for row in rows["test"]} <= {document["id"] for document in kept}
    assert dropped(counts) == {"queries not sampled": 15, "documents not sampled": 25}


def test_documents_alone(tmp_path: Path) -> None:
    (tmp_path / "papers.csv").write_text("id,title,abstract,year\n10,B,,\n9,A,text,2001\n", encoding="utf-8")
    settings = make_settings(read_example("search")["datasets"]["mine_papers"])
    rows, documents, counts = find(tmp_path, settings)
    assert rows == {"train": [], "validation": [], "test": []}
    assert [tuple(row.values()) for row in documents] == [("10", "B", "", 0), ("9", "A", "text", 2001)]
    assert (counts.read, dropped(counts)) == ({"documents": 2}, {})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"files": {"queries": None}}, "files: queries: null, but qrels.test needs the queries that it judges"),
        ({"qrels": {"test": None}}, "files: qrels: queries need the judgements of at least one split"),
        ({"gains": {"1": 2000}}, "gains.1: input should be less than or equal to 1000 (got 2000)"),
        ({"max_unknown": 2.0}, "max_unknown: input should be less than or equal to 1"),
        ({"query_ids": "line"}, "query_ids: "),
    ],
)
def test_settings_that_are_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ParamsError) as error:
        make_settings(**changes)
    assert expected in str(error.value)


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that prepares data set mine_search of tmp_path/data/raw/mine and returns its metrics."""
    from papertrail.core.params import load_params

    def add(params: dict[str, Any]) -> None:
        for section in ("sources", "datasets"):
            params[section] |= read_example("search")[section]

    write_params(tmp_path, add)
    monkeypatch.chdir(tmp_path)

    def run() -> Any:
        prepare_dataset("mine_search", load_params())
        return read_json(tmp_path / "metrics/prepare/mine_search.json")

    return run


def test_only_splits_with_a_file_must_have_rows(tmp_path: Path, prepare: Any) -> None:
    folder = write_collection(tmp_path / "data/raw/mine")
    metrics = prepare()
    assert Counter(metrics["rows"]) == {"train": {"all": 0}, "validation": {"all": 0}, "test": {"all": 2}}
    assert metrics["collection"] == 4
    write_collection(folder, qrels=f"{HEADER}q1\td1\t0\n")
    with pytest.raises(DataError, match="data set mine_search: split test is empty"):
        prepare()


# --- Cranfield ---


def test_cranfield_by_params(repo: Path) -> None:
    folder = repo / "../shared/data/search/cranfield"
    if not folder.is_dir():
        pytest.skip(f"{folder}: the Cranfield collection is missing")
    settings = make_settings(read_example("cranfield")["datasets"]["cranfield"])
    rows, documents, counts = find(folder, settings)
    # 471 has no text and is judged nowhere, 995 has no text and is relevant
    assert sorted(int(document["id"]) for document in documents) == [n for n in range(1, 1401) if n != 471]
    titled = [document for document in documents if document["title"]]
    # the text of 410 has the title three times
    assert [d["id"] for d in titled if d["abstract"].startswith(d["title"])] == ["410"]
    test = rows["test"]
    assert [row["id"] for row in test] == [str(number) for number in range(1, 226)]
    assert Counter(gain for row in test for gain in row["gains"]) == {4: 128, 3: 387, 2: 734, 1: 363}
    assert relevant(test)["1"]["184"] == 3  # grade 2
    assert test[0]["own"] == "486" and "486" not in test[0]["relevant"]
    assert test[2]["query"].startswith("what problems of heat conduction")  # number 004 in the file
    assert counts.read == {"queries": 225, "judgements": 1837, "documents": 1400}
    assert dropped(counts) == {"judgements of the query's own document": 225, "documents without text": 1}


def test_the_benchmark_reads_cranfield_as_the_documentation_does() -> None:
    assert make_settings(read_example("cranfield")["datasets"]["cranfield"]) == CRANFIELD
