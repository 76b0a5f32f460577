"""Scores of entity mentions, with two baselines: mentions memorised in training, and a classifier of word windows."""

import numpy as np

from papertrail.core.records import Row
from papertrail.evaluate.entity_baselines import memorised_mentions, window_mentions
from papertrail.evaluate.systems import ScoredSystems
from papertrail.evaluate.views import Plots, ScoredView, Texts, View, make_plots
from papertrail.metrics.entities import entity_scores

BASELINES = {"memorised": memorised_mentions, "window": window_mentions}


def score_entities(view: View) -> ScoredView:
    """Score mentions by seqeval."""
    references = [prediction["tags"] for prediction in view.test_predictions]
    predictions = {"model": view.test_predictions}
    tokens = [row["tokens"] for row in view.test]
    train_tokens = [row["tokens"] for row in view.train]
    train_tags = [[view.class_names[tag] for tag in row["ner_tags"]] for row in view.train]
    for name, tag_mentions in BASELINES.items():
        tagged = tag_mentions(train_tokens, train_tags, tokens)
        predictions[name] = [
            {**row, "predicted_tags": tags, "mention_probabilities": [float(tag != "O") for tag in tags]}
            for row, tags in zip(view.test_predictions, tagged, strict=True)
        ]
    scores = {
        name: entity_scores(references, [row["predicted_tags"] for row in rows]) for name, rows in predictions.items()
    }
    return ScoredView(systems=ScoredSystems("entities", predictions, scores), plots=_plots(view), errors=_errors(view))


def _plots(view: View) -> Plots:
    """Return plots over words: whether a word is in a mention.

    The confusion matrix counts types and omits words that are in no mention for both.
    """
    predictions = view.test_predictions
    inside = np.array([tag != "O" for row in predictions for tag in row["tags"]]).astype(int)  # (words,)
    probabilities = np.array([p for row in predictions for p in row["mention_probabilities"]])
    classes = np.stack([1 - probabilities, probabilities], axis=1)
    plots = make_plots(inside, classes, ["O", "mention"], view.evaluation.classifier)
    pairs = [pair for row in predictions for pair in zip(row["tags"], row["predicted_tags"], strict=True)]
    types = [(actual[2:] or "none", predicted[2:] or "none") for actual, predicted in pairs]
    confusion = [{"actual": a, "predicted": p} for a, p in types if (a, p) != ("none", "none")]
    return {**plots, "confusion": confusion}


def _errors(view: View) -> list[Texts]:
    """Return the sentences with the most wrong tags."""
    wrong: list[tuple[int, Row, Row]] = [
        (sum(a != b for a, b in zip(p["tags"], p["predicted_tags"], strict=True)), row, p)
        for row, p in zip(view.test, view.test_predictions, strict=True)
    ]
    errors = [
        {
            "id": row["id"],
            "text": mark_mentions(row["tokens"], p["tags"]),
            "predicted": mark_mentions(row["tokens"], p["predicted_tags"]),
        }
        for count, row, p in sorted(wrong, key=lambda item: (-item[0], item[1]["id"]))
        if count
    ]
    return errors[: view.evaluation.error_examples]


def mark_mentions(tokens: list[str], tags: list[str]) -> str:
    """Return tokens with their mentions in brackets: `see Figure [FIGURE 2]`."""
    words: list[str] = []
    for token, tag, following in zip(tokens, tags, [*tags[1:], "O"], strict=True):
        opening = f"[{tag[2:]} " if tag.startswith("B-") else ""
        words.append(opening + token + ("]" if tag != "O" and not following.startswith("I-") else ""))
    return " ".join(words)
