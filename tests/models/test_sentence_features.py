"""Features of sentences: hand-made sentences with and without each cue, and what a missing title changes."""

import numpy as np
import pytest

from papertrail.models.extracts import Floats
from papertrail.models.sentence_features import FEATURES, describe, without_title

SOURCE = [
    "In this paper, we propose a sieve for pebbles.",
    "However, sorting is a difficult task (Smith et al., 2019) [3].",
    "Section 2 is organized as follows.",
    "It improves results by 3.5 % over 12 valleys, see Figure 4.",
    "In conclusion, future keepers may, for example, drink tea.",
]


def describe_source(source: list[str], title: str = "A sieve") -> dict[str, list[float]]:
    """Return feature -> values; the vector of a sentence and of the title is one axis each."""
    vectors = np.eye(len(source) + 1, dtype=np.float32)
    vectors[-1] = vectors[0]  # the title is like the first sentence
    features = describe(source, title, vectors).features
    return {name: features[:, column].tolist() for column, name in enumerate(FEATURES)}


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("position", [0, 0.25, 0.5, 0.75, 1]),
        ("from_end", [1 / 5, 1 / 4, 1 / 3, 1 / 2, 1]),
        ("first", [1, 0, 0, 0, 0]),
        ("last", [0, 0, 0, 0, 1]),
        ("short", [0, 0, 1, 0, 0]),
        ("first_person", [1, 0, 0, 0, 0]),
        ("this_paper", [1, 0, 0, 0, 0]),
        ("propose", [1, 0, 0, 0, 0]),
        ("results", [0, 0, 0, 1, 0]),
        ("contrast", [0, 1, 0, 0, 0]),
        ("problem", [0, 1, 0, 0, 0]),
        ("conclusion", [0, 0, 0, 0, 1]),
        ("future", [0, 0, 0, 0, 1]),
        ("outline", [0, 0, 1, 0, 0]),
        ("example", [0, 0, 0, 0, 1]),
        ("refers_back", [0, 0, 0, 1, 0]),
        ("percent", [0, 0, 0, 1, 0]),
        ("citations", [0, np.log(4), 0, 0, 0]),  # et al, 2019), [3]
        ("numbers", [0, 0, np.log(2), np.log(4), 0]),
        ("figure", [0, 0, 0, 1, 0]),
        ("title_overlap", [1, 1 / 2, 0, 0, 0]),
        ("title_embedding", [1, 0, 0, 0, 0]),
    ],
)
def test_a_feature_by_hand(feature: str, expected: list[float]) -> None:
    assert describe_source(SOURCE)[feature] == pytest.approx(expected)


def test_every_feature_is_a_finite_number() -> None:
    for source in (SOURCE, SOURCE[:1], ["..."], ["same", "same"]):
        found = describe_source(source)
        assert found.keys() == FEATURES.keys()
        assert np.isfinite(np.array(list(found.values()))).all()


def test_without_a_title_its_features_are_zero() -> None:
    vectors = np.eye(len(SOURCE) + 1, dtype=np.float32)
    titled, untitled = (describe(SOURCE, title, vectors) for title in ("A sieve", ""))
    expected: Floats = without_title(titled).features
    assert np.array_equal(untitled.features, expected)
    assert not np.array_equal(untitled.features, titled.features)
