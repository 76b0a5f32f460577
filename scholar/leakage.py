"""What must not be known before a test: texts that stand in two splits, and test rows in the text of the pretraining.

Two texts are compared by their shingles, the runs of `shingle_letters` letters and digits, whatever case, accents,
punctuation, spaces and hyphens a parser gave them. All pairs are compared, by a product of sparse matrices: for some
thousands of abstracts that is exact and takes seconds, where MinHash (Broder, 1997) would estimate.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.sparse import csr_array

from scholar.errors import DataError
from scholar.params import Leakage
from scholar.records import SPLITS, Counts, Row, stream_rows

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, and its powers look random
COMPARED = 1_000  # rows at a time: two texts of one language share some shingle, so that a product is hardly sparse


def squash(text: str) -> str:
    """Letters and digits alone, without case and accents: what several printings of a text have in common."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text).casefold() if sign.isalnum())


def text_of(row: Row, column: str) -> str:
    """The text of a row; lists of tokens or sentences are joined."""
    value = row[column]
    return value if isinstance(value, str) else " ".join(value)


class Shingles:
    """Texts that others are compared with: which shingles each has."""

    def __init__(self, texts: Sequence[str], size: int) -> None:
        self.size = size
        joined, self.lengths = _hash_texts(texts, size)
        self.distinct, columns = np.unique(joined, return_inverse=True)
        shape = (len(texts), len(self.distinct))
        self.matrix = csr_array((np.ones(len(columns), np.int64), columns, np.cumsum([0, *self.lengths])), shape=shape)

    def shared_by(self, texts: Sequence[str]) -> tuple[csr_array, NDArray[np.int64]]:
        """(texts, these texts) how many shingles two have in common, and (texts,) how many each of the others has."""
        joined, lengths = _hash_texts(texts, self.size)
        columns = np.searchsorted(self.distinct, joined)
        known = np.append(self.distinct, np.uint64(0))[columns] == joined
        starts = np.append(0, np.cumsum(known))[np.cumsum([0, *lengths])]
        ones = np.ones(starts[-1], np.int64)
        others = csr_array((ones, columns[known], starts), shape=(len(texts), len(self.distinct)))
        return (others @ self.matrix.T).tocsr(), lengths


def similar_pairs(texts: Sequence[str], held: Shingles, similarity: float) -> list[tuple[int, int]]:
    """(position in texts, position among those held) of texts whose shingles have at least this Jaccard index.

    A text of fewer letters than a shingle has none and is like no other.
    """
    shared, lengths = held.shared_by(texts)
    pairs = shared.tocoo()
    sizes = lengths[pairs.row] + held.lengths[pairs.col]
    alike = pairs.data >= similarity * (sizes - pairs.data)
    return sorted(zip(pairs.row[alike].tolist(), pairs.col[alike].tolist(), strict=True))


def overlaps(texts: Sequence[str], corpus: Iterable[str], shingle_letters: int) -> list[tuple[float, int]]:
    """For each text, the largest share of its shingles that one member of the corpus has, and that member's position.

    Of the corpus, COMPARED members are held. A text of fewer letters than a shingle overlaps nothing.
    """
    held = Shingles(texts, shingle_letters)
    most, where = np.zeros((2, len(texts)), np.int64)
    members, first = iter(corpus), 0
    while texts and (shard := list(islice(members, COMPARED))):
        shared, _ = held.shared_by(shard)  # (members, texts)
        here = shared.max(axis=0).toarray()
        more = np.flatnonzero(here > most)
        where[more] = first + shared[:, more].argmax(axis=0)
        most[more] = here[more]
        first += len(shard)
    return list(zip((most / np.maximum(held.lengths, 1)).tolist(), where.tolist(), strict=True))


