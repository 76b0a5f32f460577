r"""LaTeX documents: which commands are citations, what is no text, included files, and broken sources."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError
from papertrail.inference.documents import find_citations, parse_document

ENTRIES = [{"id": key, "title": key, "abstract": "", "year": None} for key in "abcdefgh"]


def targets(text: str, name: str = "d.tex") -> list[str]:
    """Return the keys that are cited, after a check of the offsets; pasted text must have the same."""
    document = parse_document(text, name, ENTRIES)
    end = 0
    for citation in document["citations"]:
        assert end <= citation["start"] < citation["end"] <= len(document["text"])
        end = citation["end"]
    return [citation["target"] for citation in document["citations"]]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (r"\Citet{a} \citep*{b} \citealp{c} \Citealt{d} \citeyearpar{e} \citeauthor*{f} \citetitle{g}", "abcdefg"),
        (r"\citep[see][p.~3]{a,b, c} \citep[see][]{d} \citep [see] {e}", "abcde"),
        (r"\textcite[3]{a} \Autocite{b} \footcite{c} \footfullcite{d} \supercite{e} \smartcite{f}", "abcdef"),
        (r"\parencites[see][3]{a}[7]{b} \cites(pre)(post)[x][y]{c}[z]{d} \Textcites{e}{f}", "abcdef"),
        (r"\cite<see>[p. 3]{a} \shortcite<e.g.,>{b} \citeA{c} \citeNP{d}", "abcd"),
        (r"\volcite{2}[12]{a} \pvolcite[see]{1}{b}", "ab"),
        (r"\citep[see \citealp{b}][p. 3]{a} \citep[{[p.~3]}]{c}", "bac"),
        (r"\textcquote[12]{a}{Quoted \cite{b}} \bibentry{c} \citefield{d}{title} \newcite{e}", "abcde"),
        ("\\citep{a,% why\n  b,\n c}\n\\cites{a}\n  {b}", "abcab"),
        (r"\nocite{a} \nocite{*} \cite{*} \bibcite{a}{1} \defcitealias{a}{Alder} \citetalias{b}", "b"),
        (
            r"\setcitestyle{numbers} \citestyle{nature} \AtEveryCitekey{\x{y}} \DeclareCiteCommand{\cite}{a}{b}{c}{d}",
            "",
        ),
        ("50\\% \\cite{a} % \\cite{b}\n\\\\% \\cite{c}\n\\cite{d}", "ad"),
        (r"\verb|\cite{a}| \verb*+\cite{b}+ \lstinline[x=y]|\cite{a}| \mintinline{tex}{\cite{a}} \cite{c}", "c"),
        (r"\iffalse \cite{a} \ifx\x\y \cite{b} \fi \else \cite{c}\fi \if0 \cite{d}\fi \cite{e}", "ce"),
        (r"in [0, 1], $x_{[3]}$ and [3] (Smith, 2019) \cite{a}", "a"),
        (r"\url{http://x.org/%20a} \cite{a} \href{http://x/%20}{\cite{b}}", "ab"),
        (r"\section{On \citet{a}} \caption[short]{see \citep{b}} \footnote{\cite{c}}", "abc"),
        (r"\begin{tabular}{l|l} x & \cite{a} \\[2pt] \multicolumn{2}{c}{\cite{b}} \end{tabular}", "ab"),
        (r"\begin{thebibliography}{9}\bibitem{a} A \cite{b}\end{thebibliography} \cite{c}", "c"),
        (r"\cite{a}'s \citeauthor{b}~\citeyear{b}", "abb"),
        ("\\cite{a,% not, these {keys}\n  b,\n% nor, this\n c} \\parencite{%\n d}", "abcd"),
        (
            r"\notecite{a} \pnotecite{b} \citename{c}{author} \newcites{own}{Own papers} \citeown{d} \nociteown{e}",
            "abcd",
        ),
        (r"\begin{theorem}[{\cite[Th. 3]{a}}] T \end{theorem} \begin{proof}[Proof of \citet{b}] P \end{proof}", "ab"),
        (r"\item[\cite{a}] x \blockquote[\cite{b}]{T} \foreigntextcquote{german}[3]{c}{T}", "abc"),
        (r"\begin{displaycquote}[see][3]{a} T \cite{b} \end{displaycquote}", "ab"),
        (r"\cite[$[0, 1)$]{a} \citep[in $(0,[1)$][3]{b}", "ab"),
        (r"\Verb|\cite{a}| \lstinline[x=y]{\cite{b}%} \mintinline{tex}{\cite%{c}} \cite{d}", "d"),
        (r"\newrobustcmd{\x}[1]{\cite{#1}} \x{a} \newcommandx{\y}[2][1=p]{\cite[#1]{#2}} \y[3]{b}", "ab"),
        ("% \\cite{a}\r\\cite{b} % x\r\\cite{c}", "bc"),
        (r"\mint{tex}|\cite{a}| \nolinkurl{http://x/%20} \cite{b} \shortcites{a,b}", "b"),
    ],
)
def test_commands(text: str, keys: str) -> None:
    assert "".join(targets(text)) == keys
    assert "".join(citation["target"] for citation in find_citations(text) if citation["target"]) == keys


@pytest.mark.parametrize(
    "name", ["verbatim", "verbatim*", "Verbatim", "lstlisting", "minted", "comment", "filecontents", "spverbatim"]
)
def test_environments_that_are_no_text(name: str) -> None:
    assert targets(f"\\begin{{{name}}}[x]{{y}}\n\\cite{{a}}\n\\end{{{name}}} \\cite{{b}}") == ["b"]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (r"\newcommand{\see}[2][x]{\citep[#1]{#2}} \see{a} \see[q]{b}", "ab"),
        (r"\newcommand*\mycite[1]{\citep{#1}} \mycite{a}", "a"),
        (r"\newcommand{\mycite}[2]{\citep[#1]{#2}} \mycite{see}{a}", "a"),
        (r"\renewcommand{\textcite}[1]{\citeauthor{#1} (\citeyear{#1})} \textcite{a}", "a"),
        (r"\def\cc#1{\citep{#1}} \cc{a}, \cc{b}", "ab"),
        (r"\let\oldc\citep \oldc{a} \newcommand\shortc{\citet} \shortc[2]{b}", "ab"),
        (r"\NewDocumentCommand{\cc}{o m}{\citep[#1]{#2}} \cc[3]{a} \cc{b}", "ab"),
        (r"\newcommand{\both}{\citep{a,b}} As \both{} show.", "ab"),
        (r"\newcommand{\x}{\x\x}\x \cite{a}", "a"),
        (r"\DeclareRobustCommand{\one}{\cite{a}} \providecommand{\two}[1]{[\one, \cite{#1}]} \two{b}", "ab"),
    ],
)
def test_commands_of_the_user(text: str, keys: str) -> None:
    assert "".join(targets(text)) == keys


def test_the_preamble_and_what_follows_the_document_are_no_text() -> None:
    preamble = "\\documentclass{article}\\title{On \\cite{a}}\n\\usepackage[x]{y}\n\\newcommand{\\e}[1]{\\cite{#1}}\n"
    assert targets(preamble + "\\begin{document}\\e{b} \\cite{c}\\end{document} \\cite{d}") == ["b", "c"]
    assert targets(preamble + "\\cite{b}")[-1] == "b"  # a document environment is missing


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (r"{\bf x \emph{ \cite{a} \begin{itemize} \footnote{ \cite{b}", "ab"),
        (r"\cite{a \cite{b} \citep[x {c} \cite{c}", "bc"),
        (r"\newcommand{\foo}{ \cite{a}  \cite{b}", "ab"),
        (r"\begin{verbatim} \cite{a} no end", "a"),
        (r"\iffalse \cite{a}", "a"),
        (r"}}} \end{x} \cite{a} \verb| \cite{b}", "ab"),
        ("\\cite{a\n\n} \\cite{b}", "b"),
        ("\\cite{a}\\", "a"),
    ],
)
def test_broken_sources_lose_nothing_but_what_is_broken(text: str, keys: str) -> None:
    assert "".join(targets("\\documentclass{x}\\begin{document}" + text)) == keys


def test_deep_nesting_and_bombs() -> None:
    for piece in ("{", "\\emph{", "\\begin{x}", "\\cite[", "\\cites", "\\newcommand{\\x}{", "\\iffalse ", "$", '\\"'):
        assert targets("\\documentclass{x}\\begin{document}\\cite{a} " + piece * 5_000)[0] == "a"
    names = [f"\\x{letter}" for letter in "abcdefghij"]
    doubled = (f"\\def{new}{{{old * 30}}}" for old, new in itertools.pairwise(names))
    bomb = "\\def\\xa{xxxxxxxxxx}" + "".join(doubled)
    document = parse_document("\\documentclass{x}\\begin{document}" + bomb + "\\xj \\cite{a}", "d.tex", ENTRIES)
    assert len(document["text"]) < 1_000_000 and len(document["citations"]) == 1


def test_the_text_is_without_markup() -> None:
    text = r"""\documentclass{article}\newcommand{\sys}{Parsey}
