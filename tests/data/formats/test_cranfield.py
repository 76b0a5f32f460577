"""The Cranfield collection: documents, questions, judgements, and broken files."""

import gzip
from pathlib import Path

import pytest

from papertrail.core.errors import DataError
from papertrail.data.formats.cranfield import read_documents, read_queries

DOCUMENTS = """\
.I 1
.T
flow past a flat
plate .
.A
ting-yili
.B
j. ae. scs. 25, 1958, 324.
.W
flow past a flat
plate .
  the plate is flat .  the flow
is not .
.I 2
.T
.A
.B
.W
.I 3
.T\x20
shear of a wing .
.W
here the text begins otherwise . a line may begin
.Then go on .
"""
QUERIES = """\
.I 001
.W
how does air flow
past a plate .
.I 004
.W
why do wings shear .
.I 365
.W
what is air .
"""
JUDGEMENTS = """\
1 1 1
1 10 2
1  2 3

1 3 4
1 4 -1
1 5 5
1 6 1
2 3 2
2 1 -1
365 1 1
"""


def write(folder: Path, documents: str = DOCUMENTS, queries: str = QUERIES, judgements: str = JUDGEMENTS) -> Path:
    """Write the three files of a collection; return their folder."""
    (folder / "cran.all.1400.gz").write_bytes(gzip.compress(documents.encode()))
    (folder / "cran.qry").write_bytes(queries.encode())
    (folder / "cranqrel").write_bytes(judgements.encode())
    return folder


@pytest.fixture(params=["\n", "\r\n"], ids=["LF", "CRLF"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The collection above with each kind of line end."""
    return write(tmp_path, *(text.replace("\n", request.param) for text in (DOCUMENTS, QUERIES, JUDGEMENTS)))


def test_documents(folder: Path) -> None:
    assert list(read_documents(folder)) == [
        # the title is not repeated in the abstract
        {"id": "1", "title": "flow past a flat plate .", "abstract": "the plate is flat . the flow is not", "year": 0},
        {"id": "2", "title": "", "abstract": "", "year": 0},
        {
            "id": "3",
            "title": "shear of a wing .",
            "abstract": "here the text begins otherwise . a line may begin .Then go on",
            "year": 0,
        },
    ]


def test_questions_are_judged_by_their_position(folder: Path) -> None:
    first, second, third = read_queries(folder)
    assert (first["id"], first["query"]) == ("1", "how does air flow past a plate .")
    assert dict(zip(first["relevant"], first["gains"], strict=True)) == {"1": 4, "10": 3, "2": 2, "3": 1}
    assert first["own"] == "6"  # the last judgement, whatever its grade
    # numbered 004 and 365 in the file, judged as 2 and 3
    assert second == {"id": "2", "query": "why do wings shear .", "own": "1", "relevant": ["3"], "gains": [3]}
    assert third == {"id": "3", "query": "what is air .", "own": "", "relevant": [], "gains": []}


def test_both_parts_of_a_repeated_field_are_kept(tmp_path: Path) -> None:
    twice = ".I 578\n.T\nblunt nose flows .\n.W\nblunt nose flows .\nspeeds are low .\n.W\nblades have stalled .\n"
    (document,) = read_documents(write(tmp_path, twice))  # as in documents 576 and 578 of the original
    assert document["abstract"] == "speeds are low . blades have stalled"


@pytest.mark.parametrize("name", ["cran.all.1400.gz", "cran.qry", "cranqrel"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    (write(tmp_path) / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: no such file"):
        [*read_documents(tmp_path), *read_queries(tmp_path)]


def packed() -> bytes:
    return gzip.compress(DOCUMENTS.encode(), mtime=0)


@pytest.mark.parametrize(
    "content",
    [
        packed()[:-20],
        packed()[:5],
        packed()[:30] + bytes(50) + packed()[80:],
        packed()[:-8] + bytes(8),
        DOCUMENTS.encode(),
        gzip.compress(".I 1\n.T\nGröße\n".encode("latin-1"), mtime=0),
    ],
    ids=["cut off", "cut in the head", "overwritten", "wrong checksum", "not packed", "not UTF-8"],
)
def test_documents_that_cannot_be_unpacked(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path) / "cran.all.1400.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"cran\.all\.1400\.gz: cannot be read"):
        list(read_documents(tmp_path))


@pytest.mark.parametrize("text", ["", "\n", "title\n.I 1\n.W\ntext\n", "<html>.I 1</html>"])
def test_file_of_another_form(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"cran\.all\.1400\.gz: expected a first line '\.I <number>'"):
        list(read_documents(write(tmp_path, documents=text)))
    with pytest.raises(DataError, match=r"cran\.qry: expected a first line '\.I <number>'"):
        list(read_queries(write(tmp_path, queries=text)))


@pytest.mark.parametrize("line", ["1 184", "1 184 2 2", "1 a 2", "1 184 2.0", "nothing"])
def test_broken_judgement(tmp_path: Path, line: str) -> None:
    write(tmp_path, judgements=f"1 1 1\n\n{line}\n")
    with pytest.raises(DataError, match=f"cranqrel:3: expected three numbers, got '{line}'"):
        list(read_queries(tmp_path))


@pytest.fixture
def original(repo: Path) -> Path:
    """The folder of the original collection, if it is on this machine."""
    folder = repo / "../shared/data/search/cranfield"
    if not folder.is_dir():
        pytest.skip(f"{folder}: the Cranfield collection is missing")
    return folder


def test_the_original(original: Path) -> None:
    documents, queries = list(read_documents(original)), list(read_queries(original))
    assert [document["id"] for document in documents] == [str(number) for number in range(1, 1401)]
    assert [document["id"] for document in documents if not document["title"]] == ["471", "995"]
    titled = [document for document in documents if document["title"]]
    assert [d["id"] for d in titled if d["abstract"].startswith(d["title"])] == [
        "410"
    ]  # its text has the title three times
    assert [query["id"] for query in queries] == [str(number) for number in range(1, 226)]
    assert sum(len(query["relevant"]) for query in queries) == 1612  # of 1,837; one per question is its own paper
    assert all(query["query"] and query["relevant"] for query in queries)
    gains = [gain for query in queries for gain in query["gains"]]
    assert {gain: gains.count(gain) for gain in set(gains)} == {4: 128, 3: 387, 2: 734, 1: 363}
    assert {document for query in queries for document in query["relevant"]} < {d["id"] for d in documents}
    assert dict(zip(queries[0]["relevant"], queries[0]["gains"], strict=True))["184"] == 3  # grade 2
    assert queries[2]["query"].startswith("what problems of heat conduction")  # number 004
