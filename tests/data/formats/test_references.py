"""Bibliographies and lists of papers: every form, recognised by its content, and what is refused."""

import json
from typing import Any

import pytest

from papertrail.core.errors import DataError
from papertrail.data.formats.references import read_references


def read(content: str, problems: list[str] | None = None) -> list[tuple[Any, ...]]:
    """Return (id, title, abstract, year) of each entry."""
    entries = read_references(content, "refs", [] if problems is None else problems)
    return [(entry["id"], entry["title"], entry["abstract"], entry["year"]) for entry in entries]


@pytest.mark.parametrize(
    ("fields", "title", "year"),
    [
        ("title = {Saving 40% of energy}, year = 2020", "Saving 40% of energy", 2020),
        (
            "title = {Tables % a remark\n and figures}, date = {2019-05-01/2019-06}",
            "Tables % a remark and figures",
            2019,
        ),
        ('title = "A" # mine # {C}, year = "19" # 99', "A B C", 1999),
        ("title = {Trees}, subtitle = {A study}", "Trees: A study", None),
        ("title = {Trees?}, subtitle = {A study}", "Trees? A study", None),
        (
            "title = {Stra{\\ss}e na{\\\"\\i}ve \\& \\L{}od\\'{z} \\v{C}apek}",
            "Straße naïve & Łodź Čapek",
            None,
        ),
        ("title = {\\emph{On} ``trees'' -- $O(n)$}, howpublished = {\\href{..}{..}}", "On “trees” – $O(n)$", None),
        ("title = {Cafe\u0301}, note = {\\broken{ \\x}", "Café", None),
        ("title = {x@y.org\n@home}", "x@y.org @home", None),
        ("TITLE = {{Big} {T}itle}", "Big Title", None),
    ],
)
def test_fields_of_bibtex(fields: str, title: str, year: int | None) -> None:
    content = f'@string{{mine = " B "}}\n@misc{{key,\n {fields}\n}}\n' + "@book{last, title = {Last}}"
    entries = {entry[0]: entry for entry in read(content)}
    assert entries["last"][1] == "Last"
    if "broken" not in fields:
        assert entries["key"] == ("key", title, "", year)


def test_fields_are_inherited_from_xdata_and_crossref() -> None:
    content = """@xdata{common, date = {2001-01}, title = {Not used}}
@proceedings{proc, title = {All of it}, year = 2003}
@inproceedings{child, title = {A part}, crossref = {proc}}
@book{data, title = {Own}, xdata = {common}}
@book{loop, title = {Loop}, crossref = {loop}}
@book{lost, title = {Lost}, crossref = {nowhere}}
"""
    assert read(content) == [
        ("proc", "All of it", "", 2003),
        ("child", "A part", "", 2003),
        ("data", "Own", "", 2001),
        ("loop", "Loop", "", None),
        ("lost", "Lost", "", None),
    ]


def test_comments_and_spaces_in_bibtex() -> None:
    content = "@ book {a, % the key\n title = {A}, % its title\n year = 2000 % last\n}\n@IEEEtranBSTCTL{x, y = 1}"
    assert read(content) == [("a", "A", "", 2000)]


def test_strings_that_double_are_bounded() -> None:
    strings = "".join(f"@string{{s{n} = s{n - 1} # s{n - 1}}}\n" for n in range(1, 60))
    assert read(f'@string{{s0 = "ab"}}\n{strings}@book{{a, title = s59}}')[0][0] == "a"


RIS = """TY  - JOUR
AU  - Alder, Ann
TI  - Hearing problems
      of parsers
AB  - We hear.
PY  - 2020/05/01/
ER  -

TY  - CONF
T1  - Grammar at sea
N2  - At sea.
Y1  - 2011///
ID  - birch
ER  -
TY  - BOOK
TI  - Without an end
"""


@pytest.mark.parametrize(
    "content",
    [
        RIS.replace("\n", "\r"),
        RIS.replace("  - ", "  -"),
        RIS,
        RIS.replace("\n", "\r\n"),
        "\ufeff" + RIS,
        "\n\n" + RIS,
        RIS.replace("  - ", " - "),
    ],
)
def test_ris(content: str) -> None:
    assert read(content) == [
        ("1", "Hearing problems of parsers", "We hear.", 2020),
        ("birch", "Grammar at sea", "At sea.", 2011),
        ("3", "Without an end", "", None),
    ]


def test_nbib() -> None:
    content = """PMID- 123
OWN - NLM
DP  - 2020 Jan 3
TI  - Hearing problems of
      parsers.
AB  - We hear.

PMID- 456
TI  - Grammar at sea.
"""
    assert read(content) == [
        ("123", "Hearing problems of parsers.", "We hear.", 2020),
        ("456", "Grammar at sea.", "", None),
    ]


@pytest.mark.parametrize("form", ["list", "items", "references", "keyed", "lines"])
def test_csl_json(form: str) -> None:
    first = {"id": "a", "title": "On <i>trees</i>", "abstract": "We  show.", "issued": {"date-parts": [[2020, 5]]}}
    second = {"id": 7, "title": ["Stones"], "issued": {"raw": "May 2011"}}
    raw: Any = [first, second]
    if form in ("items", "references"):
        raw = {form: raw}
    if form == "keyed":
        raw = {"a": {**first, "id": "a"}, "7": second}
    content = f"{json.dumps(first)}\n{json.dumps(second)}\n" if form == "lines" else json.dumps(raw)
    assert read(content) == [("a", "On trees", "We show.", 2020), ("7", "Stones", "", 2011)]


