"""Baselines of entity recognition. All are deterministic functions of their arguments."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby

from seqeval.scheme import IOB2, Entities
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

from papertrail.core.errors import DataError
from papertrail.metrics.entities import repair_iob2

Mention = tuple[str, ...]


def memorised_mentions(
    train_tokens: list[list[str]], train_tags: list[list[str]], tokens: list[list[str]]
) -> list[list[str]]:
    """Tag token sequences that are mentions in training, the longest first, from left to right.

    A case-sensitive sequence is known if it is a mention in at least half of its training occurrences. Its type is the
    most frequent one; ties go to the first alphabetically.

    Args:
        train_tokens: (m,) sentences.
        train_tags: (m,) lists of IOB2 tags, one per token.
        tokens: (n,) sentences to tag.

    Returns:
        (n,) lists of IOB2 tags, one per token.

    Raises:
        DataError: The number of tags of a training sentence is not its number of tokens.
    """
    types = _known_mentions(train_tokens, train_tags)
    lengths = _lengths_by_first(types)
    tagged = []
    for sentence in tokens:
        tags: list[str] = []
        while len(tags) < len(sentence):
            start = len(tags)
            candidates = (tuple(sentence[start : start + length]) for length in lengths.get(sentence[start], ()))
            mention = next((words for words in candidates if words in types), None)
            if mention is None:
                tags.append("O")
            else:
                tags += [f"B-{types[mention]}"] + [f"I-{types[mention]}"] * (len(mention) - 1)
        tagged.append(tags)
    return tagged


def _known_mentions(train_tokens: list[list[str]], train_tags: list[list[str]]) -> dict[Mention, str]:
    """Return each token sequence that is a mention in at least half of its training occurrences, with its type."""
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
                if start + length <= len(sentence):  # a slice truncated by the end would count a shorter mention twice
                    occurrences[tuple(sentence[start : start + length])] += 1
    return {
        words: min(counts, key=lambda name: (-counts[name], name))
        for words, counts in types.items()
        if 2 * counts.total() >= occurrences[words]
    }


def _lengths_by_first(mentions: Iterable[Mention]) -> dict[str, list[int]]:
    """Return the lengths of the mentions that start with a token, the longest first, by token."""
    lengths: dict[str, set[int]] = defaultdict(set)
    for words in mentions:
        lengths[words[0]].add(len(words))
    return {first: sorted(found, reverse=True) for first, found in lengths.items()}


def window_mentions(
    train_tokens: list[list[str]], train_tags: list[list[str]], tokens: list[list[str]]
) -> list[list[str]]:
    """Tag each token by multinomial logistic regression over the token and its two neighbours on each side.

    Features of each position are the lower-cased word, its first and its last three letters, and its shape: X for a
    capital, x for another letter, d for a digit, other characters unchanged, runs shortened to two; "Figure"
    is Xxx, "(2018)," is (dd),. Positions outside the sentence are marked. The L2 penalty is C = 1.

    Args:
        train_tokens: (m,) sentences.
        train_tags: (m,) lists of IOB2 tags, one per token.
        tokens: (n,) sentences to tag.

    Returns:
        (n,) lists of valid IOB2 tags, one per token, repaired by `repair_iob2`; all O if there is no training token.

    Raises:
        DataError: The number of tags of a training sentence is not its number of tokens.

    Source: the window of Ratinov and Roth 2009, Design Challenges and Misconceptions in Named Entity Recognition,
    without features of previous tags.
    """
    _check_lengths(train_tokens, train_tags)
    labels = [tag for tags in train_tags for tag in tags]
    n = sum(map(len, tokens))
    if len(set(labels)) < 2 or not n:  # LogisticRegression requires two classes, DictVectorizer an example
        predicted = iter((labels or ["O"])[:1] * n)
    else:
        vectorizer = DictVectorizer()  # sparse, features sorted
        model = LogisticRegression(C=1, max_iter=1000)
        model.fit(vectorizer.fit_transform(_windows(train_tokens)), labels)
        predicted = iter(model.predict(vectorizer.transform(_windows(tokens))).tolist())
    return [repair_iob2([next(predicted) for _ in sentence]) for sentence in tokens]


def _windows(sentences: list[list[str]]) -> Iterator[dict[str, str]]:
    """Yield the features of each token, sentence after sentence."""
    for sentence in sentences:
        features = [{"edge": "begin"}] * 2 + [_token_features(token) for token in sentence] + [{"edge": "end"}] * 2
        for start in range(len(sentence)):
            window = enumerate(features[start : start + 5], start=-2)
            yield {f"{offset} {name}": value for offset, found in window for name, value in found.items()}


def _token_features(token: str) -> dict[str, str]:
    classes = ("X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in token)
    shape = "".join("".join(run)[:2] for _, run in groupby(classes))
    word = token.lower()
    return {"word": word, "prefix": word[:3], "suffix": word[-3:], "shape": shape}


def _check_lengths(train_tokens: list[list[str]], train_tags: list[list[str]]) -> None:
    if list(map(len, train_tokens)) != list(map(len, train_tags)):
        raise DataError("training sentences and their tags differ in number or length")
