"""Baselines of entity recognition on hand-made sentences, and their properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.scheme import IOB2, Entities

from papertrail.core.errors import DataError
from papertrail.evaluate.entity_baselines import memorised_mentions, window_mentions


class TestMemorisedMentions:
    def test_the_longest_known_sequence_wins(self):
        train = [["Smith", "et", "al.", "agree"], ["Smith", "agrees"]]
        tags = [["B-CITATION", "I-CITATION", "I-CITATION", "O"], ["B-CITATION", "O"]]
        found = memorised_mentions(train, tags, [["see", "Smith", "et", "al."], ["Smith", "et"], ["smith"], []])
        assert found == [["O", "B-CITATION", "I-CITATION", "I-CITATION"], ["B-CITATION", "O"], ["O"], []]

    def test_mentions_in_at_least_half_of_the_occurrences_are_known(self):
        train = [["Table", "Table"], ["Smith", "Smith", "Smith"]]
        tags = [["B-FIGURE", "O"], ["B-CITATION", "O", "O"]]
        assert memorised_mentions(train, tags, [["Table", "Smith"]]) == [["B-FIGURE", "O"]]

    def test_an_occurrence_at_the_end_of_a_sentence_counts_once(self):
        # 'Smith' is a mention in 1 of 2 occurrences and begins a longer mention: 1 of 3 if ends were counted twice
        train = [["Smith"], ["Smith", "et", "al."]]
        tags = [["B-A"], ["B-A", "I-A", "I-A"]]
        assert memorised_mentions(train, tags, [["Smith", "said"]]) == [["B-A", "O"]]

    def test_the_most_frequent_type_wins_and_of_equals_the_first_in_the_alphabet(self):
        train = [["x"], ["x"], ["x"], ["y"], ["y"]]
        tags = [["B-A"], ["B-B"], ["B-B"], ["B-B"], ["B-A"]]
        assert memorised_mentions(train, tags, [["x", "y"]]) == [["B-B", "B-A"]]

    def test_adjacent_mentions_are_separate(self):
        assert memorised_mentions([["x"]], [["B-A"]], [["x", "x"]]) == [["B-A", "B-A"]]

    def test_no_mention_in_training(self):
        assert memorised_mentions([], [], [["x"]]) == [["O"]]
        assert memorised_mentions([["x"]], [["O"]], [["x"]]) == [["O"]]

    @given(st.lists(st.lists(st.sampled_from("xyz"), min_size=1, max_size=5), max_size=5))
    def test_sentences_that_are_one_mention_are_found(self, spans):
        tags = [["B-A"] + ["I-A"] * (len(span) - 1) for span in spans]
        distinct = [["<", *span, ">"] for span in spans]
        marked = [["B-A", *["I-A"] * (len(span) + 1)] for span in spans]
        assert memorised_mentions(distinct, marked, distinct) == marked
        assert [len(s) for s in memorised_mentions(spans, tags, spans)] == [len(s) for s in spans]

    def test_other_lengths_are_an_error(self):
        with pytest.raises(DataError, match="differ in number or length"):
            memorised_mentions([["x", "y"]], [["O"]], [])


TAGS = ["O", "B-A", "I-A", "B-B", "I-B"]
tagged_tokens = st.lists(st.tuples(st.sampled_from(["x", "X1", ".", "yz"]), st.sampled_from(TAGS)), max_size=5)


def tag_figures(numbers: range) -> tuple[list[list[str]], list[list[str]]]:
    """Return sentences that differ in their number, and their tags."""
    tokens = [words for n in numbers for words in (["see", "Figure", str(n), "."], ["in", str(n), "of", "ten", "runs"])]
    return tokens, [["O", "B-FIGURE", "I-FIGURE", "O"], ["O"] * 5] * len(numbers)


class TestWindowMentions:
    def test_shapes_generalise_to_unseen_tokens(self):
        train, tags = tag_figures(range(1, 6))
        unseen, expected = tag_figures(range(7, 10))
        assert window_mentions(train, tags, unseen) == expected
        found = memorised_mentions(train, tags, unseen)
        assert found == [["O"] * len(sentence) for sentence in unseen]

    def test_neighbours_decide_the_type(self):
        train = [["by", "Smith", "x"], ["in", "Smith", "x"]] * 3
        tags = [["O", "B-NAME", "O"], ["O", "B-PLACE", "O"]] * 3
        assert window_mentions(train, tags, [["in", "Jones"], ["by", "Jones"]]) == [["O", "B-PLACE"], ["O", "B-NAME"]]

    def test_sentence_boundaries_are_features(self):
        train, tags = [["x", "x", "x", "x", "x", "x"]] * 3, [["B-FIRST", "O", "O", "O", "O", "B-LAST"]] * 3
        assert window_mentions(train, tags, train) == tags

    @given(st.lists(tagged_tokens, max_size=5), st.lists(st.lists(st.sampled_from(["x", "X1", "q"]), max_size=4)))
    def test_tags_are_strict_iob2(self, train, tokens):
        words, tags = ([[pair[n] for pair in sentence] for sentence in train] for n in range(2))
        found = window_mentions(words, tags, tokens)
        assert [len(sentence) for sentence in found] == [len(sentence) for sentence in tokens]
        for sentence, mentions in zip(found, Entities(found, IOB2).entities, strict=True):
            read = ["O"] * len(sentence)
            for mention in mentions:
                inside = [f"I-{mention.tag}"] * (mention.end - mention.start - 1)
                read[mention.start : mention.end] = [f"B-{mention.tag}", *inside]
            assert read == sentence

    def test_an_inside_tag_without_its_beginning_becomes_a_beginning(self):
        train, tags = [["figure", "2"], ["so"]] * 5, [["B-A", "I-A"], ["O"]] * 5
        assert window_mentions(train, tags, [["so", "2", "2"]])[0][1:] == ["B-A", "I-A"]

    def test_is_deterministic(self):
        train, tags = tag_figures(range(1, 6))
        tokens = [["see", "Table", "7"], ["Figure", "ten"], []]
        assert window_mentions(train, tags, tokens) == window_mentions(train, tags, tokens)

    def test_no_tag_or_one_tag_in_training(self):
        assert window_mentions([], [], [["x"], []]) == [["O"], []]
        assert window_mentions([["x"]], [["O"]], [["x", "y"]]) == [["O", "O"]]
        assert window_mentions([["x"]], [["B-A"]], [["x", "y"]]) == [["B-A", "B-A"]]
        assert window_mentions([["x"]], [["I-A"]], [["x", "y"]]) == [["B-A", "I-A"]]

    def test_no_token_to_tag(self):
        train, tags = tag_figures(range(1, 3))
        assert window_mentions(train, tags, []) == []
        assert window_mentions(train, tags, [[]]) == [[]]

    @pytest.mark.parametrize(("tokens", "tags"), [([["x", "y"]], [["O"]]), ([["x"]], [])])
    def test_other_lengths_are_an_error(self, tokens, tags):
        with pytest.raises(DataError, match="differ in number or length"):
            window_mentions(tokens, tags, [])
