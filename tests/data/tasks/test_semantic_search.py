"""Semantic search in ACLSum: citing sentences as queries, the collection, the other pairings of training queries."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.params import Sizes
from papertrail.core.records import Counts, Row
from papertrail.data.tasks.semantic_search import TASK, AclsumSettings
from papertrail.data.text import normalise_title
from tests.fixtures.aclsum import Json, change_json, paper, paper_file, paragraph, write_aclsum, write_papers

PAIRINGS = ["citation", "title_abstract", "same_venue"]
SETTINGS = AclsumSettings(
    task="semantic_search",
    source="aclsum",
    format="aclsum",
    pairing="citation",
    mask_text="#",
    min_words=5,
    per_venue=200,
    queries=Sizes(train=None, validation=None, test=None),
    documents=None,
)
WORKS = [
    ("Edges of Stones!", 2001, "ACL"),
    ("The  Long Valley", None, ""),
    ("", 2003, "ACL"),
    ("edges of stones", 0, ""),
]
ADLER, BRANDT, CERVI = ("Adler (2001)", "BIBREF0"), ("[2]", "BIBREF1"), ("(Cervi, 2003)", "BIBREF2")


def read(
    folder: Path, settings: AclsumSettings = SETTINGS, counts: Counts | None = None, seed: int = 42
) -> dict[str, Any]:
    """Return split -> rows."""
    rows: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    for split, row in TASK.read(folder, settings, seed, counts or Counts()):
        rows[split].append(row)
    return rows


def read_one(folder: Path, *body: Json, counts: Counts | None = None, **changes: Any) -> list[tuple[str, list[str]]]:
    """Return (query, relevant) of one training paper with these paragraphs, which cite WORKS."""
    write_papers(folder, {"train": [paper("P1", body, WORKS)]})
    rows = read(folder, replace(SETTINGS, **changes), counts)["train"]
    return [(row["query"], row["relevant"]) for row in rows]


def collect(
    folder: Path,
    counts: Counts | None = None,
    documents: int | None = None,
    seed: int = 42,
    needed: frozenset[str] = frozenset(),
) -> list[Row]:
    """Return all documents, or so many besides the needed ones."""
    assert TASK.read_collection
    settings = replace(SETTINGS, documents=documents)
    return list(TASK.read_collection(folder, settings, seed, counts or Counts(), set(needed)))


def test_every_citation_of_a_sentence_is_masked(tmp_path: Path) -> None:
    lost = ("(Nobody, 1899)", None)
    body = paragraph(
        "Stones are old. Later ", BRANDT, " and ", ADLER, " sorted wet ones\n again ", lost, ". See ",
        ("Fig. 1", "FIGREF0"), " and go on with the rule of ", ADLER, ". It is short.",
    )  # fmt: skip
    assert read_one(tmp_path, body) == [
        ("Later # and # sorted wet ones again #.", ["edges of stones", "the long valley"]),
        ("See Fig. 1 and go on with the rule of #.", ["edges of stones"]),
    ]


def test_an_empty_mask_removes_the_citation(tmp_path: Path) -> None:
    body = paragraph(ADLER, " and ", BRANDT, " sorted the wet stones.")
    assert read_one(tmp_path, body, mask_text="")[0][0] == "and sorted the wet stones."


def test_a_citation_across_sentences_is_masked(tmp_path: Path) -> None:
    cited = ("Adler rules. Stones roll. Bern 2001", "BIBREF0")
    body = paragraph("We keep the old rule ", cited, " of stones. They agree with the count ", BRANDT, ".")
    assert read_one(tmp_path, body) == [
        ("We keep the old rule # of stones.", ["edges of stones"]),
        ("They agree with the count #.", ["the long valley"]),
    ]


def test_offsets_count_characters(tmp_path: Path) -> None:
    body = paragraph("Größe 𝒳 «zählt» 😀. So schrieb einst in Köln ", BRANDT, ". Später nicht.")
    assert read_one(tmp_path, body) == [("So schrieb einst in Köln #.", ["the long valley"])]


def test_sentences_without_a_known_work_are_counted(tmp_path: Path) -> None:
    body = [
        paragraph("This comes from nowhere at all ", ("(Nobody, 1899)", None), "."),
        paragraph("This work has no title at all ", CERVI, ". Nobody is cited here at all."),
        paragraph("One is known and two are not ", CERVI, ("(Nobody, 1899)", None), BRANDT, "."),
    ]
    counts = Counts()
    assert read_one(tmp_path, *body, counts=counts) == [("One is known and two are not ###.", ["the long valley"])]
    assert +counts.dropped == {"citing sentences that the parser did not resolve": 2}
    assert counts.read["queries"] == 1


@pytest.mark.parametrize(("mask_text", "kept"), [("#", 1), ("", 0), ("[ A B ]", 2)])
def test_short_sentences_are_counted_with_their_mask(tmp_path: Path, mask_text: str, kept: int) -> None:
    body = [paragraph("As said by ", ADLER, " twice."), paragraph(BRANDT), paragraph("Asked ", ADLER, ".")]
    counts = Counts()
    assert len(read_one(tmp_path, *body, counts=counts, mask_text=mask_text)) == kept
    assert counts.dropped["citing sentences under 5 words"] == 3 - kept


def test_a_sentence_of_a_citation_only_is_not_a_query(tmp_path: Path) -> None:
    counts = Counts()
    assert not read_one(tmp_path, paragraph(ADLER), counts=counts, mask_text="", min_words=1)
    assert counts.dropped["citing sentences under 1 words"] == 1


def test_a_sentence_of_10_000_words_is_a_query(tmp_path: Path) -> None:
    ((query, relevant),) = read_one(tmp_path, paragraph("stones " * 9_999, ADLER, "."))
    assert (len(query.split()), relevant) == (10_000, ["edges of stones"])


def test_papers_with_almost_no_text(tmp_path: Path) -> None:
    body = paragraph("colorlinks=true, linkcolor=blue, citecolor=blue, filecolor=magenta, urlcolor=blue 2")
    assert read_one(tmp_path, body, paragraph("")) == []
    assert [row["id"] for row in collect(tmp_path)] == ["a title of p1", "edges of stones", "the long valley"]


def test_queries_of_the_fixture(aclsum: Path) -> None:
    counts = Counts()
    rows = read(aclsum, counts=counts)
    assert {split: len(found) for split, found in rows.items()} == {"train": 12, "validation": 8, "test": 8}
    assert rows["test"][0] == {
        "id": "2020.test-main.0/0/25",
        "paper": "2020.test-main.0",
        "query": "Two keepers were needed #.",
        "own": "translating the songs of test valley 0",
        "relevant": [normalise_title("Baking the bread number 2001")],
        "positives": [normalise_title("Baking the bread number 2001")],
    }
    assert not any("et al." in row["query"] for found in rows.values() for row in found)
    # in each of seven papers one sentence is short and one cites an unresolved work
    assert +counts.dropped == {
        "papers in no split": 1,
        "citing sentences under 5 words": 7,
        "citing sentences that the parser did not resolve": 7,
    }


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_papers_and_ids_are_in_one_split(aclsum: Path, pairing: Any) -> None:
    rows = read(aclsum, replace(SETTINGS, pairing=pairing))
    for split, found in rows.items():
        assert found and {row["paper"].split("-")[0] for row in found} == {f"2020.{split}"}
    ids = [row["id"] for found in rows.values() for row in found]
    assert len(ids) == len(set(ids))


def test_sampling_depends_on_seed_and_id_only(aclsum: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, queries=Sizes(train=6, validation=3, test=100))
    counts = Counts()
    rows, whole = read(aclsum, settings, counts), read(aclsum)
    assert {split: len(found) for split, found in rows.items()} == {"train": 6, "validation": 3, "test": 8}
    assert counts.dropped["queries not sampled"] == 6 + 5
    assert all(rows[split] == [row for row in whole[split] if row in rows[split]] for split in whole)
    assert rows == read(aclsum, settings)
    assert rows["train"] != read(aclsum, settings, seed=43)["train"]
    more = read(write_aclsum(tmp_path / "more", train=6), settings)  # the sample has no other rows of the old papers
    assert [r for r in more["train"] if r["paper"] <= "2020.train-main.2"] == [
        r for r in rows["train"] if r in more["train"]
    ]
    assert (more["validation"], more["test"]) == (rows["validation"], rows["test"])


def test_collection_has_every_title_once(aclsum: Path) -> None:
    documents = collect(aclsum)
    ids = [document["id"] for document in documents]
    assert ids == sorted(set(ids))
    assert len(ids) == 8 + 8 * 8 + 1  # papers, the works of each, and the work that all cite
    assert all(document["id"] == normalise_title(document["title"]) for document in documents)
    papers = [document for document in documents if "valley" in document["title"]]
    assert len(papers) == 8
    assert all(document["abstract"].startswith("Pebbles of valley") for document in papers)
    assert not any(document["abstract"] for document in documents if document not in papers)
    assert {d["year"] for d in papers} == {0}
    assert next(d for d in documents if d["id"] == "a grammar that everybody cites")["year"] == 2001


def test_variants_of_a_title_are_one_document(tmp_path: Path) -> None:
    works = [("Edges of stones", None, ""), ("EDGES of stones!", 1999, ""), ("On tea.", 2005, ""), ("", 2000, "")]
    cited = paper("P2", [paragraph("Text.")], [("Edges: of stones", 1980, ""), ("...", 2000, "")], "On Tea", "Hot.")
    folder = write_papers(tmp_path, {"test": [cited], "train": [paper("P1", [paragraph("Text.")], works, "First")]})
    counts = Counts()
    assert collect(folder, counts) == [
        {"id": "edges of stones", "title": "Edges of stones", "abstract": "", "year": 1999},  # the first known year
        {"id": "first", "title": "First", "abstract": "", "year": 0},
        {"id": "on tea", "title": "On Tea", "abstract": "Hot.", "year": 2005},  # a paper that another paper cites
    ]
    assert +counts.dropped == {"entries without a title": 2}


def test_a_smaller_collection_has_the_needed_documents(aclsum: Path) -> None:
    whole, counts = collect(aclsum), Counts()
    needed = frozenset(id_ for row in read(aclsum)["test"] for id_ in row["relevant"])
    drawn, some, more = (collect(aclsum, documents=size) for size in (10, 10, 20))
    assert drawn == some == [document for document in whole if document in more and document in drawn]
    assert (len(drawn), len(more)) == (10, 20)
    assert drawn != collect(aclsum, documents=10, seed=43)
    kept = collect(aclsum, counts, documents=10, needed=needed)
    assert [d["id"] for d in kept] == sorted(needed | {document["id"] for document in drawn})
    assert counts.dropped["documents not sampled"] == len(whole) - len(kept) > 0
    assert collect(aclsum, needed=needed) == collect(aclsum, documents=1000) == whole


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_relevant_documents_are_in_the_collection(aclsum: Path, pairing: Any) -> None:
    known = {document["id"] for document in collect(aclsum)}
    for rows in read(aclsum, replace(SETTINGS, pairing=pairing)).values():
        assert all(row["relevant"] and known.issuperset(row["relevant"]) for row in rows)


@pytest.mark.parametrize("pairing", PAIRINGS[1:])
def test_validation_and_test_are_always_citing_sentences(aclsum: Path, pairing: Any) -> None:
    citation, other = read(aclsum), read(aclsum, replace(SETTINGS, pairing=pairing))
    assert citation.pop("train") != other.pop("train")
    assert citation == other


def test_a_title_is_a_query_for_its_abstract(aclsum: Path) -> None:
    abstracts = {document["id"]: document["abstract"] for document in collect(aclsum)}
    rows = read(aclsum, replace(SETTINGS, pairing="title_abstract"))["train"]
    assert [row["query"] for row in rows] == [
        "Translating the songs of train valley 0",
        "Sorting the pebbles of train valley 1",
        "Translating the songs of train valley 2",
    ]
    for number, row in enumerate(rows):
        (relevant,) = row["relevant"]
        assert (row["id"], row["paper"]) == (f"2020.train-main.{number}/title", f"2020.train-main.{number}")
        assert abstracts[relevant].startswith(f"Pebbles of valley {number} ")


def test_a_paper_without_an_abstract_is_dropped(aclsum: Path) -> None:
    change_json(paper_file(aclsum, "train", 1), lambda raw: raw.update(abstract=None))
    counts = Counts()
    rows = read(aclsum, replace(SETTINGS, pairing="title_abstract"), counts)["train"]
    assert [row["paper"] for row in rows] == ["2020.train-main.0", "2020.train-main.2"]
    assert counts.dropped["papers without a title or an abstract"] == 1


def test_papers_without_a_title(aclsum: Path) -> None:
    for number in range(2):
        change_json(paper_file(aclsum, "train", number), lambda raw: raw.update(title=None))
    counts, collected = Counts(), Counts()
    rows = read(aclsum, replace(SETTINGS, pairing="title_abstract"), counts)["train"]
    assert [row["query"] for row in rows] == ["Translating the songs of train valley 2"]
    assert counts.dropped["papers without a title or an abstract"] == 2
    assert "" not in {document["id"] for document in collect(aclsum, collected)}
    assert collected.dropped["papers without a title"] == 2


VENUES = [("C", 1, "ACL"), ("a", 2, "acl."), ("B", 3, "Acl"), ("d", 4, "ACL"), ("Alone", 5, "EMNLP"), ("E", 6, None)]


def neighbours(folder: Path, per_venue: int, counts: Counts | None = None) -> list[tuple[str, str, str, list[str]]]:
    """Return (id, paper, query, relevant) of two training papers, the second of which cites a work of the first."""
    papers = [
        paper("P1", [paragraph("Text.")], VENUES[:3]),
        paper("P2", [paragraph("Text.")], [("c", 1, "ICASSP"), ("Z", 1, "ICASSP"), *VENUES[3:], ("", 1, "ACL")]),
    ]
    settings = replace(SETTINGS, pairing="same_venue", per_venue=per_venue)
    rows = read(write_papers(folder, {"train": papers}), settings, counts)["train"]
    return [(row["id"], row["paper"], row["query"], row["relevant"]) for row in rows]


def test_only_the_neighbour_is_a_training_pair(tmp_path: Path) -> None:
    papers = [paper("P1", [paragraph("Text.")], VENUES[:4])]
    rows = read(write_papers(tmp_path, {"train": papers}), replace(SETTINGS, pairing="same_venue"))["train"]
    assert [(row["query"], row["positives"], len(row["relevant"])) for row in rows][:2] == [
        ("a", ["b"], 4),
        ("B", ["c"], 4),
    ]


def test_a_work_is_a_query_for_the_next_of_its_venue(tmp_path: Path) -> None:
    venue = ["a", "b", "c", "d"]  # all relevant, so that none is a negative of another
    assert neighbours(tmp_path, 200) == [
        ("acl/a", "P1", "a", venue),
        ("acl/b", "P1", "B", venue),
        ("acl/c", "P1", "C", venue),
    ]


def test_pairs_per_venue_are_limited(tmp_path: Path) -> None:
    counts = Counts()
    assert [row[0] for row in neighbours(tmp_path, 2, counts)] == ["acl/a", "acl/b"]
    assert neighbours(tmp_path, 1) == [("acl/a", "P1", "a", ["a", "b"])]
    assert counts.dropped["works beyond per_venue"] == 1
