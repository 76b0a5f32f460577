"""Extractors: the choice of sentences by hand and by property, and saving."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertrail.core.errors import DataError
from papertrail.models.extractor import (
    ENCODER,
    SETTINGS,
    WEIGHTS,
    Ridge,
    Selection,
    SentenceExtractor,
    load_extractor,
    select,
)
from papertrail.models.sentence_encoder import load_encoder
from papertrail.models.sentence_features import FEATURES
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_generators import make_papers

SCORES = np.array([0.2, 1.0, 0.9, 0.0])
COSINES = np.array([[0, 0.1, 0, 0], [0.1, 0, 1.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 0]])


def make_selection(words: int, trade_off: float = 1.0, min_words: int = 1) -> Selection:
    return Selection(method="ridge", words=words, min_words=min_words, trade_off=trade_off)


class TestSelect:
    @pytest.mark.parametrize(
        ("words", "trade_off", "expected"),
        [
            (10, 1.0, [1, 2]),
            (9, 1.0, [0, 1]),  # the second best does not fit, the third does
            (1, 1.0, [1]),  # one sentence is always chosen
            (10, 0.5, [0, 1]),  # the second best repeats the best
            (100, 0.5, [0, 1, 2, 3]),
        ],
    )
    def test_by_hand(self, words: int, trade_off: float, expected: list[int]) -> None:
        assert select(SCORES, COSINES, [4, 5, 5, 9], make_selection(words, trade_off)) == expected

    def test_short_sentences_are_not_chosen_unless_all_are_short(self) -> None:
        assert select(SCORES, COSINES, [4, 2, 5, 9], make_selection(99, min_words=4)) == [0, 2, 3]
        assert select(SCORES, COSINES, [4, 2, 5, 9], make_selection(7, min_words=10)) == [1, 2]

    def test_the_first_of_equals(self) -> None:
        assert select(np.zeros(3), np.zeros((3, 3)), [1, 1, 1], make_selection(2)) == [0, 1]

    @given(st.lists(st.tuples(st.floats(-5, 5), st.integers(1, 9)), min_size=1, max_size=8), st.integers(1, 20))
    def test_positions_are_sorted_and_fit(self, sentences: list[tuple[float, int]], words: int) -> None:
        scores, lengths = zip(*sentences, strict=True)
        found = select(np.array(scores), np.eye(len(scores)) * 0, lengths, make_selection(words, 0.8))
        assert found == sorted(set(found)) and found
        assert len(found) == 1 or sum(lengths[i] for i in found) <= words


@pytest.fixture(scope="module")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> SentenceExtractor:
    """An extractor with random weights."""
    encoder = load_encoder(write_tiny_bert(tmp_path_factory.mktemp("base")), 32, "cpu").eval()
    rng = np.random.default_rng(0)
    numbers = {name: rng.uniform(0.5, 1, len(FEATURES)) for name in ("means", "scales", "weights")}
    return SentenceExtractor(encoder, Ridge(**numbers), make_selection(12, 0.7), 32)


def test_a_saved_extractor_chooses_the_same(extractor: SentenceExtractor, tmp_path: Path) -> None:
    extractor.save(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {WEIGHTS, SETTINGS, ENCODER}
    papers = make_papers(6)
    loaded = load_extractor(tmp_path, "cpu").eval()
    assert loaded.extract(papers, 4) == extractor.extract(papers, 4)
    assert loaded.selection == extractor.selection
    assert np.array_equal(loaded.ridge.weights, extractor.ridge.weights)


def test_a_title_is_optional(extractor: SentenceExtractor) -> None:
    found = extractor.extract([{**paper, "title": ""} for paper in make_papers(3)], 4)
    assert all(found)


def test_papers_do_not_depend_on_each_other(extractor: SentenceExtractor) -> None:
    papers = make_papers(5)
    assert extractor.extract(papers, 4) == [extractor.extract([paper], 4)[0] for paper in papers]


def test_other_features_are_an_error(extractor: SentenceExtractor, tmp_path: Path) -> None:
    extractor.save(str(tmp_path))
    settings = json.loads((tmp_path / SETTINGS).read_text(encoding="utf-8"))
    settings["features"] = settings["features"][1:]
    (tmp_path / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(DataError, match=r"extractor\.json: other features"):
        load_extractor(tmp_path, "cpu")
