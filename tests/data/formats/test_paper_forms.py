"""The forms of papers with spans, read as one; and a folder of them as a data source."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.s2orc import Paper, Span, parse_paper, read_papers
from papertrail.data.formats.tei import read_tei
from papertrail.inference.documents import parse_document

TEXT = "Parsers hear badly (Alder, 2020), see Figure 1."
CITATION = {"start": 19, "end": 32, "text": "(Alder, 2020)", "ref_id": "b0"}
FIGURE = {"start": 38, "end": 46, "text": "Figure 1", "ref_id": "f0"}
BODY = [{"text": TEXT, "cite_spans": [CITATION], "ref_spans": [FIGURE], "section": "Introduction"}]
ENTRIES = {"b0": {"title": "Hearing  problems", "authors": [{"last": "Alder"}], "year": 2020, "venue": "J"}}
PARSE = {"body_text": BODY, "bib_entries": ENTRIES, "ref_entries": {"f0": {"text": "", "type": "figure"}}}
ABSTRACT = [{"text": "We test", "cite_spans": []}, {"text": "noise."}]
NAMED = {"metadata": {"title": "Noise"}, "abstract": ABSTRACT}
BULK_TEXT = f"Noise\nWe test\nnoise.\nIntroduction\n{TEXT}\nAlder. Hearing problems. J, 2020."


def spans(*texts: str, **attributes: Any) -> str:
    """Return annotations of the bulk form, JSON in a string; one start is a string, as in older files."""
    found = [{"start": BULK_TEXT.index(text), "end": BULK_TEXT.index(text) + len(text)} for text in texts]
    found[0]["start"] = str(found[0]["start"])  # type: ignore[assignment]
    return json.dumps([{**span, "attributes": attributes} for span in found])


ANNOTATIONS = {
    "title": spans("Noise"),
    "abstract": spans("We test\nnoise."),
    "sectionheader": spans("Introduction"),
    "paragraph": spans(TEXT),
    "bibref": spans("(Alder, 2020)", ref_id="b0"),
    "figureref": spans("Figure 1", ref_id="f0"),
    "figure": spans("Figure 1", id="f0"),
    "bibentry": spans("Alder. Hearing problems. J, 2020.", id="b0"),
    "bibtitle": spans("Hearing problems"),
    "bibvenue": spans("J, 2020"),
    "bibauthorlastname": json.dumps([{"start": BULK_TEXT.rindex("Alder"), "end": BULK_TEXT.rindex("Alder") + 5}]),
    "formula": None,
}
GROBID = {
    "level": "paragraph",
    "biblio": {"title": "Noise", "abstract": [{"id": 0, "text": "We test"}, {"id": 1, "text": "noise."}]},
    "body_text": [
        {
            "id": "p1",
            "text": TEXT,
            "head_section": "Introduction",
            "refs": [{"type": "bibr", "target": "#b0", "text": "(Alder, 2020)", "offset_start": 19, "offset_end": 32}],
        }
    ],
    "references": [{"id": "b0", "title": "Hearing problems", "year": "2020"}],
}
TEI = """<?xml version="1.0" encoding="UTF-8"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt><title level="a">Noise</title></titleStmt>
</fileDesc><profileDesc><abstract><div><p>We test\nnoise.</p></div></abstract></profileDesc></teiHeader>
<text><body><div><head n="1">Introduction</head>
<p>Parsers hear badly <ref type="bibr" target="#b0">(Alder, 2020)</ref>, see <ref type="figure" target="#f0">Figure
1</ref>.</p></div><figure xml:id="f0"><figDesc>x</figDesc></figure></body><back><div type="references"><listBibl>
<biblStruct xml:id="b0"><analytic><title level="a">Hearing problems</title><author><persName><surname>Alder</surname>
</persName></author></analytic><monogr><title level="j">J</title><imprint><date when="2020-05">May</date></imprint>
</monogr></biblStruct></listBibl></div></back></text></TEI>"""
FORMS: dict[str, Any] = {
    "2019": {**NAMED, "grobid_parse": PARSE, "latex_parse": None},
    "2019 LaTeX": {**NAMED, "grobid_parse": {"body_text": []}, "latex_parse": PARSE},
    "2020": {"title": "Noise", "abstract": ABSTRACT, **PARSE},
    "2021": {"title": "Noise", "abstract": "We test\nnoise.", "pdf_parse": {**PARSE, "abstract": ABSTRACT}},
    "CORD-19": {"paper_id": "x", **NAMED, **PARSE, "back_matter": []},
    "bulk": {"corpusid": 1, "content": {"source": {}, "text": BULK_TEXT, "annotations": ANNOTATIONS}},
    "GROBID client": GROBID,
    "TEI": read_tei(TEI, "x.xml"),
}


def check(paper: Paper) -> None:
    """Check the paper that every form has."""
    (paragraph,) = paper.body
    assert (paper.title, " ".join(paper.abstract.split()), paragraph.section) == (
        "Noise",
        "We test noise.",
        "Introduction",
    )
    assert paragraph.text == TEXT and paragraph.citations == (Span(19, 32, "b0"),)
    assert (paper.bibliography["b0"].title, paper.bibliography["b0"].year) == ("Hearing problems", 2020)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_paper(form: str) -> None:
    counts = Counts()
    paper = parse_paper(FORMS[form], "x", counts)
    check(paper)
    assert not counts.dropped
    if form != "GROBID client":  # which has no references to figures
        assert paper.body[0].references == (Span(38, 46, "f0"),)
        assert paper.bibliography["b0"].authors == ("Alder",)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_a_document_with_citations(form: str) -> None:
    content = TEI if form == "TEI" else json.dumps(FORMS[form])
    document = parse_document(content, "x", None)
    assert (document["text"], document["citations"]) == (TEXT, [{"start": 19, "end": 32, "target": "b0"}])
    assert document["bibliography"] == [{"id": "b0", "title": "Hearing problems", "abstract": "", "year": 2020}]


def test_a_folder_of_all_forms_is_a_source(tmp_path: Path) -> None:
    for number, form in enumerate(name for name in FORMS if name not in ("2020", "CORD-19", "TEI")):
        (tmp_path / f"p{number}.json").write_text(json.dumps(FORMS[form]), encoding="utf-8")
    (tmp_path / "q.tei.xml").write_text(TEI, encoding="utf-8")
    empty = json.dumps({"paper_id": "e", "body_text": [], "bib_entries": {}})
    lines = f"{json.dumps(FORMS['2020'])}\n{empty}\n{json.dumps(FORMS['CORD-19'])}\n"
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    counts = Counts()
    # papers of doc2json must have what that parser writes; the other forms need not
    papers = read_papers(tmp_path, counts)
    assert [paper.id for paper in papers] == ["p0", "p1", "p2", "p3", "p4", "q", "r.jsonl:1", "x"]
    for paper in papers:
        check(paper)
    assert counts.dropped == {"papers: no body text": 1} and counts.read["papers"] == 8


@pytest.mark.parametrize("form", ["2019", "2020", "2021", "CORD-19"])
def test_bad_spans_are_dropped_and_counted_in_every_form(form: str) -> None:
    bad: list[Any] = [
        CITATION,
        {**CITATION, "start": 20},
        {"start": 46, "end": 99, "text": "1."},
        {"start": 3, "end": 3, "text": ""},
        {"start": None, "end": 5},
        {"start": 1.5, "end": 5},
        None,
    ]
    raw = json.loads(json.dumps(FORMS[form]))
    parse = raw.get("pdf_parse") or raw.get("grobid_parse") or raw
    parse["body_text"][0]["cite_spans"] += bad
    counts = Counts()
    paper = parse_paper(raw, "x", counts)
    assert paper.body[0].citations == (Span(19, 32, "b0"),)
    assert sum(counts.dropped.values()) == len(bad)


def test_bad_annotations_are_dropped_and_counted() -> None:
    annotations = {
        **ANNOTATIONS,
        "bibref": '[{"start": 1}, 3, {"start": 9, "end": 99999}]',
        "figureref": "[",
        "tableref": 3,
    }
    counts = Counts()
    content = {"text": BULK_TEXT, "annotations": annotations}
    assert parse_paper({"content": content}, "x", counts).body[0].citations == ()
    assert counts.dropped == {
        "annotations bibref: not a span of the text": 3,
        "annotations figureref: not a span of the text": 1,
    }


def test_annotations_in_one_string_and_numbers_as_ids() -> None:
    entry = {"start": BULK_TEXT.rindex("Alder"), "end": len(BULK_TEXT), "attributes": {"id": 0}}
    annotations = {**ANNOTATIONS, "bibref": spans("(Alder, 2020)", ref_id=0), "bibentry": json.dumps([entry])}
    paper = parse_paper({"content": {"text": BULK_TEXT, "annotations": json.dumps(annotations)}}, "x", Counts())
    assert paper.body[0].citations == (Span(19, 32, "0"),) and list(paper.bibliography) == ["0"]


@pytest.mark.parametrize(
    ("body", "texts", "targets"),
    [
        ("<p>A <note>n <ref type='bibr' target='#b1'>[1]</ref></note> B</p>", ["A n [1] B"], ["b1"]),
        ("<div><p>A</p><list><item><p>B</p></item><item>C</item></list><p>D</p></div>", ["A", "B", "C", "D"], []),
        ("<quote><p>Q</p></quote><figure><p>no text</p></figure>", ["Q"], []),
        ("<p>\n A\n <ref type='bibr' target='#b1 #b2'> [1]</ref>  B</p>", ["A [1] B"], ["b1"]),
    ],
)
def test_paragraphs_of_tei(body: str, texts: list[str], targets: list[str]) -> None:
    raw = read_tei(f"<!-- c --><TEI><text><body>{body}</body></text></TEI>", "x.xml")["pdf_parse"]["body_text"]
    assert [paragraph["text"] for paragraph in raw] == texts
    assert [span["ref_id"] for paragraph in raw for span in paragraph["cite_spans"]] == targets


@pytest.mark.parametrize("start", ["<!-- c -->", "<!DOCTYPE TEI SYSTEM 'x.dtd'>", "<?xml version='1.0'?>", ""])
def test_beginnings_of_tei(start: str) -> None:
    document = parse_document(f"\n{start}<TEI><text><body><p>Müller</p></body></text></TEI>", "x", [])
    assert document["text"] == "Müller"


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-16"])
def test_the_declared_encoding_of_decoded_xml_is_ignored(encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?><TEI><text><body><p>Müller</p></body></text></TEI>'
    assert read_tei(content, "x")["pdf_parse"]["body_text"][0]["text"] == "Müller"


def test_decomposed_letters_are_composed_and_spans_moved() -> None:
    text = "Cafe\u0301 (Ale\u0301r, 2020)."
    body = [{"text": text, "cite_spans": [{"start": 6, "end": 19, "text": text[6:19], "ref_id": None}]}]
    paper = parse_paper({"body_text": body, "bib_entries": {"b": {"title": "E\u0301tude"}}}, "x", Counts())
    (span,) = paper.body[0].citations
    assert paper.body[0].text[span.start : span.end] == "(Alér, 2020)"
    assert paper.bibliography["b"].title == "Étude"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEI[:200], r"x\.xml:\d: not valid XML"),
        ('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><TEI>&b;</TEI>', "entity declarations"),
        (
            '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><TEI>&b;</TEI>',
            "entity declarations",
        ),
        ("<TEI><text/></TEI>", "expected TEI with a text body"),
        ('<?xml version="1.0" encoding="nothing"?><TEI/>', "not valid XML|expected TEI"),
    ],
)
def test_xml_that_is_refused(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tei(content, "x.xml")


@pytest.mark.parametrize("name", ["good", "past_end", "repeated"])
def test_case_s01_from_the_field(repo: Path, name: str) -> None:
    file = repo / f"../shared/data/field/s01/{name}.json"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    counts = Counts()
    paper = parse_paper(json.loads(file.read_text(encoding="utf-8")), name, counts)
    found = [paper.body[0].text[span.start : span.end] for span in paper.body[0].citations]
    assert found == ["(Alder, 2020)", "[2]"][: 1 if name == "past_end" else 2]
    assert sum(counts.dropped.values()) == (name != "good")
