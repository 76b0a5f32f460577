"""The tables of README.md, from params.yaml and metrics/. `python -m scholar.readme [--check]`."""

import argparse
import json
from pathlib import Path
from typing import Any

from tabulate import tabulate

from scholar.comparison import verdict
from scholar.errors import ScholarError, run
from scholar.params import Params, load_params
from scholar.records import write_text
from scholar.samples import SEARCH
from scholar.task import load_task

README = Path("README.md")
NAMES = {
    "f1": "entity F1",
    "macro_f1": "macro-F1",
    "mrr": "MRR",
    "average_precision": "average precision",
    "rougeL": "ROUGE-L",
    "memorised": "memorised mentions",
    "tfidf": "TF-IDF + logistic regression",
    "majority": "majority class",
    "bm25": "BM25",
}
SEARCHERS = {"bm25": "BM25", "untuned": "untuned encoder", "model": "tuned encoder", "hybrid": "BM25 + tuned"}
WRITERS = {
    "lead": "first sentences",
    "lexrank": "LexRank",
    "untuned": "untuned model",
    "model": "tuned model",
    "oracle": "oracle extract",
}
WRITTEN = ("rouge1", "rouge2", "rougeL", "rougeLsum", "new_bigrams", "repeated_trigrams", "words")
COMPARISONS = Path("metrics/comparisons.json")
CRANFIELD = Path("benchmarks/cranfield.json")


def main() -> None:
    """Write the tables, or with --check only tell whether they are those of the current metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when README.md is stale")
    check = parser.parse_args().check
    params = load_params()
    old = README.read_text(encoding="utf-8")
    new = old
    tables = {
        "results": result_table(params),
        "comparisons": comparison_table(params),
        "search": search_table(params),
        "summaries": summary_table(params),
        "data": data_table(params),
    }
    for name, table in tables.items():
        new = replace_block(new, name, table)
    if new != old and check:
        raise ScholarError(f"{README}: its tables differ from params.yaml and metrics/; run `make readme`")
    if new != old:
        write_text(new, README)


def replace_block(text: str, name: str, table: str) -> str:
    """The text with everything between the two marks of a block replaced.

    Raises:
        ScholarError: the marks are not there.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise ScholarError(f"{README}: no block between '{begin}' and '{end}'; put the two lines back")
    return f"{before}{begin}\n{table}\n{end}{after}"


def result_table(params: Params) -> str:
    """A row per run and view: the model on test beside its baselines, and its verdict against the best of them."""
    rows = []
    comparisons = read_metrics(COMPARISONS)
    for name in params.runs:
        for view, scores in read_metrics(Path("metrics", f"{name}.json")).items():
            systems = {key: value for key, value in scores.items() if isinstance(value, dict)}
            compared = comparisons[name][view]
            metric = next(metric for other in systems.keys() & compared.keys() for metric in compared[other])
            model = systems.pop("model")
            best = max(systems, key=lambda system: systems[system][metric])
            others = ", ".join(f"{NAMES[system]} {with_interval(given, metric)}" for system, given in systems.items())
            told = verdict(compared[best][metric], params.evaluation.level)
            rows.append([title(name, view), NAMES[metric], with_interval(model, metric), others, told])
    headers = ["run", "test score", "model", "baselines", "model against the best baseline"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def comparison_table(params: Params) -> str:
    """A row per comparison that is not in the table of results: between encoders, and of search and summary systems."""
    rows = []
    for name, views in read_metrics(COMPARISONS).items():
        for view, others in views.items():
            systems = {} if name in params.runs else SEARCHERS if name in params.retrievers else WRITERS
            for other, metrics in others.items():
                for metric, numbers in metrics.items() if other in systems or other not in NAMES else ():
                    effect = f"{numbers['effect']:+.3f} [{numbers['low']:+.3f}, {numbers['high']:+.3f}]"
                    told = verdict(numbers, params.evaluation.level)
                    against = systems.get(other, other)
                    row = [title(name, view), against, NAMES.get(metric, metric), effect, f"{numbers['p_holm']:.4f}"]
                    rows.append([*row, told])
    headers = ["model", "against", "score", "difference", "p (Holm)", "verdict"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def title(name: str, view: str) -> str:
    """How a run and what it was shown are called."""
    return name if view == "test" else f"{name}, shown {view.replace('_', ' and ')}"


def with_interval(scores: dict[str, float], metric: str) -> str:
    """`0.730 [0.690, 0.765]`."""
    return f"{scores[metric]:.3f} [{scores[f'{metric}_low']:.3f}, {scores[f'{metric}_high']:.3f}]"


def search_table(params: Params) -> str:
    """A row per collection and system; the best of a collection in bold."""
    results = {}
    for name in params.retrievers:
        test = read_metrics(Path("metrics", f"{name}.json"))["test"]
        results[name] = test
        results |= {f"{name}, works {part} in training": test[part] for part in ("seen", "unseen") if part in test}
    if CRANFIELD.is_file():
        results["Cranfield, never trained on"] = read_metrics(CRANFIELD)["test"]
    rows = []
    for name, systems in results.items():
        scores = {system: systems[system] for system in SEARCHERS}
        best = {measure: max(given[measure] for given in scores.values()) for measure in SEARCH}
        for system, given in scores.items():
            cells = [f"**{given[m]:.3f}**" if given[m] == best[m] else f"{given[m]:.3f}" for m in SEARCH]
            rows.append([name, SEARCHERS[system], *cells])
    return tabulate(rows, ["queries", "system", *SEARCH], tablefmt="github", disable_numparse=True)


def summary_table(params: Params) -> str:
    """A row per system: ROUGE, then what the texts are like."""
    rows = []
    for name in params.summarizers:
        test = read_metrics(Path("metrics", f"{name}.json"))["test"]
        for system, shown in WRITERS.items():
            cells = [f"{test[system][m]:.0f}" if m == "words" else f"{test[system][m]:.3f}" for m in WRITTEN]
            rows.append([name, shown, *cells])
    headers = ["summarizer", "system", *(measure.replace("_", " ") for measure in WRITTEN)]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def data_table(params: Params) -> str:
    """A row per data set: its task, size, licence, and who says what is right."""
    rows = []
    for name, block in params.datasets.items():
        sizes = read_metrics(Path("metrics/prepare", f"{name}.json"))["rows"]
        counts = " / ".join(f"{sizes[split]['all']:,}" for split in ("train", "validation", "test"))
        origin = load_task(block["task"]).label_origin
        rows.append([name, block["task"], counts, origin, params.sources[block["source"]].licence])
    return tabulate(
        rows, ["data set", "task", "rows: train / validation / test", "labels", "licence"], tablefmt="github"
    )


def read_metrics(file: Path) -> dict[str, Any]:
    """A metrics file.

    Raises:
        ScholarError: it is not there.
    """
    if not file.is_file():
        raise ScholarError(f"{file}: no such file; run `dvc repro` first")
    return json.loads(file.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


if __name__ == "__main__":
    run(main)
