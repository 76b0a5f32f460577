"""Any collection is read or refused with its place; what is read is consistent and agrees with a plain reading."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.tasks.semantic_search import TASK
from tests.fixtures.beir import make_settings

IDS = ["1", 2, 3.0, "a b", "é", "e\u0301x"]
NORMAL = {"1": "1", 2: "2", 3.0: "3", "a b": "a b", "é": "é", "e\u0301x": "éx"}
SETTINGS = {
    (unknown, own): make_settings(max_unknown=unknown, query_document=own)
    for unknown in (0.0, 0.5, 1.0)
    for own in (None, "same_id", "last_judgement")
}
TEXT = st.text(max_size=12) | st.sampled_from(["word", "", " ", None])
SOUND = st.lists(st.sampled_from(IDS), unique_by=str, min_size=1, max_size=6)
JUDGED = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS), st.integers(-1, 3)), max_size=12)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
LINE = st.dictionaries(st.sampled_from(["_id", "title", "text"]), VALUE).map(json.dumps) | st.text(max_size=30)


def write(folder: Path, documents: list[str], queries: list[str], qrels: list[str], end: str = "\n") -> Path:
    (folder / "qrels").mkdir(exist_ok=True)
    for name, lines in (("corpus.jsonl", documents), ("queries.jsonl", queries), ("qrels/test.tsv", qrels)):
        (folder / name).write_bytes(end.join(lines).encode("utf-8", "surrogatepass"))
    return folder


def read_all(folder: Path, chosen: Any) -> tuple[list[dict[str, Any]], set[str], Counts]:
    """Return the test queries, the ids of the documents, and the counts."""
    assert TASK.read_collection
    counts = Counts()
    rows = [row for _, row in TASK.read(folder, chosen, 1, counts)]
    needed = {document for row in rows for document in row["relevant"]}
    documents = {row["id"] for row in TASK.read_collection(folder, chosen, 1, counts, needed)}
    assert needed <= documents
    return rows, documents, counts


@given(SOUND, st.lists(TEXT, min_size=6, max_size=6), SOUND, JUDGED, st.sampled_from(["\n", "\r\n", "\n\n"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sound_files_are_read_as_by_a_loop(
    tmp_path: Path, documents: list[Any], texts: list[Any], queries: list[Any], judged: list[Any], end: str
) -> None:
    grades: dict[tuple[str, str], int] = {}
    for query, document, grade in judged:
        grades.setdefault((NORMAL[query], NORMAL[document]), grade)
    write(
        tmp_path,
        [json.dumps({"_id": id_, "text": text}) for id_, text in zip(documents, texts, strict=False)],
        [json.dumps({"_id": id_, "text": "words"}) for id_ in queries],
        [f"{query}\t{document}\t{grade}" for (query, document), grade in grades.items()],
        end,
    )
    known = {NORMAL[id_] for id_ in documents}
    expected = {
        NORMAL[id_]: {d: g for (q, d), g in sorted(grades.items()) if q == NORMAL[id_] and d in known and g > 0}
        for id_ in queries
    }
    rows, kept, counts = read_all(tmp_path, SETTINGS[1.0, None])
    found = {row["id"]: dict(zip(row["relevant"], row["gains"], strict=True)) for row in rows}
    assert found == {query: relevant for query, relevant in expected.items() if relevant}
    assert len(kept) + counts.dropped["documents without text"] == counts.read["documents"] == len(documents)
    assert counts.read["judgements"] == len(grades)
    counted = sum(count for reason, count in counts.dropped.items() if reason.startswith("judgements"))
    assert counted + sum(map(len, found.values())) == len(grades)


def read_or_refuse(folder: Path, chosen: Any) -> None:
    try:
        read_all(folder, chosen)
    except DataError as error:
        assert str(error).startswith(str(folder))


LINES = st.lists(LINE | st.sampled_from(['{"_id": "1", "text": "a"}', '{"_id": 2, "text": "b"}']), max_size=4)
ROWS = st.lists(st.sampled_from(["1\t1\t1", "2\t1\t2", "1 0 2 1", "query-id\tcorpus-id\tscore"]) | st.text(max_size=20))


@given(LINES, LINES, ROWS, st.sampled_from(sorted(SETTINGS, key=str)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_files_are_read_or_refused(
    tmp_path: Path, documents: list[str], queries: list[str], rows: list[str], key: Any
) -> None:
    read_or_refuse(write(tmp_path, documents, queries, rows), SETTINGS[key])


@pytest.mark.fuzzed
@given(LINES, LINES, ROWS, st.sampled_from(sorted(SETTINGS, key=str)))
@settings(max_examples=10_000, suppress_health_check=list(HealthCheck))
def test_ten_thousand_files_are_read_or_refused(
    tmp_path: Path, documents: list[str], queries: list[str], rows: list[str], key: Any
) -> None:
    read_or_refuse(write(tmp_path, documents, queries, rows), SETTINGS[key])
