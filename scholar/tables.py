"""Every table of results, from params.yaml and metrics/: README.md and the report show the same ones."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from scholar.comparison import verdict
from scholar.errors import ScholarError
from scholar.params import Params
from scholar.samples import SEARCH
from scholar.task import label_origin_of

NAMES = {
    "f1": "entity F1",
    "macro_f1": "macro-F1",
    "mrr": "MRR",
    "average_precision": "average precision",
    "rougeL": "ROUGE-L",
    "memorised": "memorised mentions",
    "window": "word windows + logistic regression",
    "tfidf": "TF-IDF + logistic regression",
    "majority": "majority class",
    "everything": "everything taken",
    "bm25": "BM25",
}
HEADLINES = ("average_precision", "macro_f1", "mrr", "ndcg@10", "rougeL", "f1")  # the first a model has is tested
SEARCHERS = {"bm25": "BM25", "untuned": "untuned encoder", "model": "tuned encoder", "hybrid": "BM25 + tuned"}
WRITERS = {
    "lead": "first sentences",
    "lexrank": "LexRank",
    "untuned": "untuned model",
    "model": "tuned model",
    "oracle": "oracle extract",
}
WRITTEN = ("rouge1", "rouge2", "rougeL", "rougeLsum", "new_bigrams", "repeated_trigrams", "words")
CLASS_SCORES = ("precision", "recall", "f1")
ORIGINS = {
    "human": ("annotators", "how well a model does what people do"),
    "author": ("the authors, who wrote it", "how well a model writes what they wrote"),
    "parser": ("the tool that read the PDFs", "how well a model imitates a tool"),
    "distant": ("a rule, here the venue of a work", "how well a model imitates a rule, with its errors"),
    "behaviour": ("what authors did, here whom they cite", "how well a model predicts a habit"),
    "none": ("nobody", "nothing: it is text to pretrain on"),
}
SPLITS = ("train", "validation", "test")
COMPARISONS = Path("metrics/comparisons.json")
CRANFIELD = Path("benchmarks/cranfield.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells as they are shown; the best of its kind stands between `**`."""

    title: str
    headers: Sequence[str]
    rows: list[list[str]]

    def to_markdown(self) -> str:
        """The table without its title."""
        return tabulate(self.rows, list(self.headers), tablefmt="github", disable_numparse=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How much better a model is than another system by a score; `numbers` as in metrics/comparisons.json."""

    model: str
    against: str
    score: str
    numbers: dict[str, float]
    verdict: str
    in_results: bool  # against a baseline of a run, which the table of results shows


def result_table(params: Params) -> Table:
    """A row per run and view: the model on test beside its baselines, and its verdict against the best of them."""
    rows = []
    comparisons = read_metrics(COMPARISONS) if params.runs else {}
    for name in params.runs:
        for view, scores in read_scores(name).items():
            systems = {key: value for key, value in scores.items() if isinstance(value, dict)}
            compared = comparisons[name][view]
            metric = next(metric for other in systems.keys() & compared.keys() for metric in compared[other])
            model = systems.pop("model")
            best = max(systems, key=lambda system: systems[system][metric])
            others = ", ".join(f"{NAMES[system]} {with_interval(given, metric)}" for system, given in systems.items())
            told = verdict(compared[best][metric], params.evaluation.level)
            rows.append([call(name, view), NAMES[metric], with_interval(model, metric), others, told])
    headers = ["run", "test score", "model", "baselines", "model against the best baseline"]
    return Table(title="Models and baselines", headers=headers, rows=rows)


def read_effects(params: Params) -> list[Effect]:
    """Every comparison, in the order of params.yaml."""
    found = []
    comparisons = read_metrics(COMPARISONS)
    for names, trained in ((NAMES, params.runs), (SEARCHERS, params.retrievers), (WRITERS, params.summarizers)):
        for name in trained:
            found += [
                Effect(
                    model=call(name, view),
                    against=names.get(other, other),
                    score=NAMES.get(score, score),
                    numbers=numbers,
                    verdict=verdict(numbers, params.evaluation.level),
                    in_results=name in params.runs and other in NAMES,
                )
                for view, others in comparisons[name].items()
                for other, scores in others.items()
                for score, numbers in scores.items()
            ]
    return found


def comparison_table(params: Params) -> Table:
    """A row per comparison that is not in the table of results: between encoders, and of search and summary systems."""
    rows = []
    for effect in read_effects(params):
        numbers = effect.numbers
        difference = f"{numbers['effect']:+.3f} [{numbers['low']:+.3f}, {numbers['high']:+.3f}]"
        if not effect.in_results:
            p = f"{numbers['p_holm']:.4f}"
            rows.append([effect.model, effect.against, effect.score, difference, p, effect.verdict])
    headers = ["model", "against", "score", "difference", "p (Holm)", "verdict"]
    return Table(title="Models and other systems", headers=headers, rows=rows)


def seed_table(params: Params) -> Table:
    """A row per study of params.yaml that was made, and view: the model's first score, and two kinds of spread."""
    rows = []
    for name in params.seed_studies:
        file = Path("metrics/seeds", f"{name}.json")
        for view, scores in (read_metrics(file) if file.is_file() else {}).items():
            score = next(score for score in HEADLINES if score in scores)
            numbers = scores[score]
            spreads = [f"{numbers[key]:.3f}" for key in ("mean", "standard_deviation", "standard_error")]
            rows.append([call(name, view), NAMES.get(score, score), f"{numbers['seeds']}", *spreads])
    headers = ["model", "score", "seeds", "mean", "standard deviation over seeds", "standard error of the test set"]
    return Table(title="Studies of seeds", headers=headers, rows=rows)


def call(name: str, view: str) -> str:
    """How a run and what it was shown are called."""
    return name if view == "test" else f"{name}, shown {view.replace('_', ' and ')}"


def with_interval(scores: dict[str, float], metric: str) -> str:
    """`0.730 [0.690, 0.765]`."""
    return f"{scores[metric]:.3f} [{scores[f'{metric}_low']:.3f}, {scores[f'{metric}_high']:.3f}]"


def class_table(params: Params) -> Table:
    """A row per run, view and class: precision, recall and F1 of the model."""
    rows = [
        [call(name, view), label, *(f"{given[score]:.3f}" for score in CLASS_SCORES), f"{given['support']:,}"]
        for name in params.runs
        for view, scores in read_scores(name).items()
        for label, given in scores["model"].items()
        if isinstance(given, dict) and "support" in given
    ]
    return Table(title="Classes", headers=["run", "class", "precision", "recall", "F1", "examples"], rows=rows)


def search_table(params: Params) -> Table:
    """A row per collection and system; the best of a collection in bold."""
    results = {}
    for name in params.retrievers:
        test = read_scores(name)["test"]
        results[name] = test
        results |= {f"{name}, works {part} in training": test[part] for part in ("seen", "unseen") if part in test}
    if params.retrievers and CRANFIELD.is_file():
        results["Cranfield, never trained on"] = read_metrics(CRANFIELD)["test"]
    rows = []
    for name, systems in results.items():
        scores = {system: systems[system] for system in SEARCHERS}
        best = {measure: max(given[measure] for given in scores.values()) for measure in SEARCH}
        for system, given in scores.items():
            cells = [f"**{given[m]:.3f}**" if given[m] == best[m] else f"{given[m]:.3f}" for m in SEARCH]
            rows.append([name, SEARCHERS[system], *cells])
    return Table(title="Search", headers=["queries", "system", *SEARCH], rows=rows)


def summary_table(params: Params) -> Table:
    """A row per system: ROUGE, then what the texts are like."""
    rows = []
    for name in params.summarizers:
        test = read_scores(name)["test"]
        for system, shown in WRITERS.items():
            cells = [f"{test[system][m]:.0f}" if m == "words" else f"{test[system][m]:.3f}" for m in WRITTEN]
            rows.append([name, shown, *cells])
    headers = ["summarizer", "system", *(measure.replace("_", " ") for measure in WRITTEN)]
    return Table(title="Summaries", headers=headers, rows=rows)


def data_table(params: Params) -> Table:
    """A row per data set: its task, size, licence, and who says what is right."""
    rows = []
    for name, block in params.datasets.items():
        sizes = read_counts(name)["rows"]
        counts = " / ".join(f"{sizes[split]['all']:,}" for split in SPLITS)
        origin = label_origin_of(block)
        rows.append([name, block["task"], counts, origin, params.sources[block["source"]].licence])
    headers = ["data set", "task", "rows: train / validation / test", "labels", "licence"]
    return Table(title="Data sets", headers=headers, rows=rows)


def origin_table(params: Params) -> Table:
    """A row per kind of label: who says what is right, and so what a score tells."""
    by_origin: dict[str, list[str]] = {}
    for name, block in params.datasets.items():
        by_origin.setdefault(label_origin_of(block), []).append(name)
    rows = [[origin, *told, ", ".join(by_origin[origin])] for origin, told in ORIGINS.items() if origin in by_origin]
    return Table(title="Labels", headers=["labels", "given by", "a score tells", "data sets"], rows=rows)


def label_table(params: Params) -> Table:
    """A row per data set and class: rows of each split."""
    rows = []
    for name in params.datasets:
        sizes = read_counts(name)["rows"]
        for label in sorted({label for split in SPLITS for label in sizes[split]} - {"all"}):
            rows.append([name, label, *(f"{sizes[split].get(label, 0):,}" for split in SPLITS)])
    return Table(title="Rows by class", headers=["data set", "class", *SPLITS], rows=rows)


def left_out_table(params: Params) -> Table:
    """A row per data set and reason for which something was left out."""
    rows = [
        [name, reason, f"{count:,}"]
        for name in params.datasets
        for reason, count in sorted(read_counts(name)["dropped"].items())
        if count
    ]
    return Table(title="Left out", headers=["data set", "what", "how many"], rows=rows)


def clue_table(params: Params) -> Table:
    """A row per data set and clue in its inputs that may give an answer away, as the data come."""
    rows = [
        [name, clue.replace("_", " "), f"{given['given_away']:,} of {given['answers']:,}"]
        for name in params.datasets
        for clue, given in sorted(read_counts(name)["readable"].items())
    ]
    return Table(
        title="Answers readable from the inputs", headers=["data set", "clue", "answers given away"], rows=rows
    )


def contamination_table() -> Table:
    """A row per data set: test rows found in the text of the pretraining."""
    found = read_metrics(Path("metrics/contamination.json"))
    rows = [
        [name, *(f"{given[key]:,}" for key in ("rows", "compared", "in_pretraining"))] for name, given in found.items()
    ]
    headers = ["data set", "distinct test texts", "long enough to compare", "in the pretraining text"]
    return Table(title="Test texts in the text of the pretraining", headers=headers, rows=rows)


def pretraining_table() -> Table:
    """A row per measure on validation pairs, before and after."""
    numbers = read_metrics(Path("metrics/pretrain.json"))
    rows = [
        [measure.replace("_", " "), f"{before:,.3f}", f"{numbers['after'][measure]:,.3f}"]
        for measure, before in numbers["before"].items()
    ]
    headers = ["on validation pairs", "before", "after"]
    return Table(title=f"{numbers['steps']} steps of pretraining", headers=headers, rows=rows)


def cost_table(params: Params) -> Table:
    """A row per training: what it starts from and how much work it is, in steps; no times, which no machine repeats."""
    rows = []
    for name, given in params.trained.items():
        numbers = read_metrics(Path("metrics/finetune", f"{name}.json"))
        batch = given.batch_size * given.gradient_accumulation
        counts = [numbers["epochs"], numbers["best_epoch"], numbers["steps"], batch, numbers["steps"] * batch]
        rows.append([name, given.encoder, *(f"{count:,.{0 if count == round(count) else 2}f}" for count in counts)])
    headers = ["training", "starts from", "epochs", "best epoch", "steps", "examples per step", "examples at most"]
    return Table(title="Trainings", headers=headers, rows=rows)


def read_scores(name: str) -> dict[str, Any]:
    """View -> system -> scores on test, of a run, a retriever or a summarizer."""
    return read_metrics(Path("metrics/evaluate", f"{name}.json"))


def read_counts(name: str) -> dict[str, Any]:
    """What stage prepare counted in a data set."""
    return read_metrics(Path("metrics/prepare", f"{name}.json"))


def read_metrics(file: Path) -> dict[str, Any]:
    """A metrics file.

    Raises:
        ScholarError: it is not there.
    """
    if not file.is_file():
        raise ScholarError(f"{file}: no such file; run `dvc repro` first")
    return json.loads(file.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