def test_compiled_bibliographies() -> None:
    content = r"""\begin{thebibliography}{3}
\bibitem[Alder(2020)]{alder} % comment
Ann Alder. 2020.
\newblock Hearing problems of {P}arsers.
\newblock \emph{J. of Parsing}, 1999.
\bibitem[{Birch et~al.(2011)Birch, Elm, and Fir}]{birch}
B.~Birch, ``Grammar at sea,'' \emph{Proc.}, 2011.
\bibitem{cedar} \bibinfo{author}{Cedar}. \bibinfo{title}{Trees without {roots}}. \bibinfo{year}{2012}.
\bibitem{elm} Elm, One block only, 1987
\end{thebibliography}"""
    assert read(content) == [
        ("alder", "Hearing problems of Parsers", "", 2020),
        ("birch", "Grammar at sea", "", 2011),
        ("cedar", "Trees without roots", "", 2012),
        ("elm", "Elm, One block only, 1987", "", 1987),
    ]


def test_blank_lines_and_open_quotes_take_time_linear_in_the_text() -> None:
    """No assertion on time: an expression that backtracks would not end at all."""
    assert read("\n" * 1_000_000 + "@book{a, title = {A}}") == [("a", "A", "", None)]
    assert read("\\bibitem{a} " + "``" * 500_000)[0][0] == "a"
    with pytest.raises(DataError, match="no entry"):
        read("  " * 1_000_000)


def test_what_compiled_bibliographies_write_around_titles() -> None:
    content = r"""\begin{thebibliography}{2}
\bibitem{a} A.~Alder, \emph{Trees}, 2nd~ed.\hskip 1em plus 0.5em minus 0.4em\relax Wood, 2001.
\bibitem{b} B.~Birch, \href{http://x.org}{Stones}, J 3 (2019).
\newblock \href{https://doi.org/10}{\path{doi:10}}.
\end{thebibliography}"""
    assert read(content) == [
        ("a", "A. Alder, Trees, 2nd ed. Wood, 2001", "", 2001),
        ("b", "B. Birch, Stones, J 3 (2019). doi:10", "", 2019),
    ]


def test_compiled_bibliographies_of_biblatex() -> None:
    content = r"""\refsection{0}
  \datalist[entry]{nty/global//global/global}
    \entry{alder}{article}{}
      \name{author}{1}{}{{{family={Alder}}}}
      \field{sortinit}{A}
      \field{subtitle}{A study}
      \field{title}{Hearing {P}roblems}
      \field{year}{2020}
    \endentry
    \entry{birch}{book}{}
      \field{title}{Grammar}
    \endentry
  \enddatalist
\endrefsection"""
    assert read(content) == [("alder", "Hearing Problems: A study", "", 2020), ("birch", "Grammar", "", None)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_with_a_title_column(delimiter: str) -> None:
    rows = [
        ["Key", "Title", "Abstract", "Year"],
        ["a", '"On trees"', '"Two\nlines"', "2020"],
        ["b", "Stones", "", "2011.0"],
    ]
    content = "\n".join(delimiter.join(row) for row in rows) + f"\nc{delimiter}too few\n"
    problems: list[str] = []
    assert read(content, problems) == [("a", "On trees", "Two lines", 2020), ("b", "Stones", "", 2011)]
    assert problems == ["refs:5: expected 4 cells, got 2; left out"]


def test_long_cells() -> None:
    assert read(f"title,abstract\nTrees,{'a' * 200_000}\n")[0][2] == "a" * 200_000


def test_endnote_xml_and_tei() -> None:
    record = (
        "<record><rec-number>4</rec-number><titles><title><style>On</style> trees</title></titles>"
        "<dates><year><style>2020</style></year></dates><abstract>We show.</abstract></record>"
    )
    assert read(f"<?xml version='1.0'?><xml><records>{record}</records></xml>") == [("4", "On trees", "We show.", 2020)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("%PDF-1.5\nabc", "seems to be a PDF"),
        ("<!DOCTYPE html><html><body>Trees</body></html>", "seems to be an HTML page"),
        ("<html>\n<p>On trees</p></html>", "seems to be an HTML page"),
        ("<mods><title>x</title></mods>", "XML with the root mods is no known bibliography"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "XML with entity declarations is not read"),
        ("<xml><records>", r"refs:1: not valid XML"),
        ("%0 Journal Article\n%T On trees\n", "EndNote's refer form"),
        ("FN Clarivate Analytics\nVR 1.0\nPT J\nTI On trees\n", "Web of Science"),
        ("\\documentclass{article}\n\\begin{document}\nText\n\\end{document}", "LaTeX source"),
        ("author,year,journal\nAlder,2020,J\n", "a table without a title column"),
        ('{"a": 1}', "JSON without items that have a title"),
        ("[{]", "not valid JSON"),
        ("a\0b", "binary"),
        ("1\n2\n3.14\n", "3 of 3 lines are no titles"),
        ("int x = 3;\nx += 1;\n}\n", "3 of 3 lines are no titles"),
        ("word " * 200, "1 of 1 lines are no titles"),
        ("---\nreferences:\n- title: Trees\n", "seems to be YAML"),
        ("references:\n- id: a\n  title: Trees\n", "seems to be YAML"),
        ("\n<!-- saved -->\n<HTML><body>x", "seems to be an HTML page"),
        ('["On trees", "Stones"]', "JSON without items that have a title"),
        ("ty  - JOUR\nti  - Trees\n", "2 of 2 lines are no titles"),
        (
            "We wrap this paragraph at some seventy characters, as editors do for\n"
            "mail and for notes, so that most of its lines begin in the middle of\n"
            "some sentence; that is how they differ from a list of titles, which\n"
            "begin with a capital letter.\n",
            "2 of 4 lines are no titles",
        ),
    ],
)
def test_anything_else_is_refused_by_its_name(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(content)
