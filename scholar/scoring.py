"""From predictions to numbers: the model's scores beside its baselines', the plots, and the worst mistakes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scholar import baselines, metrics
from scholar.heads import join_inputs
from scholar.params import Evaluation, Run
from scholar.plots import Cell
from scholar.records import Row
from scholar.samples import intervals, paper_of

Plots = dict[str, Sequence[Mapping[str, Cell]]]
PAIR = ("id", "query", "label", "sampled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that scoring looks at. Rows and predictions of a split stand in the same order.

    `shown` are the inputs that the model was given; `validation_predictions` is empty where nothing is chosen on it.
    """

    run: Run
    names: list[str]
    shown: list[str]
    train: list[Row]
    validation: list[Row]
    test: list[Row]
    validation_predictions: list[Row]
    test_predictions: list[Row]
    seed: int
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Report:
    """What is made of an outcome: scores and predictions by system ("model" and each baseline), plots and mistakes.

    Predictions are those that were scored: a binary decision is the one at the threshold. Plots are file name -> rows;
    of the mistakes, the worst come first.
    """

    scores: dict[str, dict[str, Any]]
    predictions: dict[str, list[Row]]
    plots: Plots
    mistakes: list[dict[str, str]]


def needs_validation(head: str, names: list[str]) -> bool:
    """Binary decisions need a threshold, and it is chosen on validation predictions."""
    return len(names) == 2 and head in ("sequence_classification", "pair_classification")


def is_screening(head: str, names: list[str]) -> bool:
    """Whether rows of one class are sought among those of another."""
    return len(names) == 2 and head == "sequence_classification"


def score(outcome: Outcome) -> Report:
    """Score a run in the way that its head is read, and tell how sure the scores are."""
    screens = is_screening(outcome.run.head, outcome.names)
    report = score_screening(outcome) if screens else SCORERS[outcome.run.head](outcome)
    predictions, scores = {}, {}
    for system, rows in report.predictions.items():
        predictions[system] = [
            {**row, "paper": paper_of(given), "system": system} for row, given in zip(rows, outcome.test, strict=True)
        ]
        ends = intervals(predictions[system], outcome.evaluation, outcome.seed)
        scores[system] = {**report.scores[system], **ends}
    return replace(report, scores=scores, predictions=predictions)


def score_entities(outcome: Outcome) -> Report:
    """Mentions by seqeval, beside mentions memorised from the training rows, and those told by the words around."""
    references = [p["tags"] for p in outcome.test_predictions]
    predicted = [p["predicted_tags"] for p in outcome.test_predictions]
    tokens = [row["tokens"] for row in outcome.test]
    train_tokens = [row["tokens"] for row in outcome.train]
    train_tags = [[outcome.names[tag] for tag in row["ner_tags"]] for row in outcome.train]
    scores = {"model": metrics.entity_scores(references, predicted)}
    predictions = {"model": outcome.test_predictions}
    for name, tag_mentions in {"memorised": baselines.memorised_mentions, "window": baselines.window_mentions}.items():
        tagged = tag_mentions(train_tokens, train_tags, tokens)
        scores[name] = metrics.entity_scores(references, tagged)
        predictions[name] = [
            {**p, "predicted_tags": tags, "mention_probabilities": [float(tag != "O") for tag in tags]}
            for p, tags in zip(outcome.test_predictions, tagged, strict=True)
        ]
    wrong = [
        (sum(a != b for a, b in zip(p["tags"], p["predicted_tags"], strict=True)), row, p)
        for row, p in zip(outcome.test, outcome.test_predictions, strict=True)
    ]
    mistakes = [
        {"id": row["id"], "text": mark(row["tokens"], p["tags"]), "predicted": mark(row["tokens"], p["predicted_tags"])}
        for count, row, p in sorted(wrong, key=lambda item: (-item[0], item[1]["id"]))
        if count
    ]
    inside = np.array([tag != "O" for tags in references for tag in tags]).astype(int)  # (words,)
    given = np.array([p for prediction in outcome.test_predictions for p in prediction["mention_probabilities"]])
    plots = draw_plots(inside, np.stack([1 - given, given], axis=1), ["O", "mention"], outcome.evaluation)
    pairs = [pair for tags in zip(references, predicted, strict=True) for pair in zip(*tags, strict=True)]
    types = [(actual[2:] or "none", guess[2:] or "none") for actual, guess in pairs]
    plots["confusion"] = [{"actual": a, "predicted": b} for a, b in types if (a, b) != ("none", "none")]
    return Report(scores, predictions, plots, mistakes[: outcome.evaluation.most_wrong])


