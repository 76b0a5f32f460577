"""A text for a text: summaries by an encoder-decoder (T5's family) or a decoder-only language model.

Both read a prompt with the source in it. A decoder-only model is trained on prompt and target as one sequence, with the
loss on the target alone; its batches are padded on the left, so that all targets end together and the vocabulary is
scored at their positions only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, get_peft_model
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
    Trainer,
    TrainingArguments,
)

from scholar.batching import PAD_MULTIPLE, EpochDataset, Item
from scholar.params import Generation, Summarizer
from scholar.records import Row
from scholar.trainer import EpochEnd, Settings, check_positions, keep_own_names, training_arguments

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Summary:
    """A text that a model wrote, and how many tokens it took."""

    text: str
    tokens: int


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a from_pretrained folder, padding on the left; the end token pads if there is no other."""
    joined = not AutoConfig.from_pretrained(folder, local_files_only=True).is_encoder_decoder
    side = "left" if joined else "right"  # an encoder-decoder's labels begin where its decoder does
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side=side)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return cast(PreTrainedTokenizerFast, tokenizer)


def load_model(folder: Path, device: str) -> PreTrainedModel:
    """The language model in a from_pretrained folder, of the kind that its config names."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model: Any = kind.from_pretrained(folder, local_files_only=True, dtype="float32")
    return cast(PreTrainedModel, model.to(device))


def fit_source(sentences: list[str], tokenizer: PreTrainedTokenizerFast, max_tokens: int) -> tuple[str, int]:
    """The first sentences that fit into max_tokens, and how many did not; a first one that is too long is cut."""
    kept: list[str] = []
    for sentence in sentences:
        if len(tokenizer(" ".join([*kept, sentence]), add_special_tokens=False).input_ids) > max_tokens:
            break
        kept.append(sentence)
    if not kept and sentences:
        encoded = tokenizer(sentences[0], add_special_tokens=False, return_offsets_mapping=True)
        text = sentences[0][: encoded.offset_mapping[max_tokens - 1][1]]
        while len(tokenizer(text, add_special_tokens=False).input_ids) > max_tokens:
            text = text[:-1]  # the cut went through a character of several tokens
        return text, len(sentences)
    return " ".join(kept), len(sentences) - len(kept)


def encode(row: Row, tokenizer: PreTrainedTokenizerFast, summarizer: Summarizer, joined: bool) -> tuple[Item, int]:
    """Model inputs with the target, and how many sentences of the source did not fit.

    Args:
        row: a prepared row of task summarization.
        tokenizer: that of the model.
        summarizer: its prompt and lengths.
        joined: whether prompt and target are one sequence, as decoder-only models have it.
    """
    item, left_out = encode_prompt(row, tokenizer, summarizer, joined)
    text, _ = fit_source(row["target"], tokenizer, summarizer.max_target_tokens - 1)
    target = [*tokenizer(text, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    if not joined:
        return {**item, "labels": target}, left_out
    prompt = item["input_ids"]
    return {
        "input_ids": [*prompt, *target],
        "attention_mask": [1] * (len(prompt) + len(target)),
        "labels": [IGNORED] * len(prompt) + target,
    }, left_out


def encode_prompt(
    row: Row, tokenizer: PreTrainedTokenizerFast, summarizer: Summarizer, joined: bool
) -> tuple[Item, int]:
    """Model inputs up to where the summary begins, and how many sentences of the source did not fit."""
    source, left_out = fit_source(row["source"], tokenizer, summarizer.max_input_tokens)
    encoded = tokenizer(summarizer.prompt.replace("{source}", source), add_special_tokens=not joined)
    return {"input_ids": encoded.input_ids, "attention_mask": encoded.attention_mask}, left_out


class Collator(DataCollatorForSeq2Seq):
    """Pads to the longest of the batch rounded up to PAD_MULTIPLE; scores the vocabulary at target positions alone."""

    def __call__(self, features: list[Item], return_tensors: str | None = None) -> Any:
        """A batch: input_ids (batch, tokens), labels (batch, target tokens), padded with -100."""
        joined = features[0]["labels"][0] == IGNORED  # the prompt, which labels of an encoder-decoder do not hold
        batch: Any = super().__call__(features, return_tensors)  # type: ignore[no-untyped-call]
        if joined:
            kept = int((batch["labels"] != IGNORED).sum(dim=1).max()) + 1  # a token is told by the position before it
            batch["labels"] = batch["labels"][:, -kept:]
            batch["logits_to_keep"] = kept
            batch["position_ids"] = (batch["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)
        return batch


def train(
    summarizer: Summarizer, splits: dict[str, list[Row]], settings: Settings, device: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, list[dict[str, float]], dict[str, float]]:
    """Tune the model on splits["train"], keep the epoch with the lowest loss on splits["validation"].

    Returns:
        The model, LoRA merged into it; its tokenizer; the Trainer's log history; metrics.

    Raises:
        ParamsError: prompt, source and target together exceed the positions of the model.
    """
    tokenizer = load_tokenizer(Path(summarizer.encoder))
    model: Any = load_model(Path(summarizer.encoder), device)
    keep_own_names(model)
    joined = not model.config.is_encoder_decoder
    check_length(summarizer, tokenizer, model.config, summarizer.max_target_tokens)
    model.accepts_loss_kwargs = joined  # T5 would take the count of target tokens and ignore it
    if summarizer.lora is not None:
        model = get_peft_model(
            model,
            LoraConfig(
                r=summarizer.lora.rank,
                lora_alpha=summarizer.lora.alpha,
                lora_dropout=summarizer.lora.dropout,
                target_modules=summarizer.lora.modules,
                task_type="CAUSAL_LM" if joined else "SEQ_2_SEQ_LM",
            ),
        )
    encoded = {split: [encode(row, tokenizer, summarizer, joined) for row in rows] for split, rows in splits.items()}
    items = {split: [item for item, _ in given] for split, given in encoded.items()}
    trainer = Trainer(
        model=model,
        args=training_arguments(
            summarizer,
            settings,
            TrainingArguments,
            train_sampling_strategy="sequential",  # EpochDataset is in its order already
            weight_decay=summarizer.weight_decay,
            per_device_eval_batch_size=summarizer.batch_size,
            prediction_loss_only=True,
            label_names=["labels"],
            eval_strategy="epoch",
            save_total_limit=2,  # the best and the newest
            load_best_model_at_end=True,
            metric_for_best_model="loss",
            greater_is_better=False,
        ),
        data_collator=Collator(tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED),
        train_dataset=EpochDataset(lambda _: items["train"], settings.seed, summarizer.batch_size),
        eval_dataset=items["validation"],
        callbacks=[EpochEnd(), *settings.trackers],
    )
    trainer.train(resume_from_checkpoint=settings.resume_from)
    history = trainer.state.log_history
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    metrics = {
        "validation_loss": min(losses),
        "best_epoch": losses.index(min(losses)) + 1,
        "epochs": len(losses),
        "steps": trainer.state.global_step,
        "parameters_trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "train_sentences_left_out": sum(left_out for _, left_out in encoded["train"]),
        "train_targets_cut": sum(
            fit_source(row["target"], tokenizer, summarizer.max_target_tokens - 1)[1] > 0 for row in splits["train"]
        ),
    }
    if summarizer.lora is not None:
        model = model.merge_and_unload()
    return model, tokenizer, history, metrics


def check_length(
    summarizer: Summarizer, tokenizer: PreTrainedTokenizerFast, config: PreTrainedConfig, new_tokens: int
) -> None:
    """Raises:
    ParamsError: prompt, source and `new_tokens` together exceed the positions of the model.
    """
    around = len(tokenizer(summarizer.prompt.replace("{source}", "")).input_ids)
    needed = around + summarizer.max_input_tokens + new_tokens
    check_positions("summarizers: prompt, max_input_tokens and the tokens to write", needed, summarizer.encoder, config)


@torch.inference_mode()
def write_summaries(
    model: Any, tokenizer: PreTrainedTokenizerFast, rows: list[Row], summarizer: Summarizer, generation: Generation
) -> list[Summary]:
    """A summary for each row, in the order given, written in batches of like length.

    Raises:
        ParamsError: prompt, source and generation.max_new_tokens together exceed the positions of the model.
    """
    model.eval()
    joined = not model.config.is_encoder_decoder
    check_length(summarizer, tokenizer, model.config, generation.max_new_tokens)
    prompts = [encode_prompt(row, tokenizer, summarizer, joined)[0] for row in rows]
    order = sorted(range(len(rows)), key=lambda i: len(prompts[i]["input_ids"]))
    summaries: dict[int, Summary] = {}
    for start in tqdm(range(0, len(order), generation.batch_size), desc="write", disable=None):
        batch = order[start : start + generation.batch_size]
        inputs = tokenizer.pad([prompts[i] for i in batch], return_tensors="pt").to(model.device)
        output = model.generate(
            **inputs,
            generation_config=GenerationConfig(  # type: ignore[no-untyped-call]  # new: nothing that the folder asks for
                do_sample=False,
                num_beams=generation.beams,
                min_new_tokens=generation.min_new_tokens,
                max_new_tokens=generation.max_new_tokens,
                repetition_penalty=generation.repetition_penalty,
                length_penalty=generation.length_penalty if generation.beams > 1 else None,
                early_stopping=generation.early_stopping if generation.beams > 1 else None,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                decoder_start_token_id=model.generation_config.decoder_start_token_id,
            ),
        )  # (batch, tokens): a decoder-only model repeats the prompt
        written = output[:, inputs["input_ids"].shape[1] :] if joined else output[:, 1:]
        for i, ids in zip(batch, written.tolist(), strict=True):
            end = ids.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in ids else len(ids)
            text = str(tokenizer.decode(ids[:end], skip_special_tokens=True))
            summaries[i] = Summary(" ".join(text.split()), end)
    return [summaries[i] for i in range(len(rows))]
