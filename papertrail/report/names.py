"""Names of metrics, systems and label origins in tables: one mapping each."""

from dataclasses import dataclass

METRICS = {  # metric, higher is better -> name; tables show them in this order
    "f1": "F1",  # entities are compared by it, binary classes by average precision
    "macro_f1": "macro-F1",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "mrr": "MRR",
    "ndcg@10": "nDCG@10",
    "mrr@10": "MRR@10",
    "map@100": "MAP@100",
    "recall@1": "recall@1",
    "recall@5": "recall@5",
    "recall@10": "recall@10",
    "recall@100": "recall@100",
    "pair_accuracy": "pair accuracy",
    "pair_precision": "pair precision",
    "pair_recall": "pair recall",
    "pair_f1": "pair F1",
    "wss@95": "WSS@95",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "rougeLsum": "ROUGE-Lsum",
    "supported_words": "words in the source",
    "supported_numbers": "numbers in the source",
}
SYSTEMS = {  # tables show them in this order
    "majority": "majority class",
    "everything": "predict all positive",
    "memorised": "memorised mentions",
    "window": "word windows + logistic regression",
    "tfidf": "TF-IDF + logistic regression",
    "frozen": "frozen base model + logistic regression",
    "bm25": "BM25",
    "lead": "first sentences",
    "lexrank": "LexRank",
    "untuned": "untuned base model",
    "encoder": "model without BM25",
    "model": "model",
    "hybrid": "BM25 + model",
    "oracle": "oracle extract",
}
SIMPLE = {"majority", "everything", "memorised", "window", "tfidf", "bm25", "lead", "lexrank"}  # no neural network
COMBINED = {"hybrid", "encoder"}  # systems that contain the model or are a part of it, so they are no baseline of it


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the labels of a data set come from, and so what a score measures."""

    source: str
    measures: str

    def describe(self) -> str:
        """Return both in a sentence."""
        return f"Labels come from {self.source}; a score measures {self.measures}."


ORIGINS = {  # by LabelOrigin of papertrail.data.task
    "human": Origin("annotators", "agreement with human judgement"),
    "author": Origin("the authors' own text", "similarity to that text, although another one may be as good"),
    "parser": Origin("the tool that parsed the PDFs", "imitation of that tool, with its errors"),
    "distant": Origin("a rule", "imitation of that rule, with its errors"),
    "behaviour": Origin("what authors cited or linked", "prediction of that behaviour; other items were not judged"),
    "none": Origin("nobody", "nothing: this is text for pretraining"),
}


def metric_name(metric: str) -> str:
    """Return the name of a metric."""
    return METRICS.get(metric, metric.replace("_", " "))


def system_name(system: str) -> str:
    """Return the name of a system: the model, a baseline, or another model of params.yaml."""
    return SYSTEMS.get(system, system)


def model_name(model: str, view: str) -> str:
    """Return the name of a model on a view of the test split, such as `category, inputs title and abstract`."""
    return model if view == "test" else f"{model}, inputs {view.replace('_', ' and ')}"