def find_near_duplicates(
    name: str, column: str, files: Mapping[str, Path], settings: Leakage, counts: Counts
) -> dict[str, set[int]]:
    """Split -> positions of its rows that are like a row of a later split; without them, test stays whole.

    Of the splits compared with, each distinct text is held; of the other, COMPARED rows.

    Raises:
        DataError: more than `max_dropped` of a split are, which means that the split itself is wrong; the message
            names a pair.
    """
    found: dict[str, set[int]] = {}
    for number, split in enumerate(SPLITS):
        later: dict[str, tuple[str, str]] = {}  # text -> split and id of the first row that has it
        for other in SPLITS[number + 1 :]:
            for row in stream_rows(files[other], ["id", column]):
                later.setdefault(text_of(row, column), (other, row["id"]))
        twins = _find_twins(stream_rows(files[split], [column]), column, list(later), settings)
        homes = list(later.values())
        for twin in twins.values():
            counts.dropped[f"{split} rows like one of {homes[twin][0]}"] += 1
        rows = pq.read_metadata(files[split]).num_rows
        if len(twins) > settings.max_dropped * rows:
            mine, (place, other_id) = min(twins), homes[twins[min(twins)]]
            id_ = next(islice(stream_rows(files[split], ["id"]), mine, None))["id"]
            raise DataError(
                f"data set {name}: {len(twins)} of {rows} rows of {split} stand in a later split, too, "
                f"such as '{id_}' and '{other_id}' of {place}; a share of "
                f"at most {settings.max_dropped} was expected (leakage.max_dropped); keep copies in one split"
            )
        found[split] = set(twins)
    return found


def _find_twins(rows: Iterator[Row], column: str, later: Sequence[str], settings: Leakage) -> dict[int, int]:
    """Position of a row -> that of the first of the later texts like it."""
    held = Shingles(later, settings.shingle_letters)
    twins: dict[int, int] = {}
    first = 0
    while shard := list(islice(rows, COMPARED)):
        texts = [text_of(row, column) for row in shard]
        distinct = list(dict.fromkeys(texts))  # pairs of one query share its text
        alike = dict(reversed(similar_pairs(distinct, held, settings.similarity)))
        found = {distinct[position]: twin for position, twin in alike.items()}
        twins |= {first + position: found[text] for position, text in enumerate(texts) if text in found}
        first += len(shard)
    return twins


def check_contamination(
    tests: Mapping[str, Sequence[tuple[str, str]]],
    paragraphs: Sequence[str],
    corpus: Iterable[str],
    settings: Leakage,
) -> dict[str, dict[str, int]]:
    """Data set -> how many of its test rows, (id, text) each, stand in one member of the corpus, a paragraph.

    `paragraphs`: the ids of the members, in their order.

    Raises:
        DataError: more than `max_contaminated` of a data set do; the message names a row and a paragraph.
    """
    long = [
        (name, id_, text)
        for name, rows in tests.items()
        for id_, text in rows
        if len(squash(text)) >= settings.min_letters
    ]
    found = overlaps([text for *_, text in long], corpus, settings.shingle_letters)
    hits: dict[str, list[tuple[str, str]]] = {name: [] for name in tests}
    for (name, id_, _), (share, paragraph) in zip(long, found, strict=True):
        if share >= settings.overlap:
            hits[name].append((id_, paragraphs[paragraph]))
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


def _hash_texts(texts: Sequence[str], size: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hashes of all texts one after another, and (texts,) how many each has."""
    hashes = [_hash_shingles(text, size) for text in texts]
    return np.concatenate([np.empty(0, np.uint64), *hashes]), np.array([len(own) for own in hashes], np.int64)


def _hash_shingles(text: str, size: int) -> NDArray[np.uint64]:
    """A number for each distinct shingle; among a million of them, two share one with a chance of 3 in 100 million."""
    letters = np.frombuffer(squash(text).encode("utf-32-le"), np.uint32).astype(np.uint64)
    if len(letters) < size:
        return np.empty(0, np.uint64)
    powers = np.cumprod(np.full(size, MULTIPLIER))  # modulo 2^64
    return np.unique(sliding_window_view(letters, size) @ powers)
