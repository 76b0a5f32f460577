"""Features of the sentences of a paper, by which an extractor chooses among them.

Each feature is a number per sentence; FEATURES describes them in the order of the columns. They use the sentences,
their vectors and the title. Without a title, its two features are 0 for every sentence: that changes no order.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from papertrail.data.text import count_words
from papertrail.models.extracts import Floats, cosines, lexrank_scores, tfidf

Patterns = dict[str, re.Pattern[str]]
FEATURES = {  # name -> what it is
    "position": "position in the text, 0 for the first sentence and 1 for the last",
    "position_squared": "its square",
    "from_start": "1 / (1 + sentences before it)",
    "from_end": "1 / (1 + sentences after it)",
    "first": "1 for the first sentence",
    "last": "1 for the last sentence",
    "words": "number of words, at most 60, divided by 60",
    "log_words": "logarithm of 1 + number of words",
    "short": "1 for fewer than 8 words, which are often headings",
    "long": "1 for more than 40 words",
    "lexrank": "LexRank centrality times the number of sentences",
    "lexrank_rank": "share of the sentences with a higher LexRank centrality",
    "tfidf_centroid": "cosine of its TF-IDF vector with the mean of all",
    "nearest": "highest cosine of its TF-IDF vector with that of another sentence",
    "embedding_centroid": "cosine of its embedding with the mean of all",
    "embedding_nearest": "highest cosine of its embedding with that of another sentence",
    "first_person": "1 if it has we, our, us or I",
    "this_paper": "1 if it has `in this paper`, `this work` or the like",
    "propose": "1 if it has a verb of contribution: propose, present, introduce, develop ...",
    "results": "1 if it has a word of results: show, outperform, improve, experiments ...",
    "contrast": "1 if it has however, but, although, despite ...",
    "problem": "1 if it has task, problem, challenge, difficult, lack ...",
    "conclusion": "1 if it has conclude, in summary, finally, overall ...",
    "future": "1 if it has future, plan to, leave ... for",
    "outline": "1 if it has words of an outline: section, organized, as follows, remainder",
    "example": "1 if it has for example, for instance, such as, e.g.",
    "refers_back": "1 if it begins with this, these, it, they, such, or a connective",
    "listed": "1 if it begins with a number or an ordinal: first, (2), 3.",
    "numbers": "logarithm of 1 + numbers in it, without years in brackets",
    "percent": "1 if it has a percentage",
    "citations": "logarithm of 1 + citations in it",
    "figure": "1 if it has a figure, table, equation, footnote or web address",
    "title_overlap": "share of the words of the title that it has",
    "title_embedding": "cosine of its embedding with that of the title",
}
SHORT, LONG, MOST_WORDS = 8, 40, 60


def _any(words: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """Return a pattern of whole words, given as an alternation."""
    return re.compile(rf"\b(?:{words})\b", flags)


CUES: Patterns = {  # feature: pattern that a sentence has
    "first_person": re.compile(r"\b(?:[Ww]e|[Oo]ur|[Uu]s|I|[Oo]urs)\b"),
    "this_paper": _any(r"(?:this|the present|our) (?:paper|work|article|study|thesis)"),
    "propose": _any(
        r"(?:propos|present|introduc|develop|describ|investigat|explor|stud(?:y|ie)|address|examin|analy[sz])(?:e[sd]?|"
        r"s|d|ing|ed|es)?"
    ),
    "results": _any(
        r"results?|show(?:s|n|ed|ing)?|demonstrat\w+|outperform\w*|improv\w+|achiev\w+|experiment\w*|evaluat\w+|"
        r"state[- ]of[- ]the[- ]art|significant\w*|effective\w*|find|found|findings?"
    ),
    "contrast": _any(r"however|but|although|though|despite|while|whereas|nevertheless|unlike|instead"),
    "problem": _any(r"tasks?|problems?|challeng\w+|difficult\w*|lacks?|limited|limitations?|expensive|issues?"),
    "conclusion": _any(r"conclud\w+|conclusions?|in summary|to summari[sz]e|finally|overall"),
    "future": _any(r"future|plan to|would like to|we leave"),
    "outline": _any(r"sections?|organi[sz]ed|as follows|following|remainder|rest of (?:the|this) paper"),
    "example": re.compile(r"\b(?:for example|for instance|such as)\b|\be\.g\.", re.IGNORECASE),
    "refers_back": re.compile(
        r"\W*(?:this|these|that|those|it|they|such|he|she|thus|therefore|hence|moreover|furthermore|additionally|also|"
        r"then|for example|in addition|in contrast|similarly|here)\b",
        re.IGNORECASE,
    ),
    "listed": re.compile(r"\W*(?:\d+\b|first(?:ly)?\b|second(?:ly)?\b|third(?:ly)?\b|\(?[ivx]+\))", re.IGNORECASE),
    "percent": re.compile(r"\d\s?(?:%|percent\b|points?\b)", re.IGNORECASE),
    "figure": re.compile(r"\b(?:fig(?:ure)?|table|equation|eq|footnote|appendix)s?\b\.?|https?:|www\.", re.IGNORECASE),
}
AT_START = ("refers_back", "listed")  # cues that count at the beginning of a sentence only
CITATION = re.compile(r"\bet al\b|\(?\b(?:19|20)\d\d[a-z]?\)|\[\d+(?:\s?[,;–-]\s?\d+)*\]|\bBIBREF\d+", re.IGNORECASE)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class Described:
    """The features of the sentences of a paper, (sentences, features), and their cosines by embedding."""

    features: Floats
    cosines: Floats


def describe(source: Sequence[str], title: str, vectors: NDArray[np.float32]) -> Described:
    """Return the features of the sentences of a paper.

    Args:
        source: Its sentences, at least one.
        title: Its title, "" if it is unknown.
        vectors: Embeddings of length 1: of each sentence, then of the title, (sentences + 1, dimension).
    """
    embedded = vectors[:-1].astype(np.float64)
    words = tfidf(source)
    by_words, by_embedding = cosines(words), cosines(embedded)
    columns = {
        **_positions(len(source)),
        **_lengths(source),
        **_centralities(words, by_words, embedded, by_embedding),
        **_cues(source),
        "title_overlap": _overlaps(source, title),
        "title_embedding": embedded @ vectors[-1].astype(np.float64) * bool(title),
    }
    return Described(np.column_stack([columns[name] for name in FEATURES]), by_embedding)


def without_title(described: Described) -> Described:
    """Return the same with the features of a paper whose title is unknown."""
    known = [not name.startswith("title_") for name in FEATURES]
    return Described(described.features * np.array(known, dtype=np.float64), described.cosines)


def _positions(count: int) -> dict[str, Floats]:
    place = np.arange(count, dtype=np.float64)
    position = place / max(count - 1, 1)
    return {
        "position": position,
        "position_squared": position**2,
        "from_start": 1 / (1 + place),
        "from_end": 1 / (count - place),
        "first": (place == 0).astype(np.float64),
        "last": (place == count - 1).astype(np.float64),
    }


def _lengths(source: Sequence[str]) -> dict[str, Floats]:
    words = np.array([count_words(sentence) for sentence in source], dtype=np.float64)
    return {
        "words": np.minimum(words, MOST_WORDS) / MOST_WORDS,
        "log_words": np.log1p(words),
        "short": (words < SHORT).astype(np.float64),
        "long": (words > LONG).astype(np.float64),
    }


def _centralities(words: Floats, by_words: Floats, embedded: Floats, by_embedding: Floats) -> dict[str, Floats]:
    central = lexrank_scores(by_words)
    return {
        "lexrank": central * len(central),
        "lexrank_rank": (central[None, :] > central[:, None]).mean(axis=1),
        "tfidf_centroid": _to_centroid(words),
        "nearest": by_words.max(axis=1),
        "embedding_centroid": _to_centroid(embedded),
        "embedding_nearest": by_embedding.max(axis=1),
    }


def _to_centroid(vectors: Floats) -> Floats:
    """Return the cosine of each vector of length 1 with the mean of all; 0 if the mean is 0."""
    centre = vectors.mean(axis=0)
    length = float(np.sqrt((centre**2).sum()))
    cosine: Floats = vectors @ centre / (length or 1.0)
    return cosine


def _cues(source: Sequence[str]) -> dict[str, Floats]:
    found = {}
    for name, pattern in CUES.items():
        is_cue = pattern.match if name in AT_START else pattern.search
        found[name] = np.array([float(is_cue(text) is not None) for text in source])
    found["citations"] = np.log1p([float(len(CITATION.findall(text))) for text in source])
    found["numbers"] = np.log1p([float(len(NUMBER.findall(CITATION.sub(" ", text)))) for text in source])
    return found


def _overlaps(source: Sequence[str], title: str) -> Floats:
    wanted = set(re.findall(r"\w+", title.casefold()))
    found = [len(wanted & set(re.findall(r"\w+", sentence.casefold()))) for sentence in source]
    return np.array(found, dtype=np.float64) / max(len(wanted), 1)
