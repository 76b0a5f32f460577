"""What a simple method scores: the bar that a trained model has to clear. Pure and repeatable functions."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import bm25s
import numpy as np
from numpy.typing import ArrayLike, NDArray
from seqeval.scheme import IOB2, Entities
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from scholar.errors import DataError

Floats = NDArray[np.float64]
Mention = tuple[str, ...]

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG, and would speak whatever we ask for


def majority(train_labels: ArrayLike, classes: int, n: int) -> Floats:
    """Give each of n examples the class frequencies of the training labels, so that the top one is the majority.

    Returns:
        (n, classes) probabilities.
    """
    labels = _class_numbers(train_labels, classes)
    return np.tile(np.bincount(labels, minlength=classes) / len(labels), (n, 1))


def tfidf_logistic(
    train_texts: Sequence[str],
    train_labels: ArrayLike,
    texts: Sequence[str],
    classes: int,
    *,
    balanced: bool,
    seed: int,
) -> Floats:
    """Classify by multinomial logistic regression over TF-IDF of words and word pairs.

    Terms weigh (1 + ln tf) * (ln((1 + m) / (1 + df)) + 1), rows have length 1; the L2 penalty is light, C = 10.

    Args:
        train_texts: (m,) texts.
        train_labels: (m,) class numbers.
        texts: (n,) texts to classify.
        classes: how many classes there are.
        balanced: weigh each class by m / (classes present * its count).
        seed: for solvers that draw at random; the present one, L-BFGS, does not.

    Returns:
        (n, classes) probabilities, 0 for a class absent from training.

    Raises:
        DataError: no training example, a label outside the classes, or no word in any training text.
    """
    labels = _class_numbers(train_labels, classes)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    if not any(map(vectorizer.build_analyzer(), train_texts)):
        raise DataError(f"none of {len(train_texts)} training texts holds a word; check the input columns")
    present = np.unique(labels)
    if len(present) == 1:  # which LogisticRegression refuses
        return majority(labels, classes, len(texts))
    model = LogisticRegression(C=10, max_iter=1000, class_weight="balanced" if balanced else None, random_state=seed)
    model.fit(vectorizer.fit_transform(train_texts), labels)
    probabilities = np.zeros((len(texts), classes))
    if len(texts):
        probabilities[:, present] = model.predict_proba(vectorizer.transform(texts))
    return probabilities


def bm25_scores(queries: Sequence[str], candidates: Sequence[str], background: Sequence[str]) -> Floats:
    """Score how well each candidate answers the query beside it by the words that they share.

    A word w that occurs tf times in a candidate of d words, and in df of the N distinct texts of the background, whose
    mean length is D words, adds for each time it is in the query:

        ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + 1.5 * (1 - 0.75 + 0.75 * d / D))

    Words are lower-cased, of two letters or more, not English stop words, not stemmed.

    Args:
        queries: (n,) texts.
        candidates: (n,) texts, each of them in the background.
        background: the texts that word statistics come from; repeated texts count once.

    Returns:
        (n,) scores, 0 where no word is shared.

    Raises:
        DataError: queries and candidates differ in number, a candidate is not in the background, or that has no word.

    Source: Kamphuis et al. 2020, Which BM25 Do You Mean? (Lucene, accurate), computed by bm25s.
    """
    documents = {text: row for row, text in enumerate(dict.fromkeys(background))}
    unknown = sum(text not in documents for text in candidates)
    if unknown or len(queries) != len(candidates):
        raise DataError(f"{len(queries)} queries, {len(candidates)} candidates, {unknown} not in the background")
    index = _bm25_index(list(documents))
    document_of = np.array([documents[text] for text in candidates], dtype=np.int64)  # (n,)
    positions: dict[str, list[int]] = defaultdict(list)
    for position, query in enumerate(queries):
        positions[query].append(position)
    words_of = bm25s.tokenize(list(positions), stopwords="en", return_ids=False, show_progress=False)
    scores = np.zeros(len(queries))
    for where, words in zip(positions.values(), words_of, strict=True):
        if words:  # get_scores fails on an empty query
            scores[where] = index.get_scores(words)[document_of[where]]
    return scores


def _bm25_index(texts: list[str]) -> bm25s.BM25:
    tokenized = bm25s.tokenize(texts, stopwords="en", show_progress=False)
    if not tokenized.vocab:
        raise DataError(f"none of {len(texts)} background texts holds a word that is not a stop word")
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75, dtype="float64")
    index.index(tokenized, show_progress=False)
    return index


def memorised_mentions(
    train_tokens: list[list[str]], train_tags: list[list[str]], tokens: list[list[str]]
) -> list[list[str]]:
    """Tag what was tagged in training: look up token sequences, the longest first, from left to right.

    A sequence, case kept, is known when at least half of its occurrences in training were mentions; its type is its
    most frequent one, the first in the alphabet of equals.

    Returns:
        One list of IOB2 tags per sentence of `tokens`.

    Raises:
        DataError: a training sentence has not as many tags as tokens.
    """
    gazetteer = _gazetteer(train_tokens, train_tags)
    lengths = _lengths_by_first(gazetteer)
    tagged = []
    for sentence in tokens:
        tags: list[str] = []
        while len(tags) < len(sentence):
            start = len(tags)
            known = (tuple(sentence[start : start + length]) for length in lengths.get(sentence[start], ()))
            mention = next((words for words in known if words in gazetteer), None)
            if mention is None:
                tags.append("O")
            else:
                tags += [f"B-{gazetteer[mention]}"] + [f"I-{gazetteer[mention]}"] * (len(mention) - 1)
        tagged.append(tags)
    return tagged


def _gazetteer(train_tokens: list[list[str]], train_tags: list[list[str]]) -> dict[Mention, str]:
    """Map each token sequence that is a mention in at least half of its training occurrences to its type."""
    if list(map(len, train_tokens)) != list(map(len, train_tags)):
        raise DataError("training sentences and their tags differ in number or length")
    types: dict[Mention, Counter[str]] = defaultdict(Counter)
    for sentence, mentions in zip(train_tokens, Entities(train_tags, IOB2).entities, strict=True):
        for mention in mentions:
            types[tuple(sentence[mention.start : mention.end])][mention.tag] += 1
    lengths = _lengths_by_first(types)
    occurrences: Counter[Mention] = Counter()
    for sentence in train_tokens:
        for start, first in enumerate(sentence):
            for length in lengths.get(first, ()):
                if start + length <= len(sentence):  # a slice cut short by the end would count a shorter mention twice
                    occurrences[tuple(sentence[start : start + length])] += 1
    return {
        words: min(counts, key=lambda name: (-counts[name], name))
        for words, counts in types.items()
        if 2 * counts.total() >= occurrences[words]
    }


def _lengths_by_first(mentions: Iterable[Mention]) -> dict[str, list[int]]:
    """List, for each token that starts a mention, the lengths that those mentions have, the longest first."""
    lengths: dict[str, set[int]] = defaultdict(set)
    for words in mentions:
        lengths[words[0]].add(len(words))
    return {first: sorted(found, reverse=True) for first, found in lengths.items()}


def _class_numbers(labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    numbers = np.asarray(labels)
    if not numbers.size or not np.isin(numbers, np.arange(classes)).all():
        raise DataError(f"training labels must be in 0..{classes - 1}, and one at least; got {np.unique(numbers)}")
    return numbers.astype(np.int64)