def mark(tokens: list[str], tags: list[str]) -> str:
    """Tokens with their mentions in brackets: `see Figure [FIGURE 2]`."""
    words: list[str] = []
    for token, tag, following in zip(tokens, tags, [*tags[1:], "O"], strict=True):
        opening = f"[{tag[2:]} " if tag.startswith("B-") else ""
        words.append(opening + token + ("]" if tag != "O" and not following.startswith("I-") else ""))
    return " ".join(words)


def score_classes(outcome: Outcome) -> Report:
    """Classes by scikit-learn, beside the majority class and TF-IDF with logistic regression on the same rows."""
    labels, probabilities = labels_of(outcome.test), probabilities_of(outcome.test_predictions)
    systems = {
        "model": probabilities,
        "tfidf": tfidf(outcome, outcome.test),
        "majority": baselines.majority(labels_of(outcome.train), len(outcome.names), len(labels)),
    }
    bins = outcome.evaluation.calibration_bins
    scores = {
        name: metrics.classification_scores(labels, given, outcome.names, bins) for name, given in systems.items()
    }
    predicted = probabilities.argmax(axis=1)
    predictions = {name: class_rows(outcome.test, given, given.argmax(axis=1)) for name, given in systems.items()}
    plots = draw_plots(labels, probabilities, outcome.names, outcome.evaluation)
    return Report(scores, predictions, plots, class_mistakes(outcome, probabilities, predicted))


def class_rows(rows: list[Row], probabilities: Any, predicted: Any) -> list[Row]:
    """Predictions of one system; probabilities (rows, classes), predicted (rows,)."""
    return [
        {"id": row["id"], "label": row["label"], "prediction": int(guess), "probabilities": p.tolist()}
        for row, p, guess in zip(rows, probabilities, predicted, strict=True)
    ]


def score_screening(outcome: Outcome) -> Report:
    """A binary task: how well class 1 is ranked, and its scores at the threshold with the best F1 on validation.

    Beside TF-IDF stands the same score for every row, which at that threshold takes everything.
    """
    labels, validation_labels = labels_of(outcome.test), labels_of(outcome.validation)
    classes = len(outcome.names)
    train = labels_of(outcome.train)
    systems = {  # scores of class 1 on validation and on test
        "model": (probabilities_of(outcome.validation_predictions), probabilities_of(outcome.test_predictions)),
        "tfidf": (tfidf(outcome, outcome.validation), tfidf(outcome, outcome.test)),
        "everything": tuple(baselines.majority(train, classes, n) for n in (len(validation_labels), len(labels))),
    }
    scores, decided, predictions = {}, {}, {}
    for name, (validation, test) in systems.items():
        threshold = metrics.best_threshold(validation_labels, validation[:, 1])
        scores[name] = metrics.screening_scores(labels, test[:, 1], threshold)
        decided[name] = (test[:, 1] >= threshold).astype(int)
        predictions[name] = class_rows(outcome.test, test, decided[name])
    probabilities, predicted = systems["model"][1], decided["model"]
    plots = draw_plots(labels, probabilities, outcome.names, outcome.evaluation)
    plots["confusion"] = metrics.confusion_rows(labels, predicted, outcome.names)
    return Report(scores, predictions, plots, class_mistakes(outcome, probabilities, predicted))


def false_positives(rows: list[Row], predictions: list[Row]) -> list[dict[str, Cell]]:
    """Test rows that were taken for class 1 and are not, the most probable first, with all columns but the label."""
    taken = [
        {"probability": p["probabilities"][1], **{column: row[column] for column in row if column != "label"}}
        for row, p in zip(rows, predictions, strict=True)
        if p["prediction"] > row["label"]
    ]
    return sorted(taken, key=lambda row: (-row["probability"], row["id"]))


def score_pairs(outcome: Outcome) -> Report:
    """Candidates ranked within their query, beside BM25; and single pairs at 1 to a few others, as published.

    A pair is taken for right at the threshold with the best F1 on the validation pairs that are drawn in the same way.
    """
    queries = [p["query"] for p in outcome.test_predictions]
    labels, sampled = labels_of(outcome.test), np.array([row["sampled"] for row in outcome.test])
    first, second = outcome.run.inputs
    both = [*outcome.validation, *outcome.test]
    background = sorted({row[second] for row in (*outcome.train, *both)})
    bm25 = baselines.bm25_scores([row[first] for row in both], [row[second] for row in both], background)
    given = np.array([p["probability"] for p in (*outcome.validation_predictions, *outcome.test_predictions)])
    end = len(outcome.validation)
    drawn = np.array([row["sampled"] for row in outcome.validation])
    scores: dict[str, dict[str, Any]] = {}
    predictions: dict[str, list[Row]] = {}
    for name, values in {"model": given, "bm25": bm25}.items():  # (validation and test pairs,)
        threshold = metrics.best_threshold(labels_of(outcome.validation)[drawn], values[:end][drawn])
        pair = metrics.pair_scores(labels[sampled], values[end:][sampled], threshold)
        ranking = metrics.ranking_scores(queries, labels, values[end:])
        scores[name] = {**ranking, **{f"pair_{key}": value for key, value in pair.items()}, "pair_threshold": threshold}
        predictions[name] = pair_rows(outcome.test, values[end:], threshold)
    probabilities = given[end:]
    two = np.stack([1 - probabilities, probabilities], axis=1)[sampled]  # (pairs, classes)
    plots = draw_plots(labels[sampled], two, outcome.names, outcome.evaluation)
    decided = (two[:, 1] >= scores["model"]["pair_threshold"]).astype(int)
    plots["confusion"] = metrics.confusion_rows(labels[sampled], decided, outcome.names)
    return Report(scores, predictions, plots, pair_mistakes(outcome, probabilities))


