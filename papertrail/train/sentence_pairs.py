"""Sentence pairs for continued pretraining: drawn from corpora, with masked tokens."""

from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerFast

from papertrail.core.params import Pretraining
from papertrail.core.randomness import draw
from papertrail.models.batching import IGNORED, Item

IS_NEXT, IS_RANDOM = 0, 1  # next_sentence_label of BertForPreTraining

Documents = list[list[str]]  # paragraphs as lists of at least two sentences


@dataclass(frozen=True, slots=True)
class PairSource:
    """Corpora of one split, with weights, from which sentence pairs are drawn."""

    corpora: list[Documents]
    weights: list[float]
    seed: int
    split: str

    def pair(self, epoch: int, index: int) -> tuple[str, str, int, np.random.Generator]:
        """Return two sentences, IS_NEXT or IS_RANDOM, and the generator for their masks."""
        rng = np.random.default_rng(draw(self.seed, "pair", self.split, str(epoch), str(index)))
        shares = np.array(self.weights) / sum(self.weights)
        documents = self.corpora[rng.choice(len(self.corpora), p=shares)]
        number = int(rng.integers(len(documents)))
        position = int(rng.integers(len(documents[number]) - 1))
        first = documents[number][position]
        if rng.random() < 0.5 or len(documents) == 1:
            return first, documents[number][position + 1], IS_NEXT, rng
        other = (number + 1 + int(rng.integers(len(documents) - 1))) % len(documents)  # any other paragraph
        return first, documents[other][int(rng.integers(len(documents[other])))], IS_RANDOM, rng


def encode_pairs(
    source: PairSource, epoch: int, count: int, tokenizer: PreTrainedTokenizerFast, training: Pretraining
) -> tuple[list[Item], int]:
    """Return the masked pairs of an epoch as model inputs, and how many were truncated at max_tokens."""
    items, truncated = [], 0
    for index in range(count):
        first, second, label, rng = source.pair(epoch, index)
        encoded = tokenizer(first, second, truncation="longest_first", max_length=training.max_tokens)
        sides = zip(encoded.word_ids(), encoded.encodings[0].sequence_ids, strict=True)
        words = [None if word is None else 10_000 * side + word for word, side in sides]  # each side counts from 0
        ids, labels = mask_tokens(encoded["input_ids"], words, tokenizer, training, rng)
        items.append({**encoded, "input_ids": ids, "labels": labels, "next_sentence_label": label})
        truncated += bool(encoded.encodings[0].overflowing)
    return items, truncated


def mask_tokens(
    ids: list[int],
    words: list[int | None],
    tokenizer: PreTrainedTokenizerFast,
    training: Pretraining,
    rng: np.random.Generator,
) -> tuple[list[int], list[int]]:
    """Mask tokens: of those chosen, 80 % become [MASK], 10 % a random token, 10 % stay.

    At least one token is chosen, never a special token.

    Args:
        ids: (tokens,) token ids.
        words: (tokens,) number of the word of each token; None for special tokens.
        tokenizer: For the mask token and the vocabulary.
        training: Mask probability, and whether all tokens of a word are chosen together.
        rng: Generator to draw from.

    Returns:
        Input ids, (tokens,), and labels, (tokens,): the original id of chosen tokens, otherwise IGNORED.
    """
    positions = [i for i, word in enumerate(words) if word is not None]
    unit_of = {i: words[i] if training.whole_word else i for i in positions}
    units = sorted({unit for unit in unit_of.values() if unit is not None})
    chosen = {unit for unit in units if rng.random() < training.mask_probability} or {units[rng.integers(len(units))]}
    masked, labels = list(ids), [IGNORED] * len(ids)
    for i in positions:
        if unit_of[i] in chosen:
            labels[i] = ids[i]
            drawn = rng.random()
            if drawn < 0.8:
                masked[i] = int(tokenizer.mask_token_id)
            elif drawn < 0.9:
                masked[i] = int(rng.integers(tokenizer.vocab_size))
    return masked, labels
