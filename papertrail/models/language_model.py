"""Language models that summarize: encoder-decoder (the T5 family) or decoder-only.

Both read a prompt that contains the source. A decoder-only model reads prompt and target as one sequence, with the loss
on the target only. Its batches are padded on the left, so that all targets end at the same position and logits are
computed for target positions only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from tqdm import tqdm
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from papertrail.core.params import Generation, Summarizer
from papertrail.core.randomness import sample
from papertrail.core.records import Row
from papertrail.models.batching import IGNORED, Item
from papertrail.models.extracts import central_first
from papertrail.models.kernels import make_portable
from papertrail.models.loading import check_positions


@dataclass(frozen=True, slots=True)
class Summary:
    """A generated text and its number of tokens, without the end token."""

    text: str
    tokens: int


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load a tokenizer that pads on the side the model needs; without a padding token, the end token pads."""
    decoder_only = not AutoConfig.from_pretrained(folder, local_files_only=True).is_encoder_decoder
    side = "left" if decoder_only else "right"  # labels of an encoder-decoder start at its first decoder position
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side=side)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return cast(PreTrainedTokenizerFast, tokenizer)


def load_model(folder: Path, device: str) -> PreTrainedModel:
    """Load a language model in fp32, of the class that its config names."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    auto_model = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    network: Any = auto_model.from_pretrained(folder, local_files_only=True, dtype="float32")
    return cast(PreTrainedModel, make_portable(network).to(device))


def draw_papers(rows: list[Row], size: int | None, seed: int) -> list[Row]:
    """Return some of the papers in their order, drawn by seed and id; all if `size` is None."""
    chosen = sample((row["id"] for row in rows), size, seed, "summarization")
    return [row for row in rows if row["id"] in chosen]


def read_source(sentences: list[str], tokenizer: PreTrainedTokenizerFast, model: Summarizer) -> tuple[str, int]:
    """Return the sentences of a source that a model reads, in their order, and how many it does not read.

    They are the first ones or the most central ones, by `model.reads`, that fit into max_input_tokens.
    """
    order = central_first(sentences) if model.reads == "extract" and sentences else range(len(sentences))
    return fit_source(sentences, tokenizer, model.max_input_tokens, order)


def fit_source(
    sentences: list[str], tokenizer: PreTrainedTokenizerFast, max_tokens: int, order: Sequence[int] | None = None
) -> tuple[str, int]:
    """Return the first sentences of an order that fit into max_tokens, and how many were left out.

    A first sentence that is too long is truncated and counts as left out.

    Args:
        sentences: Of a text; those that are returned keep their order.
        tokenizer: Counts tokens.
        max_tokens: Of the result.
        order: Positions of the sentences, the most important first; None is the order of the text.
    """
    order = range(len(sentences)) if order is None else order
    kept: list[int] = []
    for i in order:
        text = " ".join(sentences[j] for j in sorted([*kept, i]))
        if len(tokenizer(text, add_special_tokens=False).input_ids) > max_tokens:
            break
        kept.append(i)
    if kept or not sentences:
        return " ".join(sentences[j] for j in sorted(kept)), len(sentences) - len(kept)
    first = sentences[order[0]]
    encoded = tokenizer(first, add_special_tokens=False, return_offsets_mapping=True)
    text = first[: encoded.offset_mapping[max_tokens - 1][1]]
    while len(tokenizer(text, add_special_tokens=False).input_ids) > max_tokens:
        text = text[:-1]  # a character of several tokens was split
    return text, len(sentences)


def encode(row: Row, tokenizer: PreTrainedTokenizerFast, model: Summarizer, decoder_only: bool) -> tuple[Item, int]:
    """Return model inputs with labels for training, and how many sentences of the source were left out.

    Args:
        row: A prepared row with `source` and `target`, lists of sentences.
        tokenizer: The tokenizer of the model.
        model: Prompt and maximum lengths.
        decoder_only: Whether prompt and target are one sequence.
    """
    item, left_out = encode_prompt(row, tokenizer, model, decoder_only)
    text, _ = fit_source(row["target"], tokenizer, model.max_target_tokens - 1)
    target = [*tokenizer(text, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    if not decoder_only:
        return {**item, "labels": target}, left_out
    prompt = item["input_ids"]
    return {
        "input_ids": [*prompt, *target],
        "attention_mask": [1] * (len(prompt) + len(target)),
        "labels": [IGNORED] * len(prompt) + target,
    }, left_out


def encode_prompt(
    row: Row, tokenizer: PreTrainedTokenizerFast, model: Summarizer, decoder_only: bool
) -> tuple[Item, int]:
    """Return model inputs for generation, and how many sentences of the source were left out; see `encode`."""
    source, left_out = read_source(row["source"], tokenizer, model)
    encoded = tokenizer(model.prompt.replace("{source}", source), add_special_tokens=not decoder_only)
    return {"input_ids": encoded.input_ids, "attention_mask": encoded.attention_mask}, left_out


class Collator(DataCollatorForSeq2Seq):
    """Pads items to a batch. For decoder-only models, logits are computed for target positions only."""

    def __call__(self, features: list[Item], return_tensors: str | None = None) -> Any:
        """Return input_ids (batch, tokens) and labels (batch, target tokens), padded with -100."""
        decoder_only = features[0]["labels"][0] == IGNORED  # labels of an encoder-decoder have no prompt
        batch: Any = super().__call__(features, return_tensors)  # type: ignore[no-untyped-call]
        if decoder_only:
            kept = int((batch["labels"] != IGNORED).sum(dim=1).max()) + 1  # a position predicts the next token
            batch["labels"] = batch["labels"][:, -kept:]
            batch["logits_to_keep"] = kept
            batch["position_ids"] = (batch["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)
        return batch


def check_length(
    model: Summarizer, tokenizer: PreTrainedTokenizerFast, config: PreTrainedConfig, new_tokens: int
) -> None:
    """Check that prompt, source and `new_tokens` fit into the positions of a model.

    Raises:
        ParamsError: Together they exceed the positions of the model.
    """
    prompt = len(tokenizer(model.prompt.replace("{source}", "")).input_ids)
    tokens = prompt + model.max_input_tokens + new_tokens
    check_positions("models: prompt, max_input_tokens and new tokens", tokens, model.base_model, config)


@torch.inference_mode()
def write_summaries(
    network: Any, tokenizer: PreTrainedTokenizerFast, rows: list[Row], model: Summarizer, generation: Generation
) -> list[Summary]:
    """Generate a summary for each row, in batches of similar length.

    Returns:
        Summaries in the order of the rows.

    Raises:
        ParamsError: Prompt, source and generation.max_new_tokens exceed the positions of the model.
    """
    network.eval()
    decoder_only = not network.config.is_encoder_decoder
    check_length(model, tokenizer, network.config, generation.max_new_tokens)
    prompts = [encode_prompt(row, tokenizer, model, decoder_only)[0] for row in rows]
    order = sorted(range(len(rows)), key=lambda i: len(prompts[i]["input_ids"]))
    config = _generation_config(network, tokenizer, generation)
    summaries: dict[int, Summary] = {}
    for start in tqdm(range(0, len(order), generation.batch_size), desc="generate", disable=None):
        batch = order[start : start + generation.batch_size]
        inputs = tokenizer.pad([prompts[i] for i in batch], return_tensors="pt").to(network.device)
        output = network.generate(**inputs, generation_config=config)  # (batch, tokens)
        new = output[:, inputs["input_ids"].shape[1] :] if decoder_only else output[:, 1:]  # the output has the prompt
        for i, ids in zip(batch, new.tolist(), strict=True):
            end = ids.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in ids else len(ids)
            text = str(tokenizer.decode(ids[:end], skip_special_tokens=True))
            summaries[i] = Summary(" ".join(text.split()), end)
    return [summaries[i] for i in range(len(rows))]


def _generation_config(network: Any, tokenizer: PreTrainedTokenizerFast, generation: Generation) -> GenerationConfig:
    """Return a new config, so that generation_config.json of the model has no effect."""
    beams = generation.beams > 1
    return GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        num_beams=generation.beams,
        min_new_tokens=generation.min_new_tokens,
        max_new_tokens=generation.max_new_tokens,
        repetition_penalty=generation.repetition_penalty,
        length_penalty=generation.length_penalty if beams else None,
        early_stopping=generation.early_stopping if beams else None,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=network.generation_config.decoder_start_token_id,
    )