\begin{document}
\section{Intro}\label{x}
We use \sys{} and \emph{much} of na\"ive \"{U}ber \ss{} % comment
with \textbf{bold} 50\% in Figure~\ref{f}.

Next --- ``quoted''.
\end{document}"""
    paragraphs = [" ".join(part.split()) for part in parse_document(text, "d.tex", [])["text"].split("\n\n")]
    assert [part for part in paragraphs if part] == [
        "Intro",
        "We use Parsey and much of naïve Über ß with bold 50% in Figure .",
        "Next — “quoted”.",
    ]


def write(folder: Path, **files: str) -> None:
    """Write files; the names have _ for a full stop."""
    for name, content in files.items():
        file = folder / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(content, encoding="utf-8")


BIB = "@book{a, title = {On A}}\n@book{b, title = {On B}}\n@book{c, title = {On C}}"


def read(folder: Path, content: str) -> dict[str, Any]:
    """Parse a main file with the files of its folder."""
    return parse_document(content, str(folder / "main.tex"), None, folder)


def test_files_are_included_from_the_folder_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "paper"
    write(tmp_path, secret_tex="\\cite{a}")
    write(
        folder, one_tex="One \\cite{a}.\n\\input{sub/two}", sub__two_tex="x\nTwo \\cite{b} \\input{one}", refs_bib=BIB
    )
    write(folder, part_tex="\\documentclass[main]{subfiles}\\begin{document}\\cite{c}\\end{document} \\cite{a}")
    (folder / "link.tex").symlink_to(tmp_path / "secret.tex")
    content = (
        "\\documentclass{x}\\begin{document}\\input one \\include{nowhere}\n\\input{../secret} \\input{link}"
        "\\subfile{part}\\input{/etc/passwd}\\import{sub/}{two}\\bibliography{refs}\\end{document}"
    )
    document = read(folder, content)
    found = [(citation["target"], citation["file"], citation["line"]) for citation in document["citations"]]
    assert found == [
        ("a", "one.tex", 1),
        ("b", "sub/two.tex", 2),
        ("c", "part.tex", 1),
        ("b", "sub/two.tex", 2),
        ("a", "one.tex", 1),
    ]
    messages = "\n".join(record.getMessage() for record in caplog.records)
    for expected in (
        "one.tex is not read again, because it includes itself",
        "nowhere is not read, because there is no such file",
        "../secret is not read, because it is outside the document's folder",
        "link is not read, because it is outside the document's folder",
        "/etc/passwd is not read, because it is outside the document's folder",
    ):
        assert expected in messages


def test_files_with_quotes_in_their_names_and_decomposed_letters(tmp_path: Path) -> None:
    write(tmp_path, one_tex="Cafe\u0301 \\cite{mu\u0308}", refs_bib="@book{m\u00fc, title = {On M}}")
    document = read(tmp_path, '\\input{}\\input{"one"}\\bibliography{refs}')
    assert document["text"] == "Café \\cite{mü}" and document["citations"][0]["target"] == "mü"


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("\\bibliography{refs,more}", {"refs_bib": BIB}),
        ("\\bibliography{% ours, not theirs\n refs.bib,\n}", {"refs_bib": BIB}),
        ("\\addbibresource[x=y]{refs.bib}", {"refs_bib": BIB}),
        ("", {"main_bbl": "\\begin{thebibliography}{1}\\bibitem{a} A.\n\\newblock On A.\n\\end{thebibliography}"}),
        ("\\begin{thebibliography}{1}\\bibitem{a} A.\n\\newblock On A.\n\\end{thebibliography}", {}),
        ("\\begin{filecontents}{refs.bib}\n" + BIB + "\n\\end{filecontents}\\bibliography{refs}", {}),
    ],
)
def test_bibliographies_that_the_document_names(tmp_path: Path, command: str, files: dict[str, str]) -> None:
    write(tmp_path, **files)
    document = read(tmp_path, f"\\documentclass{{x}}\\begin{{document}}\\cite{{a}}{command}\\end{{document}}")
    assert document["bibliography"][0]["title"] == "On A" and len(document["citations"]) == 1


def test_a_document_without_a_bibliography_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"main\.tex: a plain text needs a bibliography"):
        read(tmp_path, "\\cite{a} \\bibliography{nowhere}")


def test_keys_that_the_bibliography_lacks_are_named(caplog: pytest.LogCaptureFixture) -> None:
    assert targets(r"\cite{a, zeta} \citet{eta}") == ["a", "zeta", "eta"]
    assert [record.getMessage() for record in caplog.records] == [
        "d.tex: 2 cited keys are not in the bibliography: zeta, eta"
    ]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("see [@a; @b, p. 3] and @c [p. 3] or [-@d] in [0, 1]. me@x.org `[@e]` [@fig:one] @fig:two", "abcd"),
        ("[see @{a}, chap. 3, and *also* @b; also @c]", "abc"),
        ("as @a says, @someone too", "a"),
        ("```\n[@a]\n```\n<!-- [@b] -->\n[@c]", "c"),
    ],
)
def test_keys_in_markdown(text: str, keys: str) -> None:
    assert "".join(targets(text, "d.md")) == keys


@pytest.mark.parametrize(
    ("case", "keys"),
    [
        ("c01", "alder2020 birch2011 cedar2012 alder2020 birch2011 alder2020 cedar2012 birch2011 cedar2012 alder2020"),
        ("c02", "alder2020 cedar2012"),
        ("c03", "alder2020"),
    ],
)
def test_cases_from_the_field(repo: Path, case: str, keys: str) -> None:
    file = repo / f"../shared/data/field/{case}/draft.tex"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    document = parse_document(file.read_text(encoding="utf-8"), str(file), ENTRIES)
    assert [citation["target"] for citation in document["citations"]] == keys.split()
