"""Tables of data sets, pretraining and training cost, from params.yaml and metrics/."""

from pathlib import Path
from typing import Any

from papertrail.core.params import Optimisation, Params
from papertrail.core.records import SPLITS
from papertrail.data.task import label_origin_of
from papertrail.report.names import ORIGINS
from papertrail.report.tables import Table, read_metrics


def data_table(params: Params) -> Table:
    """Return a row per data set: task, size, origin of its labels and licence."""
    rows = []
    for name, block in params.datasets.items():
        sizes = read_counts(name)["rows"]
        counts = " / ".join(f"{sizes[split]['all']:,}" for split in SPLITS)
        rows.append([name, block["task"], counts, label_origin_of(block), params.sources[block["source"]].licence])
    headers = ["data set", "task", "rows: train / validation / test", "labels", "licence"]
    return Table(title="Data sets", headers=headers, rows=rows)


def origin_table(params: Params) -> Table:
    """Return a row per origin of labels: their source, what a score measures, and the data sets."""
    datasets: dict[str, list[str]] = {}
    for name, block in params.datasets.items():
        datasets.setdefault(label_origin_of(block), []).append(name)
    rows = [
        [name, origin.source, origin.measures, ", ".join(datasets[name])]
        for name, origin in ORIGINS.items()
        if name in datasets
    ]
    return Table(title="Labels", headers=["labels", "source", "a score measures", "data sets"], rows=rows)


def label_table(params: Params) -> Table:
    """Return a row per data set and class: rows of each split."""
    rows = []
    for name in params.datasets:
        sizes = read_counts(name)["rows"]
        for label in sorted({label for split in SPLITS for label in sizes[split]} - {"all"}):
            rows.append([name, label, *(f"{sizes[split].get(label, 0):,}" for split in SPLITS)])
    return Table(title="Rows by class", headers=["data set", "class", *SPLITS], rows=rows)


def dropped_table(params: Params) -> Table:
    """Return a row per data set and reason for which something was dropped."""
    rows = [
        [name, reason, f"{count:,}"]
        for name in params.datasets
        for reason, count in sorted(read_counts(name)["dropped"].items())
        if count
    ]
    return Table(title="Dropped", headers=["data set", "what", "count"], rows=rows)


def leakage_table(params: Params) -> Table:
    """Return a row per data set and label leakage check: labels that are readable from the input."""
    rows = [
        [name, check.replace("_", " "), f"{counts['leaked']:,} of {counts['labels']:,}"]
        for name in params.datasets
        for check, counts in sorted(read_counts(name)["label_leakage"].items())
    ]
    return Table(title="Label leakage", headers=["data set", "check", "labels readable from the input"], rows=rows)


def contamination_table() -> Table:
    """Return a row per data set: test rows found in the pretraining text."""
    rows = [
        [name, *(f"{counts[key]:,}" for key in ("rows", "compared", "in_pretraining"))]
        for name, counts in read_metrics(Path("metrics/contamination.json")).items()
    ]
    headers = ["data set", "distinct test texts", "long enough to compare", "in the pretraining text"]
    return Table(title="Test texts in the pretraining text", headers=headers, rows=rows)


def pretraining_table() -> Table:
    """Return a row per metric on the validation pairs, before and after pretraining."""
    numbers = read_metrics(Path("metrics/pretrain.json"))
    rows = [
        [metric.replace("_", " "), f"{before:,.3f}", f"{numbers['after'][metric]:,.3f}"]
        for metric, before in numbers["before"].items()
    ]
    headers = ["metric on validation pairs", "before", "after"]
    return Table(title=f"{numbers['steps']} steps of pretraining", headers=headers, rows=rows)


def cost_table(params: Params) -> Table:
    """Return a row per model that is trained in steps: its base model and the work of its training."""
    rows = []
    for name, model in params.models.items():
        if not isinstance(model, Optimisation):
            continue
        numbers = read_metrics(Path("metrics/finetune", f"{name}.json"))
        batch = model.batch_size * model.gradient_accumulation
        counts = [numbers["epochs"], numbers["best_epoch"], numbers["steps"], batch, numbers["steps"] * batch]
        rows.append([name, model.base_model, *(f"{n:,.{0 if n == round(n) else 2}f}" for n in counts)])
    headers = ["model", "base model", "epochs", "best epoch", "steps", "examples per step", "examples at most"]
    return Table(title="Training", headers=headers, rows=rows)


def read_counts(dataset: str) -> dict[str, Any]:
    """Return what stage prepare counted in a data set."""
    return read_metrics(Path("metrics/prepare", f"{dataset}.json"))
