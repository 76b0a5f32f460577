"""Documents, queries and judgements: every form, ids and texts as they come, and broken lines."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertrail.core.errors import DataError
from papertrail.data.formats.beir import (
    DocumentFields,
    QueryFields,
    read_documents,
    read_id,
    read_judgements,
    read_queries,
)

FIELDS = DocumentFields(id="_id", title="title", abstract="text", year=None)
OWN_FIELDS = DocumentFields(id="id", title="title", abstract="abstract", year="year")
QUERY_FIELDS = QueryFields(id="_id", text="text")


def write(folder: Path, name: str, text: str) -> Path:
    """Write a text file, packed if its name ends with .gz."""
    content = text.encode()
    (folder / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return folder / name


def documents(file: Path, fields: DocumentFields = FIELDS) -> list[tuple[str, str, str, int]]:
    return [tuple(row.values()) for _, row in read_documents(file, fields)]


def queries(file: Path, fields: QueryFields = QUERY_FIELDS, by_position: bool = False) -> list[tuple[str, str]]:
    return [(row["id"], row["text"]) for _, row in read_queries(file, fields, by_position)]


def judgements(file: Path) -> list[tuple[str, str, int]]:
    return [(found.query, found.document, found.grade) for found in read_judgements(file)]


# --- ids ---


@pytest.mark.parametrize(
    ("value", "id_"),
    [
        *((0, "0"), (0.0, "0"), ("0", "0"), (" 7 ", "7"), (12345678901, "12345678901"), ("0.0", "0"), (1.5, "1.5")),
        *(("Poincare\u0301", "Poincaré"), ("0704.0001", "0704.0001"), ("007", "007")),
    ],
)
def test_ids(value: object, id_: str) -> None:
    assert read_id(value, "f:1") == id_


@pytest.mark.parametrize("value", [None, "", "  ", True, float("nan"), float("inf"), [1], {"a": 1}])
def test_values_that_are_no_ids(value: object) -> None:
    with pytest.raises(DataError, match="f:1: expected an id, a text or a number"):
        read_id(value, "f:1")


# --- documents ---


@pytest.mark.parametrize("name", ["corpus.jsonl", "corpus.jsonl.gz", "corpus.ndjson", "corpus.json"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_json_lines_with_mark_and_blank_lines(tmp_path: Path, name: str, end: str) -> None:
    rows = [
        {"_id": "a", "title": " A title ", "text": "Stu\u0308cke", "metadata": {"x": [1]}},
        {"_id": 2, "text": None},
        {"_id": 3.0, "title": None, "text": ["One.", " Two. "]},
        {"_id": "4", "title": 1984, "text": float("nan")},
    ]
    text = "\ufeff" + (end + end).join(json.dumps(row) for row in rows) + end
    assert documents(write(tmp_path, name, text)) == [
        ("a", "A title", "Stücke", 0),
        ("2", "", "", 0),
        ("3", "", "One. Two.", 0),
        ("4", "1984", "", 0),
    ]


@pytest.mark.parametrize(("name", "delimiter"), [("own.csv", ","), ("own.tsv", "\t"), ("own.csv.gz", ",")])
def test_tables(tmp_path: Path, name: str, delimiter: str) -> None:
    cells = [["id", "title", "abstract", "year"], ["0", '"A title"', '"two\nlines"', "2019.0"], ["x", "B", "", ""]]
    file = write(tmp_path, name, "\ufeff" + "\n".join(delimiter.join(row) for row in cells) + "\n")
    assert documents(file, OWN_FIELDS) == [("0", "A title", "two\nlines", 2019), ("x", "B", "", 0)]
    assert [place for place, _ in read_documents(file, OWN_FIELDS)] == [f"{file}:2", f"{file}:4"]


def test_a_document_may_have_a_title_only(tmp_path: Path) -> None:
    file = write(tmp_path, "own.csv", "id,title\n1,A\n")
    assert documents(file, DocumentFields(id="id", title="title", abstract=None, year=None)) == [("1", "A", "", 0)]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"_id": "b", "text": "cut', r":3: not valid JSON"),
        ('["b", "text"]', r":3: expected a JSON object, got list"),
        ('{"id": "b", "text": "b"}', r":3: no field '_id' \(fields: id, text\)"),
        ('{"_id": "b", "title": "b"}', r":3: no field 'text' \(fields: _id, title\)"),
        ('{"_id": null, "text": "b"}', r":3: _id: expected an id, a text or a number \(got None\)"),
        ('{"_id": "b", "text": {"a": 1}}', r":3: text: expected a text, got dict"),
        ('{"_id": "b", "text": ["a", 1]}', r":3: text: expected a text, got list"),
        ('{"_id": 1.0, "text": "b"}', r":3: duplicate id '1' of a document, first at .*corpus\.jsonl:1; ids must be"),
    ],
)
def test_a_broken_line_is_an_error_with_its_place(tmp_path: Path, line: str, problem: str) -> None:
    file = write(tmp_path, "corpus.jsonl", f'{{"_id": "1", "text": "a"}}\n\n{line}\n')
    with pytest.raises(DataError, match=r"corpus\.jsonl" + problem):
        documents(file)


def test_a_table_without_a_named_column_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"own\.csv:1: no column 'title' \(columns: id, name, abstract, year\)"):
        documents(write(tmp_path, "own.csv", "id,name,abstract,year\n"), OWN_FIELDS)


@pytest.mark.parametrize("name", ["corpus.parquet", "corpus", "corpus.txt"])
def test_an_unknown_kind_of_file_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="unknown kind of file; expected JSON lines"):
        documents(write(tmp_path, name, "some text\n"))


# --- queries ---


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.jsonl", '{"_id": 1, "text": "a \\"b\\""}\n\n{"_id": "x", "text": "c", "metadata": {}}\n'),
        ("q.csv", '_id,text\n1,"a ""b"""\nx,c\n'),
        ("q.tsv", '_id\ttext\n1\t"a ""b"""\nx\tc\n'),
        ("q.tsv", '1\ta "b"\nx\tc\n'),  # without names, as in MS MARCO: a quote is data
        ("q.tsv.gz", '\ufeff1\ta "b"\r\n\r\nx\tc\r\n'),
        ("topics.txt", '1\ta "b"\nx\tc'),
    ],
)
def test_queries(tmp_path: Path, name: str, text: str) -> None:
    assert queries(write(tmp_path, name, text)) == [("1", 'a "b"'), ("x", "c")]


