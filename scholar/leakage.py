"""What must not be known before a test: texts that stand in two splits, and test rows in the text of the pretraining.

Two texts are compared by their shingles, the runs of `shingle_letters` letters and digits, whatever case, accents,
punctuation, spaces and hyphens a parser gave them. All pairs are compared, by a product of sparse matrices: at this
size that is exact and takes seconds, where MinHash (Broder, 1997) would estimate.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.sparse import csr_array

from scholar.errors import DataError
from scholar.params import Leakage
from scholar.records import SPLITS, Counts, Row

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, and its powers look random


def squash(text: str) -> str:
    """Letters and digits alone, without case and accents: what several printings of a text have in common."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text).casefold() if sign.isalnum())


def text_of(row: Row, column: str) -> str:
    """The text of a row; lists of tokens or sentences are joined."""
    value = row[column]
    return value if isinstance(value, str) else " ".join(value)


def similar_pairs(
    left: Sequence[str], right: Sequence[str], shingle_letters: int, similarity: float
) -> list[tuple[int, int]]:
    """(position in left, position in right) of texts whose shingles have at least this Jaccard index.

    A text of fewer letters than a shingle has none and is like no other.
    """
    ours, theirs = _incidence(left, right, shingle_letters)
    shared = (ours @ theirs.T).tocoo()
    sizes = ours.sum(axis=1)[shared.row] + theirs.sum(axis=1)[shared.col]
    alike = shared.data >= similarity * (sizes - shared.data)
    return sorted(zip(shared.row[alike].tolist(), shared.col[alike].tolist(), strict=True))


def overlaps(texts: Sequence[str], corpus: Sequence[str], shingle_letters: int) -> Iterator[tuple[float, int]]:
    """For each text, the largest share of its shingles that one member of the corpus has, and that member's position.

    A text of fewer letters than a shingle overlaps nothing.
    """
    ours, theirs = _incidence(texts, corpus, shingle_letters)
    shared = (ours @ theirs.T).tocsr()
    for number, size in enumerate(ours.sum(axis=1)):
        inside = slice(shared.indptr[number], shared.indptr[number + 1])
        if inside.start == inside.stop:
            yield 0.0, 0
        else:
            best = int(shared.data[inside].argmax())
            yield float(shared.data[inside][best] / size), int(shared.indices[inside][best])


def drop_near_duplicates(
    name: str, column: str, splits: dict[str, list[Row]], settings: Leakage, counts: Counts
) -> dict[str, list[Row]]:
    """The rows without those that are like a row of a later split, so that test stays whole.

    Raises:
        DataError: more than `max_dropped` of a split are, which means that the split itself is wrong; the message
            names a pair.
    """
    kept = dict(splits)
    for number, split in enumerate(SPLITS):
        later = [(other, row) for other in SPLITS[number + 1 :] for row in splits[other]]
        pairs = similar_pairs(
            [text_of(row, column) for row in splits[split]],
            [text_of(row, column) for _, row in later],
            settings.shingle_letters,
            settings.similarity,
        )
        twins = dict(reversed(pairs))  # row -> the first row like it
        for position in twins.values():
            counts.dropped[f"{split} rows like one of {later[position][0]}"] += 1
        if len(twins) > settings.max_dropped * len(splits[split]):
            mine, other = min(twins.items())
            raise DataError(
                f"data set {name}: {len(twins)} of {len(splits[split])} rows of {split} stand in a later split, too, "
                f"such as '{splits[split][mine]['id']}' and '{later[other][1]['id']}' of {later[other][0]}; a share of "
                f"at most {settings.max_dropped} was expected (leakage.max_dropped); keep copies in one split"
            )
        kept[split] = [row for position, row in enumerate(splits[split]) if position not in twins]
    return kept


def check_contamination(
    tests: Mapping[str, Sequence[tuple[str, str]]], corpus: Sequence[tuple[str, str]], settings: Leakage
) -> dict[str, dict[str, int]]:
    """Data set -> how many of its test rows, (id, text) each, stand in one paragraph, (id, text), of the corpus.

    Raises:
        DataError: more than `max_contaminated` of a data set do; the message names a row and a paragraph.
    """
    long = [
        (name, id_, text)
        for name, rows in tests.items()
        for id_, text in rows
        if len(squash(text)) >= settings.min_letters
    ]
    found = overlaps([text for *_, text in long], [text for _, text in corpus], settings.shingle_letters)
    hits: dict[str, list[tuple[str, str]]] = {name: [] for name in tests}
    for (name, id_, _), (share, paragraph) in zip(long, found, strict=True):
        if share >= settings.overlap:
            hits[name].append((id_, corpus[paragraph][0]))
    compared = Counter(name for name, *_ in long)
    for name, pairs in hits.items():
        if len(pairs) > settings.max_contaminated * len(tests[name]):
            raise DataError(
                f"data set {name}: {len(pairs)} of {len(tests[name])} test rows stand in the pretraining text, such as "
                f"'{pairs[0][0]}' in paragraph '{pairs[0][1]}'; a share of at most {settings.max_contaminated} was "
                "expected (leakage.max_contaminated); leave their papers out of the pretraining"
            )
    return {
        name: {"rows": len(rows), "compared": compared[name], "in_pretraining": len(hits[name])}
        for name, rows in tests.items()
    }


def _incidence(left: Sequence[str], right: Sequence[str], size: int) -> tuple[csr_array, csr_array]:
    """Matrices (texts, distinct shingles) of 0 and 1, of left and of right, over the same shingles."""
    hashes = [_hash_shingles(text, size) for text in (*left, *right)]
    distinct, columns = np.unique(np.concatenate([np.empty(0, np.uint64), *hashes]), return_inverse=True)
    starts = np.cumsum([0, *map(len, hashes)])
    matrix = csr_array((np.ones(len(columns), np.int64), columns, starts), shape=(len(hashes), len(distinct)))
    return matrix[: len(left)], matrix[len(left) :]


def _hash_shingles(text: str, size: int) -> NDArray[np.uint64]:
    """A number for each distinct shingle; among a million of them, two share one with a chance of 3 in 100 million."""
    letters = np.frombuffer(squash(text).encode("utf-32-le"), np.uint32).astype(np.uint64)
    if len(letters) < size:
        return np.empty(0, np.uint64)
    powers = np.cumprod(np.full(size, MULTIPLIER))  # modulo 2^64
    return np.unique(sliding_window_view(letters, size) @ powers)
