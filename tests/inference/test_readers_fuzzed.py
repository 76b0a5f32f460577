"""Generated documents and bibliographies: every reader answers or raises DataError, and the offsets are valid.

The inputs are sequences of pieces that mean something to a reader, which reach more code than random characters.
"""

import logging
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from papertrail.core.errors import DataError
from papertrail.inference.bibliography import parse_bibliography, read_records
from papertrail.inference.documents import decode, find_citations, parse_document, read_pasted

WRITTEN = {  # separated by spaces
    "latex": r"""\cite \citep \cites \volcite \newcommand \def \let \x \begin \end {document} {verbatim} {comment}
        \bibitem {thebibliography} { } [ ] ( ) < > % a b,c #1 \iffalse \fi \else \verb | \input{x} \input \item \section
        \\ \" $ * \footnote \documentclass \url \NewDocumentCommand \ \lstinline \href é""",
    "markdown": "[ ] @ @a ; ` ``` <!-- --> [@a] { } - ( ) Smith 2019 3 , et al. é",
    "bibtex": r"""@article @string @comment @xdata { } ( ) a title = , # % \ \"u " crossref xdata year 2020 subtitle @
        $ é""",
    "json": r"""{ } [ ] "title" "id" : , "x" 1 null "issued" "date-parts" "items" [[2020]] NaN 1e999 "\ud800" """,
    "paper": """{"pdf_parse": {"body_text": "text": "cite_spans": [{"start": "end": 0, 5, -1} ], ]} } "bib_entries":
        {} "content": "annotations": "bibref": "[{" null "grobid_parse": "metadata": "refs": "biblio": "abc", [{""",
    "bbl": r"""\begin{thebibliography}{9} \end{thebibliography} \bibitem [ ] { } a \newblock x. `` '' \entry{a}{b}{}
        \field{title} \bibinfo {title} % 2020""",
}
PIECES = {
    **{kind: pieces.split() for kind, pieces in WRITTEN.items()},
    "tagged": ["TY  - JOUR", "ER  - ", "TI  - x", "PMID- 1", "AB  - y", "\n", "      z", "ID  - 1", "PY  - 2020", "\r"],
    "xml": [
        *(
            "<?xml version='1.0'?>",
            "<TEI xmlns='http://www.tei-c.org/ns/1.0'>",
            "</TEI>",
            "<text>",
            "</text>",
            "<body>",
        ),
        *("</body>", "<div>", "</div>", "<p>", "</p>", "<ref type='bibr' target='#b0'>", "</ref>", "x", "&a;", "&lt;"),
        *("<!DOCTYPE a [<!ENTITY a 'b'>]>", "<listBibl>", "</listBibl>", "<biblStruct xml:id='b0'>", "</biblStruct>"),
    ],
    "table": ["title", ",", "\t", ";", "abstract", "id", '"', "\n", "x", "year", "\r", "|", "\0"],
}
ENTRIES = [{"id": "a", "title": "", "abstract": "", "year": None}]
READERS: dict[str, Callable[[str], object]] = {
    "document": lambda text: parse_document(text, "x", ENTRIES),
    "document by its name": lambda text: parse_document(text, "x.tex", None),
    "pasted": lambda text: (read_pasted(text), {"text": text, "citations": find_citations(text)})[1],
    "bibliography": lambda text: parse_bibliography(text, "x"),
    "records": lambda text: read_records(text, "x"),
    "bytes": lambda text: decode(text.encode("utf-16"), "x"),
}


def texts(kind: str) -> st.SearchStrategy[str]:
    """Return a strategy of sequences of pieces of a kind, with spaces, line ends and any characters between them."""
    piece = st.sampled_from([*PIECES[kind], " ", "\n", "\n\n"]) | st.text(max_size=3)
    return st.lists(piece, max_size=40).map("".join)


@pytest.mark.fuzzed
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", PIECES)
def test_readers_answer_or_refuse(kind: str, reader: str) -> None:
    @settings(
        max_examples=10_000 // len(READERS), deadline=10_000, suppress_health_check=list(HealthCheck), database=None
    )
    @given(texts(kind))
    def check(text: str) -> None:
        try:
            answer = READERS[reader](text)
        except DataError:
            return
        if isinstance(answer, dict):
            end = 0
            for citation in answer["citations"]:
                assert end <= citation["start"] < citation["end"] <= len(answer["text"])
                end = citation["end"]

    logging.disable(logging.CRITICAL)
    try:
        check()
    finally:
        logging.disable(logging.NOTSET)
