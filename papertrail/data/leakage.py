"""Near-duplicates: texts that are in two splits, or in a corpus.

Two texts are compared by their shingles, the runs of `shingle_letters` letters and digits, so that case, accents,
punctuation, spaces and hyphenation do not matter. All pairs are compared by a product of sparse matrices. This is exact
and takes seconds for thousands of abstracts; MinHash (Broder, 1997) would only estimate.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.sparse import csr_array

from papertrail.core.errors import DataError
from papertrail.core.params import Leakage
from papertrail.core.parquet import stream_rows
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.text import squash

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # of the hash; odd, with powers that look random
SHARD = 1_000  # rows compared at a time; most texts of one language share a shingle, so a product is hardly sparse


def text_of(row: Row, column: str) -> str:
    """Return the text of a row; lists of tokens or sentences are joined."""
    value = row[column]
    return value if isinstance(value, str) else " ".join(value)


class Shingles:
    """The shingles of texts that other texts are compared with."""

    def __init__(self, texts: Sequence[str], size: int) -> None:
        self.size = size
        joined, self.lengths = _hash_texts(texts, size)
        self.distinct, columns = np.unique(joined, return_inverse=True)
        shape = (len(texts), len(self.distinct))
        self.matrix = csr_array((np.ones(len(columns), np.int64), columns, np.cumsum([0, *self.lengths])), shape=shape)

    def shared_by(self, texts: Sequence[str]) -> tuple[csr_array, NDArray[np.int64]]:
        """Compare other texts with these.

        Returns:
            Number of shared shingles (other texts, these texts); number of shingles of each other text (other texts,).
        """
        joined, lengths = _hash_texts(texts, self.size)
        columns = np.searchsorted(self.distinct, joined)
        known = np.append(self.distinct, np.uint64(0))[columns] == joined
        starts = np.append(0, np.cumsum(known))[np.cumsum([0, *lengths])]
        ones = np.ones(starts[-1], np.int64)
        others = csr_array((ones, columns[known], starts), shape=(len(texts), len(self.distinct)))
        return (others @ self.matrix.T).tocsr(), lengths


def similar_pairs(texts: Sequence[str], shingles: Shingles, similarity: float) -> list[tuple[int, int]]:
    """Return (position in texts, position in shingles) of texts with at least this Jaccard index of their shingles.

    A text shorter than a shingle is similar to no other.
    """
    shared, lengths = shingles.shared_by(texts)
    pairs = shared.tocoo()
    sizes = lengths[pairs.row] + shingles.lengths[pairs.col]
    similar = pairs.data >= similarity * (sizes - pairs.data)
    return sorted(zip(pairs.row[similar].tolist(), pairs.col[similar].tolist(), strict=True))


def overlaps(texts: Sequence[str], corpus: Iterable[str], shingle_letters: int) -> list[tuple[float, int]]:
    """Return for each text the largest share of its shingles in one text of the corpus, and the position of the latter.

    SHARD texts of the corpus are in memory. A text shorter than a shingle has share 0.
    """
    shingles = Shingles(texts, shingle_letters)
    most, where = np.zeros((2, len(texts)), np.int64)
    remaining, first = iter(corpus), 0
    while texts and (shard := list(islice(remaining, SHARD))):
        shared, _ = shingles.shared_by(shard)  # (shard, texts)
        here = shared.max(axis=0).toarray()
        more = np.flatnonzero(here > most)
        where[more] = first + shared[:, more].argmax(axis=0)
        most[more] = here[more]
        first += len(shard)
    return list(zip((most / np.maximum(shingles.lengths, 1)).tolist(), where.tolist(), strict=True))


def find_near_duplicates(
    name: str, column: str, files: Mapping[str, Path], settings: Leakage, counts: Counts
) -> dict[str, set[int]]:
    """Return split -> positions of its rows that are similar to a row of a later split; the test split keeps all rows.

    The distinct texts of the later splits and SHARD rows of the split are in memory.

    Args:
        name: Data set, for messages.
        column: Column that is compared.
        files: Parquet file of each split.
        settings: Thresholds.
        counts: Receives the number of similar rows by split.

    Raises:
        DataError: More than the share `max_dropped` of a split is similar: the split itself is wrong. The message has a
            pair.
    """
    duplicates: dict[str, set[int]] = {}
    for number, split in enumerate(SPLITS):
        later: dict[str, list[tuple[str, str]]] = {}  # text -> split and id of the rows that have it
        for other in SPLITS[number + 1 :]:
            for row in stream_rows(files[other], ["id", column]):
                later.setdefault(text_of(row, column), []).append((other, row["id"]))
        pairs = _find_similar(stream_rows(files[split], [column]), column, list(later), settings)
        originals = list(later.values())
        similar = {position: originals[found[0]][0] for position, found in pairs.items()}
        for other, _ in similar.values():
            counts.dropped[f"{split} near-duplicates of {other} rows"] += 1
        rows = pq.read_metadata(files[split]).num_rows
        if len(similar) > settings.max_dropped * rows:
            id_ = next(islice(stream_rows(files[split], ["id"]), min(similar), None))["id"]
            copied = Counter(other for text in set(chain(*pairs.values())) for other, _ in originals[text])
            first = f"'{id_}' of '{similar[min(similar)][1]}' in {similar[min(similar)][0]}"
            raise DataError(f"data set {name}: {_explain(name, split, (len(similar), rows), first, copied, settings)}")
        duplicates[split] = set(similar)
    return duplicates


def _explain(name: str, split: str, found: tuple[int, int], first: str, copied: Counter[str], settings: Leakage) -> str:
    """Return what is wrong with a split and what to do.

    Args:
        name: Data set.
        split: The split with near-duplicates.
        found: Near-duplicates in it, and all its rows.
        first: The first pair.
        copied: Later split -> rows that have a copy.
        settings: Thresholds.
    """
    similar, rows = found
    copies = ", ".join(f"{copied[place]} of {place}" for place in SPLITS if copied[place])
    limit = -(-1000 * similar // rows) / 1000  # the lowest of three digits that lets them pass
    return (
        f"{similar} of {rows} rows of {split} are near-duplicates of rows of a later split, such as {first}; rows of "
        f"later splits with a copy: {copies}; at most a share of {settings.max_dropped} is allowed "
        f"(leakage.max_dropped); keep copies in one split. For a published split, set datasets.{name}.leakage: "
        f"{{max_dropped: {limit}}}: the {similar} rows are then dropped from {split} and counted, and later splits "
        "keep all their rows"
    )


def _find_similar(rows: Iterator[Row], column: str, later: Sequence[str], settings: Leakage) -> dict[int, list[int]]:
    """Return position of a row -> positions of the later texts that are similar, sorted."""
    shingles = Shingles(later, settings.shingle_letters)
    similar: dict[int, list[int]] = {}
    first = 0
    while shard := list(islice(rows, SHARD)):
        texts = [text_of(row, column) for row in shard]
        distinct = list(dict.fromkeys(texts))  # pairs of one query share its text
        found: dict[str, list[int]] = {}
        for position, original in similar_pairs(distinct, shingles, settings.similarity):
            found.setdefault(distinct[position], []).append(original)
        similar |= {first + position: found[text] for position, text in enumerate(texts) if text in found}
        first += len(shard)
    return similar


def _hash_texts(texts: Sequence[str], size: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the hashes of all texts in one array, and the number of hashes of each text (texts,)."""
    hashes = [_hash_shingles(text, size) for text in texts]
    return np.concatenate([np.empty(0, np.uint64), *hashes]), np.array([len(row) for row in hashes], np.int64)


def _hash_shingles(text: str, size: int) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each distinct shingle; a collision among a million has a probability of 3e-8."""
    letters = np.frombuffer(squash(text).encode("utf-32-le"), np.uint32).astype(np.uint64)
    if len(letters) < size:
        return np.empty(0, np.uint64)
    powers = np.cumprod(np.full(size, MULTIPLIER))  # modulo 2^64
    return np.unique(sliding_window_view(letters, size) @ powers)
