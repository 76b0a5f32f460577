"""Continued pretraining: masked words (MLM) and next sentences (NSP).

Source: Devlin et al., 2019, "BERT". Pairs and masks are drawn from (seed, split, epoch, index) alone.
"""

from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForPreTraining,
    DataCollatorForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from scholar.batching import PAD_MULTIPLE, EpochDataset, Item
from scholar.encoding import load_tokenizer
from scholar.errors import ParamsError
from scholar.params import Pretraining
from scholar.splits import draw
from scholar.trainer import EpochEnd, Settings, check_positions, keep_own_names, training_arguments

IGNORED = -100
IS_NEXT, IS_RANDOM = 0, 1  # BertForPreTraining's own meaning of next_sentence_label

Documents = list[list[str]]  # paragraphs as lists of sentences, two or more each


@dataclass(frozen=True, slots=True)
class PairSource:
    """Corpora with their weights: where sentence pairs of one split are drawn from."""

    corpora: list[Documents]
    weights: list[float]
    seed: int
    split: str

    def pair(self, epoch: int, index: int) -> tuple[str, str, int, np.random.Generator]:
        """Two sentences, whether the second follows the first, and the generator to draw the masks from."""
        rng = np.random.default_rng(draw(self.seed, "pair", self.split, str(epoch), str(index)))
        shares = np.array(self.weights) / sum(self.weights)
        documents = self.corpora[rng.choice(len(self.corpora), p=shares)]
        here = int(rng.integers(len(documents)))
        position = int(rng.integers(len(documents[here]) - 1))
        first = documents[here][position]
        if rng.random() < 0.5 or len(documents) == 1:
            return first, documents[here][position + 1], IS_NEXT, rng
        other = (here + 1 + int(rng.integers(len(documents) - 1))) % len(documents)  # any paragraph but this one
        return first, documents[other][int(rng.integers(len(documents[other])))], IS_RANDOM, rng


def mask_tokens(
    ids: list[int],
    words: list[int | None],
    tokenizer: PreTrainedTokenizerFast,
    settings: Pretraining,
    rng: np.random.Generator,
) -> tuple[list[int], list[int]]:
    """Hide tokens: 80 % become [MASK], 10 % a random token, 10 % stay; special tokens (word None) are never chosen.

    `words` names the word of each token; with settings.whole_word all pieces of a word are chosen together. At least
    one token is chosen.

    Returns:
        The input ids, and the labels: the original id where a token was chosen, else -100.
    """
    places = [i for i, word in enumerate(words) if word is not None]
    unit_of = {i: words[i] if settings.whole_word else i for i in places}
    units = sorted({unit for unit in unit_of.values() if unit is not None})
    chosen = {unit for unit in units if rng.random() < settings.mask_probability} or {units[rng.integers(len(units))]}
    hidden, labels = list(ids), [IGNORED] * len(ids)
    for i in places:
        if unit_of[i] in chosen:
            labels[i] = ids[i]
            fate = rng.random()
            if fate < 0.8:
                hidden[i] = int(tokenizer.mask_token_id)
            elif fate < 0.9:
                hidden[i] = int(rng.integers(tokenizer.vocab_size))
    return hidden, labels


def encode_pairs(
    source: PairSource, epoch: int, count: int, tokenizer: PreTrainedTokenizerFast, settings: Pretraining
) -> tuple[list[Item], int]:
    """The pairs of an epoch as model inputs, masked, and how many were cut at max_tokens."""
    items, cut = [], 0
    for index in range(count):
        first, second, following, rng = source.pair(epoch, index)
        encoded = tokenizer(first, second, truncation="longest_first", max_length=settings.max_tokens)
        sides = zip(encoded.word_ids(), encoded.encodings[0].sequence_ids, strict=True)
        words = [
            None if word is None else 10_000 * side + word for word, side in sides
        ]  # words count anew in each sentence
        ids, labels = mask_tokens(encoded["input_ids"], words, tokenizer, settings, rng)
        items.append({**encoded, "input_ids": ids, "labels": labels, "next_sentence_label": following})
        cut += bool(encoded.encodings[0].overflowing)
    return items, cut


