"""Texts that stand in two splits, in the ways that the ACL Anthology, arXiv and parsers double them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from scholar.errors import DataError
from scholar.leakage import check_contamination, drop_near_duplicates, overlaps, similar_pairs, squash
from scholar.params import Leakage, validate
from scholar.records import Counts, Row
from tests.fixtures.commands import ROOT, read_params

SETTINGS = replace(validate(Leakage, read_params()["leakage"], "leakage"), shingle_letters=8)
ABSTRACT = (
    "Round pebbles are hard to tell apart when they are wet. We train a sieve that looks at the edges of each pebble "
    "and show that it finds nine of ten round ones in two valleys, at half the cost of a keeper."
)
REVISED = ABSTRACT.replace("nine of ten", "more than nine of ten").replace("Round pebbles", "Wet, round pebbles")
OTHER = "Sentences of legal texts are long. We cut them at their connectives and measure how much faster people read."
SAME = {  # how two copies of one text come to differ
    "case, as in a workshop's volume": ("Sorting Wet Pebbles by Their Edges", "Sorting wet pebbles by their edges"),
    "punctuation": ("Pebbles: sorting them, by edges!", "Pebbles - Sorting them by edges"),
    "accents": ("Éléments de géologie à Zürich", "Elements de geologie a Zurich"),
    "a hyphen lost at a line's end": ("Semi-supervised pebble sorting", "Semisupervised pebble sorting"),
    "a space lost": ("Verb ocean: mining the web for verbs", "VerbOcean: Mining the web for verbs"),
    "a misprint in a long title": (
        "The back-translation score for pebbles at the sentence level without references",
        "The back-translation score for pebbles at the sentences level without references",
    ),
    "the second version on arXiv": (ABSTRACT, REVISED),
}
DIFFERENT = {
    "other work on the topic": ("Sorting pebbles by their edges", "Sorting pebbles by their weight and colour"),
    "a title that goes on": ("Neural pebble sorting", "Unsupervised and multilingual neural pebble sorting"),
    "nothing in common": (ABSTRACT, OTHER),
    "no letters": ("...", "!"),
    "fewer letters than a shingle": ("Wet", "Wet"),
}


def pairs(left: list[str], right: list[str]) -> list[tuple[int, int]]:
    return similar_pairs(left, right, SETTINGS.shingle_letters, SETTINGS.similarity)


def rows(*texts: str, split: str) -> list[Row]:
    return [{"id": f"{split}/{number}", "text": text} for number, text in enumerate(texts)]


def test_the_project_s_own_shingle_is_the_one_tested() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert f"shingle_letters: {SETTINGS.shingle_letters} " in text


@pytest.mark.parametrize("case", SAME)
def test_copies_are_found(case: str) -> None:
    one, two = SAME[case]
    assert pairs([OTHER, one], [two]) == [(1, 0)]


@pytest.mark.parametrize("case", DIFFERENT)
def test_different_texts_are_kept_apart(case: str) -> None:
    one, two = DIFFERENT[case]
    assert pairs([one], [two]) == []


def test_nothing_to_compare() -> None:
    assert pairs([], ["Sorting wet pebbles"]) == pairs(["Sorting wet pebbles"], []) == pairs([], []) == []


def test_similarity_and_overlap_are_those_of_sets() -> None:
    generator = np.random.default_rng(5)
    texts = ["".join(generator.choice(list("abc"), size)) for size in generator.integers(0, 40, 60)]
    sets = [{text[at : at + 4] for at in range(len(text) - 3)} for text in texts]
    left, right = sets[:30], sets[30:]

    def jaccard(one: set[str], two: set[str]) -> float:
        return len(one & two) / max(len(one | two), 1)

    for limit in (0.1, 0.2, 0.5):
        expected = [(i, j) for i, j in product(range(30), range(30)) if jaccard(left[i], right[j]) >= limit]
        assert similar_pairs(texts[:30], texts[30:], 4, limit) == expected != []
    found = list(overlaps(texts[:30], texts[30:], 4))
    for ours, (share, best) in zip(left, found, strict=True):
        assert share == max(len(ours & theirs) for theirs in right) / max(len(ours), 1)
        assert share == len(ours & right[best]) / max(len(ours), 1)


def test_squash_keeps_letters_of_all_scripts() -> None:
    assert squash("Größe-α 2: 词 汇") == "grosseα2词汇"


def test_the_earlier_split_gives_way_and_is_counted() -> None:
    splits = {
        "train": rows(*(f"{ABSTRACT} Of {n}" for n in ("a valley far away", "two")), OTHER, split="train"),
        "validation": rows("Baking bread in a stone oven is slow", split="validation"),
        "test": rows(REVISED, "Baking bread in a stone oven is slow!", split="test"),
    }
    counts = Counts()
    kept = drop_near_duplicates("x", "text", splits, replace(SETTINGS, max_dropped=1.0), counts)
    assert [row["text"] for row in kept["train"]] == [OTHER]
    assert kept["validation"] == []
    assert kept["test"] == splits["test"]
    assert counts.dropped == {"train rows like one of test": 2, "validation rows like one of test": 1}


def test_too_many_copies_are_no_accident() -> None:
    lines = [f"Pebble {number} lies in valley {number * 7}, {number * 31} steps away" for number in range(20)]
    splits = {"train": rows(*lines, ABSTRACT, split="train"), "validation": [], "test": rows(ABSTRACT, split="test")}
    kept = drop_near_duplicates("x", "text", splits, SETTINGS, Counts())  # 1 of 21
    assert len(kept["train"]) == 20
    splits["test"] += rows(*lines[:1], split="test more")
    with pytest.raises(DataError, match=r"data set x: 2 of 21 rows .* such as 'train/0' and 'test more/0' of test"):
        drop_near_duplicates("x", "text", splits, SETTINGS, Counts())


def test_lists_are_compared_as_one_text() -> None:
    tokens = [{"id": "a", "tokens": ["Sorting", "wet", "pebbles"]}], [{"id": "b", "tokens": ["Sorting", "wet-pebbles"]}]
    splits = {"train": tokens[0], "validation": [], "test": tokens[1]}
    kept = drop_near_duplicates("x", "tokens", splits, replace(SETTINGS, max_dropped=1.0), Counts())
    assert kept["train"] == []


def test_test_rows_inside_pretraining_paragraphs() -> None:
    corpus = [("P/0", OTHER), ("P/1", f"{OTHER} {ABSTRACT} {OTHER}")]
    long = [(str(number), f"{'abcdefghij'[number]} valley " * 8) for number in range(10)]
    tests = {"clean": long, "dirty": [*long, ("d", ABSTRACT[57:])], "short": [("s", "legal texts")]}
    loose = replace(SETTINGS, max_contaminated=0.1)
    assert check_contamination(tests, corpus, loose) == {
        "clean": {"rows": 10, "compared": 10, "in_pretraining": 0},
        "dirty": {"rows": 11, "compared": 11, "in_pretraining": 1},
        "short": {"rows": 1, "compared": 0, "in_pretraining": 0},
    }
    with pytest.raises(DataError, match=r"data set dirty: 1 of 11 test rows .* such as 'd' in paragraph 'P/1'"):
        check_contamination(tests, corpus, SETTINGS)
