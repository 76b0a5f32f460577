"""Entity scores against hand-computed values and seqeval; repair of IOB2 tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from papertrail.core.errors import DataError
from papertrail.metrics.entities import entity_scores, repair_iob2

TAGS = ["O", "B-CITATION", "I-CITATION", "B-FIGURE", "I-FIGURE"]


class TestEntityScores:
    def test_by_hand(self):
        references = [["B-CITATION", "I-CITATION", "O", "B-FIGURE"], ["O", "B-CITATION"]]
        predictions = [["B-CITATION", "I-CITATION", "O", "B-CITATION"], ["O", "B-CITATION"]]
        assert entity_scores(references, predictions) == {
            "precision": pytest.approx(2 / 3),
            "recall": pytest.approx(2 / 3),
            "f1": pytest.approx(2 / 3),
            "macro_f1": pytest.approx(0.4),
            "CITATION": {"precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8), "support": 2},
            "FIGURE": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
        }

    def test_a_part_of_a_span_is_wrong(self):
        assert entity_scores([["B-A", "I-A"]], [["B-A", "O"]])["f1"] == 0

    def test_an_inside_tag_without_its_beginning_is_no_mention(self):
        scores = entity_scores([["B-A", "O"]], [["I-A", "O"]])
        assert scores["A"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}

    def test_a_type_only_predicted_counts_as_zero(self):
        scores = entity_scores([["B-A", "O"]], [["B-A", "B-B"]])
        assert scores["B"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
        assert scores["macro_f1"] == 0.5

    def test_no_mention_anywhere(self):
        expected = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_f1": 0.0}
        assert entity_scores([["O", "O"], []], [["O", "I-A"], []]) == expected

    def test_numbers_are_plain(self):
        scores = entity_scores([["B-A"]], [["B-A"]])
        assert type(scores["f1"]) is float
        assert type(scores["A"]["support"]) is int

    @given(
        st.lists(st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), max_size=6), min_size=1), st.data()
    )
    def test_agrees_with_seqeval_in_any_order(self, sentences, data):
        shuffled = data.draw(st.permutations(sentences))
        references, predictions = ([[pair[side] for pair in s] for s in shuffled] for side in (0, 1))
        scores = entity_scores(references, predictions)
        unshuffled = entity_scores([[r for r, _ in s] for s in sentences], [[p for _, p in s] for s in sentences])
        assert scores == unshuffled
        assert 0 <= scores["macro_f1"] <= 1
        expected = seqeval_f1(references, predictions, mode="strict", scheme=IOB2, zero_division=0)
        assert scores["f1"] == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("references", "predictions", "message"),
        [
            ([], [], "0 tagged sentences"),
            ([["O"]], [["O"], ["O"]], "1 tagged sentences but 2 predicted"),
            ([["O"], ["O"]], [["O"], []], "sentence 1: 1 tags but 0 predicted"),
            ([["CITATION"]], [["O"]], "sentence 0: tag 'CITATION' is not IOB2"),
            ([["O"]], [["B"]], "sentence 0: tag 'B' is not IOB2"),
        ],
    )
    def test_invalid_input_is_an_error(self, references, predictions, message):
        with pytest.raises(DataError, match=message):
            entity_scores(references, predictions)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("I-A I-A", "B-A I-A"),
        ("O I-A I-B I-B", "O B-A B-B I-B"),
        ("B-A I-B I-A", "B-A B-B B-A"),
        ("B-A I-A O I-A", "B-A I-A O B-A"),
        ("O B-A B-A", "O B-A B-A"),
        ("", ""),
    ],
)
def test_an_inside_tag_without_its_beginning_becomes_a_beginning(tags, expected):
    assert repair_iob2(tags.split()) == expected.split()


@given(st.lists(st.sampled_from(TAGS), max_size=8))
def test_repaired_tags_are_strict_iob2(tags):
    repaired = repair_iob2(tags)
    assert repair_iob2(repaired) == repaired
    assert [tag[2:] for tag in repaired] == [tag[2:] for tag in tags]
    covered = ["O"] * len(tags)
    for mention in Entities([repaired], IOB2).entities[0]:
        inside = [f"I-{mention.tag}"] * (mention.end - mention.start - 1)
        covered[mention.start : mention.end] = [f"B-{mention.tag}", *inside]
    assert covered == repaired


@given(st.lists(st.sampled_from(TAGS), max_size=8))
def test_repair_keeps_the_mentions_that_conlleval_finds(tags):
    found = get_entities(tags)  # the default mode of seqeval simulates conlleval
    strict = Entities([repair_iob2(tags)], IOB2).entities[0]
    assert [(mention.tag, mention.start, mention.end - 1) for mention in strict] == found
