"""What a simple method scores: the bar that a trained model has to clear. Pure and repeatable functions."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import bm25s
import numpy as np
from numpy.typing import ArrayLike, NDArray
from seqeval.scheme import IOB2, Entities
from sklearn.feature_extraction import DictVectorizer
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
    _check_lengths(train_tokens, train_tags)
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


def window_mentions(
    train_tokens: list[list[str]], train_tags: list[list[str]], tokens: list[list[str]]
) -> list[list[str]]:
    """Tag each token by multinomial logistic regression over what stands around it.

    Seen are the token and two on either side, each by its place: the word lower-cased, its first and its last three
    letters, and its shape, where X is a capital, x another letter, d a digit, all else itself, and of a run of equals
    two are left: "Figure" is Xxx, "(2018)," is (dd),. Beyond the sentence stands its edge. The L2 penalty is C = 1.

    Tokens are tagged one by one, so an I- may come out that continues no mention of its type: it becomes B-.

    Args:
        train_tokens: (m,) sentences.
        train_tags: (m,) lists of IOB2 tags, one per token.
        tokens: (n,) sentences to tag.

    Returns:
        (n,) lists of well-formed IOB2 tags, one per token; all O where training has no token.

    Raises:
        DataError: a training sentence has not as many tags as tokens.

    Source: the window of Ratinov and Roth 2009, Design Challenges and Misconceptions in Named Entity Recognition,
        without features of the tags before.
    """
    _check_lengths(train_tokens, train_tags)
    learnt = [tag for tags in train_tags for tag in tags]
    n = sum(map(len, tokens))
    if len(set(learnt)) < 2 or not n:  # which LogisticRegression and DictVectorizer refuse
        found = iter((learnt or ["O"])[:1] * n)
    else:
        vectorizer = DictVectorizer()  # sparse, features sorted
        model = LogisticRegression(C=1, max_iter=1000)
        model.fit(vectorizer.fit_transform(_windows(train_tokens)), learnt)
        found = iter(model.predict(vectorizer.transform(_windows(tokens))).tolist())
    return [_well_formed([next(found) for _ in sentence]) for sentence in tokens]


def _windows(sentences: list[list[str]]) -> Iterator[dict[str, str]]:
    """Give for each token, one sentence after the other, what is seen of it and of two tokens on either side."""
    for sentence in sentences:
        seen = [{"edge": "begin"}] * 2 + [_look(token) for token in sentence] + [{"edge": "end"}] * 2
        for start in range(len(sentence)):
            window = enumerate(seen[start : start + 5], start=-2)
            yield {f"{place} {name}": value for place, features in window for name, value in features.items()}


def _look(token: str) -> dict[str, str]:
    kinds = ("X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in token)
    shape = "".join("".join(run)[:2] for _, run in groupby(kinds))
    word = token.lower()
    return {"word": word, "prefix": word[:3], "suffix": word[-3:], "shape": shape}


def _well_formed(tags: list[str]) -> list[str]:
    """Begin a mention where an I- continues none of its type."""
    before = ["O", *tags]
    return [
        f"B-{tag[2:]}" if tag.startswith("I-") and last[2:] != tag[2:] else tag
        for last, tag in zip(before, tags, strict=False)
    ]


def _check_lengths(train_tokens: list[list[str]], train_tags: list[list[str]]) -> None:
    if list(map(len, train_tokens)) != list(map(len, train_tags)):
        raise DataError("training sentences and their tags differ in number or length")


def _class_numbers(labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    numbers = np.asarray(labels)
    if not numbers.size or not np.isin(numbers, np.arange(classes)).all():
        raise DataError(f"training labels must be in 0..{classes - 1}, and one at least; got {np.unique(numbers)}")
    return numbers.astype(np.int64)
