r"""Citations in texts of users: LaTeX commands, pandoc's [@key], numbers in brackets, authors and years.

A text has one system of citations. In LaTeX numbers in brackets are intervals or options; where keys are cited as
[@key], numbers and years are no citations either.
"""

import re
from typing import Any

from papertrail.data.formats.latex_syntax import CITATION_START
from papertrail.inference.latex import read_latex
from papertrail.inference.latex_files import Folder

Citation = dict[str, Any]  # start, end, target
CITATION_FORMS = "\\cite{key} and its variants, [@key], [3], (Smith, 2019), Smith (2019)"
LATEX = re.compile(rf"\\document(?:class|style)\b|\\begin\s*\{{document\}}|{CITATION_START.pattern}\s*[\[{{(<]")
LATEX_FILES = (".tex", ".ltx", ".latex")
COMMAND = re.compile(  # in a file of that name
    r"\\(?:begin|part|chapter|(?:sub){0,2}section|paragraph|input|include|subfile|(?:re)?newcommand|def|item|label|ref|emph|"
    r"text(?:bf|it|tt|sc)|footnote|caption|usepackage)(?![a-zA-Z])"
)
PLAIN = re.compile(  # every repetition is bounded, so that the time is linear in the text
    r"""
      \[\d{1,4}(?:\r?\s?[,;–-]\r?\s?\d{1,4}){0,20}\]                      # [3], [3, 5-7]
    | \([^()]{0,200}?[^\W\d_]\.?,?\r?\s(?:19|20)\d\d[a-z]?[^()]{0,200}\)  # (Smith and Lee, 2019; Lee, 2020a)
    | [^\W\d_][\w'-]{0,60}+(?:\ et\ al\.?|\ (?:and|&)\ [^\W\d_][\w'-]{0,60}+)?,?\ \((?:19|20)\d\d[a-z]?\)  # Lee (2019)
    """,
    re.VERBOSE,
)
PANDOC_GROUP = re.compile(r"\[[^\[\]]{0,1000}?@[^\[\]]{0,1000}\]")
PANDOC_KEY = re.compile(r"(?<![\w.@\\/])-?@(?:\{([^{}\s]{1,200})\}|(\w(?:[\w:.#$%&+?<>~/-]{0,200}[\w/])?))")
CROSS_REFERENCE = re.compile(r"(?:fig|tbl|tab|eq|sec|lst|thm|lem|def)[:-]", re.IGNORECASE)
CODE = re.compile(r"^[ \t]*(```|~~~)[^\n]*\n(?:.*\n)*?[ \t]*\1[`~]*[ \t]*$|`[^`\n]+`", re.MULTILINE)


def is_latex(text: str, place: str = "") -> bool:
    """Return whether a text is LaTeX: it has a class or a citation command, or other commands and the name of LaTeX."""
    is_named = place.removesuffix(".gz").lower().endswith(LATEX_FILES)
    return LATEX.search(text) is not None or (is_named and COMMAND.search(text) is not None)


def find_citations(text: str, keys: frozenset[str] = frozenset()) -> list[Citation]:
    r"""Find the citations of a text, in its order.

    Args:
        text: LaTeX, Markdown or plain text.
        keys: Of the bibliography. A bare @key is a citation if it is one of them, or if the text has a [@key].

    Returns:
        {"start", "end", "target"} of each citation; "target" is its key, None if it has none. Several keys in one
        command are several citations, which share the characters of the command between them.
    """
    if is_latex(text):
        return find_latex(text)
    if pandoc := find_pandoc(text, keys):
        return pandoc
    return [{"start": found.start(), "end": found.end(), "target": None} for found in PLAIN.finditer(text)]


def find_latex(text: str) -> list[Citation]:
    """Return the citations of a LaTeX source, with offsets in the source; included files are not read."""
    calls: dict[tuple[int, int], list[str]] = {}
    for citation in read_latex(text, "", Folder(None)).citations:
        calls.setdefault((citation["source_start"], citation["source_end"]), []).append(citation["target"])
    citations = []
    for (start, end), targets in calls.items():  # citations in the expansion of one command share its characters
        targets = targets[: end - start]
        bounds = [start + (end - start) * number // len(targets) for number in range(len(targets) + 1)]
        for target, first, last in zip(targets, bounds, bounds[1:], strict=False):
            citations.append({"start": first, "end": last, "target": target})
    return citations


def find_pandoc(text: str, keys: frozenset[str] = frozenset()) -> list[Citation]:
    """Return the citations [@key], [see @key, p. 3; -@other] and @key of Markdown, outside of code and comments."""
    text = _blank(text)
    groups = [found.span() for found in PANDOC_GROUP.finditer(text) if PANDOC_KEY.search(found[0])]
    keyed = [(found.start(), found.end(), found[1] or found[2]) for found in PANDOC_KEY.finditer(text)]
    keyed = [key for key in keyed if not CROSS_REFERENCE.match(key[2])]
    citations: list[Citation] = []
    number = 0
    for place, (start, end, key) in enumerate(keyed):
        while number < len(groups) and groups[number][1] <= start:
            number += 1
        first, last = groups[number] if number < len(groups) else (len(text), len(text))
        if first <= start:  # inside a group: up to the semicolon or to the next key
            following = keyed[place + 1][0] if place + 1 < len(keyed) else last
            semicolon = text.find(";", end, last) + 1 or last
            start, end = max(first, citations[-1]["end"] if citations else 0), min(semicolon, following, last)
        elif not groups and key not in keys:
            continue
        citations.append({"start": start, "end": end, "target": key})
    return citations


def _blank(text: str) -> str:
    """Return a text of the same length without code and comments of Markdown."""
    text = CODE.sub(lambda found: " " * len(found[0]), text)
    parts, position = [], 0
    while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start)) >= 0:
        parts += [text[position:start], " " * (end + 3 - start)]
        position = end + 3
    return "".join([*parts, text[position:]])