def losses(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The summed MLM loss over the masked tokens of a batch, the summed NSP loss over its pairs, and the NSP logits.

    The vocabulary is scored at the masked tokens alone, a seventh of the work of the model's own forward pass.
    """
    labels, following = inputs["labels"], inputs["next_sentence_label"]  # (batch, tokens), (batch,)
    encoder_inputs = {key: value for key, value in inputs.items() if key not in ("labels", "next_sentence_label")}
    output = model.base_model(**encoder_inputs)
    masked = labels != IGNORED
    words = model.cls.predictions(output.last_hidden_state[masked])  # (masked tokens, vocabulary)
    nsp = model.cls.seq_relationship(output.pooler_output)  # (batch, 2)
    mlm_loss = cross_entropy(words.float(), labels[masked], reduction="sum")
    return mlm_loss, cross_entropy(nsp.float(), following, reduction="sum"), nsp


class PretrainingTrainer(Trainer):
    """The library's Trainer with the joint loss: mean over masked tokens plus mean over pairs."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The loss of a batch; num_items_in_batch counts the masked tokens of its whole accumulated step."""
        mlm_loss, nsp_loss, _ = losses(model, inputs)
        pairs = len(inputs["next_sentence_label"]) * self.current_gradient_accumulation_steps
        loss: torch.Tensor = mlm_loss / num_items_in_batch + nsp_loss / pairs
        return loss


def build_collator(tokenizer: PreTrainedTokenizerFast) -> DataCollatorForTokenClassification:
    """Pads input_ids and labels to (batch, longest pair of the batch rounded up to PAD_MULTIPLE)."""
    return DataCollatorForTokenClassification(tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED)


@torch.inference_mode()
def measure(model: Any, items: list[Item], collate: Any, batch_size: int) -> dict[str, float]:
    """MLM loss (nats per masked token), its perplexity, and NSP accuracy over fixed pairs."""
    model.eval()
    mlm = right = masked = 0.0
    ordered = sorted(items, key=lambda item: len(item["input_ids"]))
    for start in range(0, len(ordered), batch_size):
        inputs = {k: v.to(model.device) for k, v in collate(ordered[start : start + batch_size]).items()}
        mlm_loss, _, nsp = losses(model, inputs)
        mlm += mlm_loss.item()
        masked += (inputs["labels"] != IGNORED).sum().item()
        right += (nsp.argmax(dim=1) == inputs["next_sentence_label"]).sum().item()
    return {"mlm_loss": mlm / masked, "perplexity": exp(mlm / masked), "nsp_accuracy": right / len(items)}


def pretrain(
    splits: dict[str, list[Documents]], pretraining: Pretraining, settings: Settings
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, list[dict[str, float]], dict[str, Any]]:
    """Train the encoder further on splits["train"], measured before and after on splits["validation"].

    The corpora of a split stand in the order of their names.

    Returns:
        Model, tokenizer, the Trainer's log history, metrics.

    Raises:
        ParamsError: the encoder has no next sentence head in its library class, or fewer positions than max_tokens.
    """
    tokenizer = load_tokenizer(Path(pretraining.encoder), pretraining.max_tokens)
    model: Any = AutoModelForPreTraining.from_pretrained(pretraining.encoder, local_files_only=True)
    if not hasattr(getattr(model, "cls", None), "seq_relationship"):
        raise ParamsError(
            f"params.yaml: pretraining.encoder: {type(model).__name__} has no next sentence head; "
            "use an encoder of BERT's family"
        )
    keep_own_names(model)
    check_positions("pretraining.max_tokens", pretraining.max_tokens, pretraining.encoder, model.config)
    weights = [weight for _, weight in sorted(pretraining.corpora.items())]
    train, validation = (PairSource(splits[split], weights, settings.seed, split) for split in ("train", "validation"))
    items, cut = encode_pairs(validation, 0, pretraining.validation_pairs, tokenizer, pretraining)
    collate = build_collator(tokenizer)
    before = measure(model, items, collate, pretraining.batch_size)
    trainer = PretrainingTrainer(
        model=model,
        args=training_arguments(
            pretraining,
            settings,
            TrainingArguments,
            train_sampling_strategy="sequential",  # EpochDataset is in its order already
            save_total_limit=1,
            label_names=["labels"],
            weight_decay=pretraining.weight_decay,
        ),
        data_collator=collate,
        train_dataset=EpochDataset(
            lambda epoch: encode_pairs(train, epoch, pretraining.pairs_per_epoch, tokenizer, pretraining)[0],
            settings.seed,
            pretraining.batch_size,
        ),
        callbacks=[EpochEnd(), *settings.trackers],
    )
    trainer.train(resume_from_checkpoint=settings.resume_from)
    after = measure(model, items, collate, pretraining.batch_size)
    first_epoch_cut = encode_pairs(train, 0, pretraining.pairs_per_epoch, tokenizer, pretraining)[1]
    metrics = {
        "before": before,
        "after": after,
        "validation_pairs_cut": cut,
        "train_pairs_cut_in_first_epoch": first_epoch_cut,
        "steps": trainer.state.global_step,
    }
    return model, tokenizer, trainer.state.log_history, metrics
