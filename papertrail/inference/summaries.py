"""Summaries of whole papers."""

from papertrail.core.errors import DataError
from papertrail.core.params import Summarizer
from papertrail.core.records import Row
from papertrail.data.text import split_sentences
from papertrail.inference.load import Model


def summarize(model: Model, texts: list[str]) -> list[Row]:
    """Summarize texts. As in training, the model reads the first sentences that fit into max_input_tokens.

    Returns:
        For each text {"summary", "tokens", "tokens_read", "tokens_cut"}: the summary, its length, and how much of the
        text the model read and did not read.

    Raises:
        DataError: A text is empty.
    """
    from papertrail.models.language_model import fit_source, write_summaries  # takes seconds to import

    settings = model.settings_as(Summarizer)
    rows = [{"source": split_sentences(text)} for text in texts]
    for number, row in enumerate(rows, start=1):
        if not row["source"]:
            raise DataError(f"text {number} of {len(texts)} is empty; give the text to summarize")
    summaries = write_summaries(model.network, model.tokenizer, rows, settings, model.params.evaluation.summarizer)
    answers = []
    for row, summary in zip(rows, summaries, strict=True):
        fitting, _ = fit_source(row["source"], model.tokenizer, settings.max_input_tokens)
        read, total = (
            len(model.tokenizer(text, add_special_tokens=False).input_ids)
            for text in (fitting, " ".join(row["source"]))
        )
        tokens = {"tokens": summary.tokens, "tokens_read": read, "tokens_cut": max(total - read, 0)}
        answers.append({"summary": summary.text, **tokens})
    return answers
