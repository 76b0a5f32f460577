"""Citations in running text: masked contexts, the text of a candidate, and checks that nothing names the cited work."""

import re
from dataclasses import dataclass
from typing import Literal

from papertrail.core.params import Positive
from papertrail.data.formats.s2orc import Entry, Paragraph, Span
from papertrail.data.text import normalise_title


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSettings:
    """How the text around a citation is cut and masked.

    Attributes:
        context_characters: Characters kept on each side of the citation.
        mask: What is replaced: "target", every citation of the cited work; "all", every citation; "none".
        mask_text: Replaces a citation.
    """

    context_characters: Positive
    mask: Literal["target", "all", "none"]
    mask_text: str

    @property
    def prefers_abstracts(self) -> bool:
        """Whether a candidate is described by its abstract, where it has one, instead of its title."""
        return False


def mask_context(paragraph: Paragraph, span: Span, settings: ContextSettings) -> str:
    """Return the text around a citation, masked and cut at words.

    Args:
        paragraph: The paragraph, with all its citations.
        span: The citation; one of them.
        settings: How to mask and cut.
    """
    size = settings.context_characters
    before, after = paragraph.text[: span.start], paragraph.text[span.end :]
    masked = [other for other in paragraph.citations if settings.mask == "all" or other.target == span.target]
    for other in reversed(masked if settings.mask != "none" else []):
        if other.end <= span.start:
            before = before[: other.start] + settings.mask_text + before[other.end :]
        elif other.start >= span.end:
            start, end = other.start - span.end, other.end - span.end
            after = after[:start] + settings.mask_text + after[end:]
    middle = paragraph.text[span.start : span.end] if settings.mask == "none" else settings.mask_text
    left = before if len(before) <= size else before[-size:].partition(" ")[2]
    right = after if len(after) <= size else after[:size].rpartition(" ")[0]
    return " ".join(f"{left} {middle} {right}".split())


def mask_citations(paragraph: Paragraph, start: int, end: int, mask_text: str) -> str:
    """Return the characters [start, end) of a paragraph with every citation replaced."""
    text, position = "", start
    for span in paragraph.citations:
        if start <= span.start < end:
            text += paragraph.text[position : span.start] + mask_text
            position = span.end
    return " ".join((text + paragraph.text[position:end]).split())


def candidate_text(title: str, abstract: str, settings: ContextSettings) -> str:
    """Return the text that describes a bibliography entry to a model; empty if there is none."""
    return (abstract if settings.prefers_abstracts else "") or title


def has_title(text: str, entry: Entry) -> bool:
    """Return whether a text contains the title of an entry, regardless of case and punctuation."""
    title = normalise_title(entry.title)
    return bool(title) and f" {title} " in f" {normalise_title(text)} "


def has_author_and_year(text: str, entry: Entry) -> bool:
    """Return whether a text contains the first author's surname followed by the year, as in "Lee et al., 2019"."""
    if not entry.year or not entry.authors or not entry.authors[0]:
        return False
    coauthors = r"(\s+et\s+al\.?|,?\s+(and|&)\s+\w+)?"
    return re.search(rf"\b{re.escape(entry.authors[0])}{coauthors}[\s,(]*{entry.year}", text) is not None