def test_topics_of_trec(tmp_path: Path) -> None:
    file = write(
        tmp_path, "topics.301", "<top>\n<num> Number: 301\n<title> wet stones\n<desc> Description: x\n</top>\n"
    )
    assert queries(file, QueryFields(id="num", text="title")) == [("301", "wet stones")]
    with pytest.raises(DataError, match=r"topics\.301:1: no tag 'text' \(tags: desc, num, title\)"):
        queries(file, QueryFields(id="num", text="text"))


def test_records_of_smart_by_position(tmp_path: Path) -> None:
    file = write(tmp_path, "cran.qry", ".I 001\n.W\nwhat is air .\n.I 004\n.W\nwhy .\n")
    fields = QueryFields(id="I", text="W")
    assert queries(file, fields) == [("001", "what is air ."), ("004", "why .")]
    assert queries(file, fields, by_position=True) == [("1", "what is air ."), ("2", "why .")]


def test_broken_queries(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"q\.tsv:2: expected an id, a tab and a text, got 'no tab'"):
        queries(write(tmp_path, "q.tsv", "1\ta\nno tab\n"))
    with pytest.raises(DataError, match=r"q\.tsv:2: duplicate id '1' of a query, first at .*q\.tsv:1"):
        queries(write(tmp_path, "q.tsv", "1\ta\n1\tb\n"))


# --- judgements ---

EXPECTED = [("q1", "d1", 2), ("q1", "7", 0), ("2", "d1", -1)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\t7\t0\n2\td1\t-1\n"),
        ("test.tsv.gz", "\ufeffquery-id\tcorpus-id\tscore\r\nq1\td1\t2\r\n\r\nq1\t7\t0\r\n2\td1\t-1\r\n"),
        ("test.tsv", "query_id\tcorpus_id\tscore\nq1\td1\t2.0\nq1\t7\t0\n2\td1\t-1"),
        ("test.tsv", "q1\td1\t2\nq1\t7\t0\n2\td1\t-1\n"),
        ("test.csv", "query-id,corpus-id,score\nq1,d1,2\nq1,7,0\n2,d1,-1\n"),
        ("test.csv", '"query-id","corpus-id","score"\n"q1","d1","2"\n"q1","7","0"\n"2","d1","-1"\n'),
        ("qrels.txt", "q1 0 d1 2\nq1 Q0 7 0\n\n2  0  d1  -1\n"),
        ("qrels", "q1\t0\td1\t2\nq1\t0\t7\t0\n2\t0\td1\t-1\n"),
        ("cranqrel", "q1 d1  2\nq1 7 0\n2 d1 -1\n"),
        (
            "test.jsonl",
            '{"query-id": "q1", "corpus-id": "d1", "score": 2}\n{"query-id": "q1", "corpus-id": 7, "score": 0.0}\n'
            '{"query-id": 2, "corpus-id": "d1", "score": -1}\n',
        ),
    ],
)
def test_judgements(tmp_path: Path, name: str, text: str) -> None:
    assert judgements(write(tmp_path, name, text)) == EXPECTED


def test_ids_with_spaces_between_tabs(tmp_path: Path) -> None:
    text = "query-id\tcorpus-id\tscore\nq 1\ta title of a paper\t1\n"
    assert judgements(write(tmp_path, "test.tsv", text)) == [("q 1", "a title of a paper", 1)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("q1\td1\n", r":1: expected 3 columns \(query-id, corpus-id, score\) or 4 of TREC \(.*\), got 2"),
        ("q1 0 d1 1 x\n", r":1: expected 3 columns .* got 5"),
        ("q1 0 d1 1\n\nq1 d2 1\n", r":3: expected 4 columns, as in the first line, got 3"),
        ("q1\td1\t1\nq1\td2\tyes\n", r":2: expected a grade, a whole number .* \(got 'yes'\)"),
        ("q1\td1\t0.5\n", r":1: expected a grade, a whole number .* \(got '0\.5'\)"),
        ("q1\td1\tnan\n", r":1: expected a grade"),
        ("q1\td1\t1001\n", r":1: expected a grade, a whole number from -1000 to 1000 \(got '1001'\)"),
        ("query\tdocument\tlabel\n", r":1: expected a grade, .* the header of BEIR is query-id, corpus-id, score"),
        ("q1\t\t1\n", r":1: expected an id"),
    ],
)
def test_broken_judgements(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(DataError, match=r"test\.tsv" + problem):
        judgements(write(tmp_path, "test.tsv", text))


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda content: content.decode("latin-1")))
def test_any_text_is_read_or_refused_with_its_place(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any", numbered=True)
    for name in ("a.jsonl", "a.csv", "a.tsv", "a.txt"):
        file = folder / name
        file.write_text(text, encoding="utf-8", errors="replace", newline="")
        for read in (judgements, documents, queries):
            try:
                read(file)
            except DataError as error:
                assert str(error).startswith(str(file))
