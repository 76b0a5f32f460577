r"""Compiled bibliographies: `.bbl` files of BibTeX styles and of biblatex, and thebibliography environments."""

import re
from typing import Any

from papertrail.data.formats.latex_syntax import Syntax
from papertrail.data.formats.latex_text import decode_latex
from papertrail.data.text import find_year

IS_BBL = re.compile(r"^[ \t]*\\(?:begin\{thebibliography\}|bibitem\b|entry\{)", re.MULTILINE)
COMMENT = re.compile(r"(?<!\\)%[^\n]*\n?")
ITEM = re.compile(r"\\bibitem(?![a-zA-Z])")
ENTRY = re.compile(r"\\entry\{([^{}]*)\}")
FIELD = re.compile(r"\\field\{(title|subtitle|abstract|year)\}")
TITLE = re.compile(r"\\(?:bibinfo\s*\{title\}|showarticletitle|enquote|bibfield\s*\{title\})\s*(?=\{)")
YEAR = re.compile(r"\\bibinfo\s*\{(?:year|date)\}\s*\{([^{}]*)\}")
SKIP = re.compile(r"\\[hv]skip[^\\{}]*+(?:\\relax)?")
LINK = re.compile(r"(?:doi|https?|url|arxiv)\b", re.IGNORECASE)  # a second block that is no title
BLOCK = re.compile(r"\\newblock(?![a-zA-Z])")


def read_bbl(content: str, place: str, problems: list[str]) -> list[dict[str, Any]]:
    """Return {"id", "title", "abstract", "year"} of each entry.

    Styles of BibTeX mark no title. It is what a style marks or quotes, else the second block, else the whole reference.

    Args:
        content: Content of a `.bbl` file or of a thebibliography environment.
        place: Name of the file, for messages.
        problems: Receives a line for each entry without a key.
    """
    content = SKIP.sub(" ", COMMENT.sub("", content))
    starts = list(ENTRY.finditer(content))
    if starts:
        ends = [*(found.start() for found in starts[1:]), len(content)]
        return [_read_entry(start[1], content[start.end() : end]) for start, end in zip(starts, ends, strict=True)]
    items = list(ITEM.finditer(content))
    if not items:
        return []
    ends = [*(found.start() for found in items[1:]), len(content)]
    entries = []
    for number, (start, end) in enumerate(zip(items, ends, strict=True), start=1):
        body = content[start.end() : end].partition("\\end{thebibliography}")[0]
        syntax = Syntax(body)
        after = syntax.skip_options(0)
        group = syntax.group(after)
        if group is None:
            problems.append(f"{place}: \\bibitem {number} has no key; left out")
        else:
            entries.append(_read_item(group[0].strip(), body[:after], body[group[1] :]))
    return entries


def _read_entry(key: str, body: str) -> dict[str, Any]:
    """Read an entry of biblatex."""
    syntax = Syntax(body)
    fields: dict[str, str] = {}
    for found in FIELD.finditer(body):
        group = syntax.group(found.end())
        if group is not None:
            fields.setdefault(found[1], " ".join(decode_latex(group[0]).split()))
    title = ": ".join(fields[name] for name in ("title", "subtitle") if fields.get(name))
    return {"id": key, "title": title, "abstract": fields.get("abstract", ""), "year": find_year(fields.get("year"))}


def _read_item(key: str, label: str, body: str) -> dict[str, Any]:
    """Read a \\bibitem."""
    syntax, title = Syntax(body), ""
    marked = TITLE.search(body)
    quoted, closing, _ = body.partition("``")[2].partition("''")
    if marked and (group := syntax.group(marked.end())):
        title = group[0]
    elif quoted and closing:
        title = quoted
    else:
        blocks = [block for block in BLOCK.split(body) if block.strip()]
        title = blocks[1] if len(blocks) > 1 and not LINK.match(decode_latex(blocks[1]).strip()) else body
    rest = body.replace(title, " ", 1) if title.strip() != body.strip() else body
    years = [find_year(part) for part in re.findall(r"\b(?:1[5-9]|20)\d\d[a-z]?\b", decode_latex(rest))]
    year = find_year(label) or (find_year(found[1]) if (found := YEAR.search(body)) else None)
    plain = " ".join(decode_latex(title).split()).rstrip(" .,")
    return {"id": key, "title": plain, "abstract": "", "year": year or (years[-1] if years else None)}
