"""Near-duplicates between splits, as they occur in the ACL Anthology, in arXiv and by errors of parsers."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from datasets import Features, List, Value

from papertrail.core.errors import DataError
from papertrail.core.params import Leakage, load_params, validate
from papertrail.core.parquet import write_rows
from papertrail.core.records import Counts, Row
from papertrail.data.leakage import Shingles, find_near_duplicates, overlaps, similar_pairs
from tests.fixtures.commands import ROOT, read_params

SETTINGS = replace(validate(Leakage, read_params()["leakage"], "leakage"), shingle_letters=8)
ABSTRACT = (
    "Round pebbles are hard to tell apart when they are wet. We train a sieve that looks at the edges of each pebble "
    "and show that it finds nine of ten round ones in two valleys, at half the cost of a keeper."
)
REVISED = ABSTRACT.replace("nine of ten", "more than nine of ten").replace("Round pebbles", "Wet, round pebbles")
OTHER = "Sentences of legal texts are long. We cut them at their connectives and measure how much faster people read."
SAME = {  # how two copies of a text differ
    "case": ("Sorting Wet Pebbles by Their Edges", "Sorting wet pebbles by their edges"),
    "punctuation": ("Pebbles: sorting them, by edges!", "Pebbles - Sorting them by edges"),
    "accents": ("Éléments de géologie à Zürich", "Elements de geologie a Zurich"),
    "a missing hyphen": ("Semi-supervised pebble sorting", "Semisupervised pebble sorting"),
    "a missing space": ("Verb ocean: mining the web for verbs", "VerbOcean: Mining the web for verbs"),
    "a misprint in a long title": (
        "The back-translation score for pebbles at the sentence level without references",
        "The back-translation score for pebbles at the sentences level without references",
    ),
    "the second version on arXiv": (ABSTRACT, REVISED),
}
DIFFERENT = {
    "other work on the topic": ("Sorting pebbles by their edges", "Sorting pebbles by their weight and colour"),
    "a longer title": ("Neural pebble sorting", "Unsupervised and multilingual neural pebble sorting"),
    "nothing in common": (ABSTRACT, OTHER),
    "no letters": ("...", "!"),
    "fewer letters than a shingle": ("Wet", "Wet"),
}


def pairs(left: list[str], right: list[str]) -> list[tuple[int, int]]:
    return similar_pairs(left, Shingles(right, SETTINGS.shingle_letters), SETTINGS.similarity)


def rows(*texts: str, split: str) -> list[Row]:
    return [{"id": f"{split}/{number}", "text": text} for number, text in enumerate(texts)]


def test_params_have_the_tested_shingle_size() -> None:
    assert load_params(ROOT / "params.yaml").leakage.shingle_letters == SETTINGS.shingle_letters


@pytest.mark.parametrize("case", SAME)
def test_copies_are_found(case: str) -> None:
    one, two = SAME[case]
    assert pairs([OTHER, one], [two]) == [(1, 0)]


@pytest.mark.parametrize("case", DIFFERENT)
def test_different_texts_are_not_found(case: str) -> None:
    one, two = DIFFERENT[case]
    assert pairs([one], [two]) == []


def test_nothing_to_compare() -> None:
    assert pairs([], ["Sorting wet pebbles"]) == pairs(["Sorting wet pebbles"], []) == pairs([], []) == []


def test_similarity_and_overlap_equal_those_of_sets() -> None:
    generator = np.random.default_rng(5)
    texts = ["".join(generator.choice(list("abc"), size)) for size in generator.integers(0, 40, 60)]
    sets = [{text[at : at + 4] for at in range(len(text) - 3)} for text in texts]
    left, right = sets[:30], sets[30:]

    def jaccard(one: set[str], two: set[str]) -> float:
        return len(one & two) / max(len(one | two), 1)

    for limit in (0.1, 0.2, 0.5):
        expected = [(i, j) for i, j in product(range(30), range(30)) if jaccard(left[i], right[j]) >= limit]
        assert similar_pairs(texts[:30], Shingles(texts[30:], 4), limit) == expected != []
    found = list(overlaps(texts[:30], texts[30:], 4))
    for shingles, (share, best) in zip(left, found, strict=True):
        assert share == max(len(shingles & others) for others in right) / max(len(shingles), 1)
        assert share == len(shingles & right[best]) / max(len(shingles), 1)


def test_overlaps_do_not_depend_on_the_shard_size(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(6)
    texts = ["".join(generator.choice(list("ab"), size)) for size in generator.integers(0, 30, 60)]
    whole = overlaps(texts[:20], texts[20:], 4)
    assert len({position for _, position in whole}) > 5
    for size in (1, 7, 40):
        monkeypatch.setattr("papertrail.data.leakage.SHARD", size)
        assert overlaps(texts[:20], iter(texts[20:]), 4) == whole
    assert overlaps([], texts, 4) == []


def find(folder: Path, splits: dict[str, list[Row]], max_dropped: float, counts: Counts) -> dict[str, set[int]]:
    """Write the rows of each split and return the near-duplicates."""
    (column,) = {column for rows in splits.values() for row in rows for column in row if column != "id"}
    value = Value("string") if column == "text" else List(Value("string"))
    files = {split: folder / f"{split}.parquet" for split in splits}
    for split, file in files.items():
        write_rows(splits[split], Features({"id": Value("string"), column: value}), file)
    return find_near_duplicates("x", column, files, replace(SETTINGS, max_dropped=max_dropped), counts)


def test_rows_of_the_earlier_split_are_found_and_counted(tmp_path: Path) -> None:
    splits = {
        "train": rows(*(f"{ABSTRACT} Of {n}" for n in ("a valley far away", "two")), OTHER, split="train"),
        "validation": rows("Baking bread in a stone oven is slow", split="validation"),
        "test": rows(REVISED, "Baking bread in a stone oven is slow!", split="test"),
    }
    counts = Counts()
    assert find(tmp_path, splits, 1.0, counts) == {"train": {0, 1}, "validation": {0}, "test": set()}
    assert counts.dropped == {"train near-duplicates of test rows": 2, "validation near-duplicates of test rows": 1}


def test_all_rows_with_one_text_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {
        "train": rows(OTHER, ABSTRACT, ABSTRACT, OTHER, ABSTRACT, split="train"),
        "validation": rows(OTHER, OTHER, split="validation"),
        "test": rows(ABSTRACT, REVISED, split="test"),
    }
    whole, pieces = Counts(), Counts()
    found = find(tmp_path, splits, 1.0, whole)
    monkeypatch.setattr("papertrail.data.leakage.SHARD", 2)
    assert (
        find(tmp_path, splits, 1.0, pieces) == found == {"train": {0, 1, 2, 3, 4}, "validation": set(), "test": set()}
    )
    assert (
        whole.dropped
        == pieces.dropped
        == {"train near-duplicates of test rows": 3, "train near-duplicates of validation rows": 2}
    )


def test_too_many_near_duplicates_are_an_error(tmp_path: Path) -> None:
    lines = [f"Pebble {number} lies in valley {number * 7}, {number * 31} steps away" for number in range(20)]
    splits = {"train": rows(*lines, ABSTRACT, split="train"), "validation": [], "test": rows(ABSTRACT, split="test")}
    assert find(tmp_path, splits, SETTINGS.max_dropped, Counts())["train"] == {20}  # 1 of 21
    splits["test"] += rows(*lines[:1], split="test more")
    splits["test"] += rows(ABSTRACT, OTHER, split="test again")
    with pytest.raises(
        DataError, match=r"data set x: 2 of 21 rows .* such as 'train/0' of 'test more/0' in test"
    ) as caught:
        find(tmp_path, splits, SETTINGS.max_dropped, Counts())
    assert "rows of later splits with a copy: 3 of test" in str(caught.value)
    assert "set datasets.x.leakage: {max_dropped: 0.096}: the 2 rows are then dropped" in str(caught.value)
    assert find(tmp_path, splits, 0.096, Counts())["train"] == {0, 20}


def test_a_list_of_tokens_is_compared_as_one_text(tmp_path: Path) -> None:
    first, second = (
        [{"id": "a", "tokens": ["Sorting", "wet", "pebbles"]}],
        [{"id": "b", "tokens": ["Sorting", "wet-pebbles"]}],
    )
    splits = {"train": first, "validation": [], "test": second}
    assert find(tmp_path, splits, 1.0, Counts())["train"] == {0}
