"""Summaries of whole papers."""

from papertrail.core.errors import DataError
from papertrail.core.params import Extractor, Summarizer
from papertrail.core.records import Row
from papertrail.data.text import split_sentences
from papertrail.inference.load import Model


def summarize(model: Model, texts: list[str]) -> list[Row]:
    """Summarize texts with a language model or an extractor.

    A language model reads the sentences that fit into max_input_tokens, as in training. An extractor reads the whole
    text and chooses sentences of it.

    Returns:
        For each text {"summary", "sentences", "tokens", "tokens_read", "tokens_cut"}. "sentences" are those that an
        extractor chose, each {"text", "position"} with position 0 for the first sentence of the text; None for a
        language model. Tokens of the summary, and of the text those that were read and were not, are counted by the
        tokenizer of the model. Titles are
        not inputs of this command: the features of an extractor that compare with the title are 0.

    Raises:
        DataError: A text is empty.
    """
    rows = [{"source": split_sentences(text), "title": ""} for text in texts]
    for number, row in enumerate(rows, start=1):
        if not row["source"]:
            raise DataError(f"text {number} of {len(texts)} is empty; give the text to summarize")
    return extract(model, rows) if isinstance(model.settings, Extractor) else write(model, rows)


def write(model: Model, rows: list[Row]) -> list[Row]:
    """Return answers that a language model writes."""
    from papertrail.models.language_model import read_source, write_summaries  # takes seconds to import

    settings = model.settings_as(Summarizer)
    summaries = write_summaries(model.network, model.tokenizer, rows, settings, model.params.evaluation.summarizer)
    answers = []
    for row, summary in zip(rows, summaries, strict=True):
        fitting, _ = read_source(row["source"], model.tokenizer, settings)
        read, total = _count_tokens(model, fitting), _count_tokens(model, " ".join(row["source"]))
        tokens = {"tokens": summary.tokens, "tokens_read": read, "tokens_cut": max(total - read, 0)}
        answers.append({"summary": summary.text, "sentences": None, **tokens})
    return answers


def extract(model: Model, rows: list[Row]) -> list[Row]:
    """Return answers of sentences that an extractor chooses."""
    answers = []
    found = model.network.extract(rows, model.params.evaluation.extractor.batch_size)
    for row, positions in zip(rows, found, strict=True):
        summary = " ".join(row["source"][i] for i in positions)
        read = _count_tokens(model, " ".join(row["source"]))
        tokens = {"tokens": _count_tokens(model, summary), "tokens_read": read, "tokens_cut": 0}
        sentences = [{"text": row["source"][i], "position": i} for i in positions]
        answers.append({"summary": summary, "sentences": sentences, **tokens})
    return answers


def _count_tokens(model: Model, text: str) -> int:
    return len(model.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)