def pair_rows(rows: list[Row], scores: Any, threshold: float) -> list[Row]:
    """Predictions of one system; scores (rows,)."""
    return [
        {**{key: row[key] for key in PAIR}, "score": float(value), "prediction": int(value >= threshold)}
        for row, value in zip(rows, scores, strict=True)
    ]


def draw_plots(labels: Any, probabilities: Any, names: list[str], evaluation: Evaluation) -> Plots:
    """Confusion, reliability, and precision-recall: of class 1 of two, else of all classes taken together (micro)."""
    relevant = labels if len(names) == 2 else np.eye(len(names))[labels].ravel()
    scores = probabilities[:, 1] if len(names) == 2 else probabilities.ravel()
    return {
        "confusion": metrics.confusion_rows(labels, probabilities.argmax(axis=1), names),
        "reliability": metrics.reliability_bins(labels, probabilities, evaluation.calibration_bins),
        "precision_recall": metrics.precision_recall_points(relevant, scores, evaluation.plot_points),
    }


def class_mistakes(outcome: Outcome, probabilities: Any, predicted: Any) -> list[dict[str, str]]:
    """Wrong rows, those first whose right class was thought least likely."""
    left_out = frozenset(outcome.run.inputs) - frozenset(outcome.shown)
    rows = zip(outcome.test, probabilities, predicted, strict=True)
    wrong = sorted(
        (float(p[row["label"]]), row["id"], row, int(guess)) for row, p, guess in rows if guess != row["label"]
    )
    return [
        {
            "id": id_,
            "text": join_inputs(row, outcome.run.inputs, left_out),
            "label": f"{outcome.names[row['label']]} (probability {right:.3f})",
            "predicted": outcome.names[guess],
        }
        for right, id_, row, guess in wrong[: outcome.evaluation.most_wrong]
    ]


def pair_mistakes(outcome: Outcome, probabilities: Any) -> list[dict[str, str]]:
    """Queries whose right candidate ranks lowest, with the candidate that ranked first."""
    first, second = outcome.run.inputs
    by_query: dict[str, list[tuple[float, Row]]] = {}
    for row, p in zip(outcome.test, probabilities, strict=True):
        by_query.setdefault(row["query"], []).append((-float(p), row))
    wrong = []
    for query, pairs in by_query.items():
        ranked = sorted(pairs, key=lambda pair: (pair[0], pair[1]["label"], pair[1]["id"]))  # ties as in mrr
        rank, cited = next((rank, row) for rank, (_, row) in enumerate(ranked, start=1) if row["label"])
        if rank > 1:
            wrong.append((-rank, query, cited, ranked[0][1]))
    return [
        {
            "id": query,
            "text": cited[first],
            "label": f"{cited[second]} (rank {-rank} of {len(by_query[query])})",
            "predicted": top[second],
        }
        for rank, query, cited, top in sorted(wrong, key=lambda item: item[:2])[: outcome.evaluation.most_wrong]
    ]


def labels_of(rows: list[Row]) -> Any:
    """(rows,) class numbers."""
    return np.array([row["label"] for row in rows])


def probabilities_of(predictions: list[Row]) -> Any:
    """(rows, classes) class probabilities."""
    return np.array([prediction["probabilities"] for prediction in predictions])


def tfidf(outcome: Outcome, rows: list[Row]) -> Any:
    """(rows, classes) from TF-IDF with logistic regression, trained on all inputs, shown what the model is shown."""
    return baselines.tfidf_logistic(
        [" ".join(row[name] for name in outcome.run.inputs) for row in outcome.train],
        labels_of(outcome.train),
        [" ".join(row[name] for name in outcome.run.inputs if name in outcome.shown) for row in rows],
        len(outcome.names),
        balanced=outcome.run.class_weights == "balanced",
        seed=outcome.seed,
    )


SCORERS = {
    "token_classification": score_entities,
    "sequence_classification": score_classes,
    "pair_classification": score_pairs,
}
