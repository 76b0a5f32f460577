"""Predict, then score: predictions/<run>/ (one row per example), metrics/<run>.json, plots, and the worst mistakes."""

import argparse
from pathlib import Path

from datasets import Dataset

from scholar.batching import predict_logits
from scholar.encoding import check_columns, encode_rows, load_tokenizer
from scholar.errors import run as run_command
from scholar.params import choose, load_params
from scholar.plots import write_csv
from scholar.records import SPLITS, Row, read_rows, write_json, write_rows, write_text
from scholar.runtime import start
from scholar.scoring import Outcome, needs_validation, score
from scholar.task import load_head


def main() -> None:
    """Read the test split with a trained model, in every view that params.yaml asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a run of params.yaml")
    name = parser.parse_args().name
    params = load_params()
    run = params.runs[choose("run", name, list(params.runs))]
    start(params.runtime, params.seed)

    head = load_head(run.head)
    model = head.AUTO_MODEL.from_pretrained(f"models/{name}", local_files_only=True)
    data = {split: read_rows(Path("data/prepared", run.task, run.data, f"{split}.parquet")) for split in SPLITS}
    check_columns(head, run, data["test"].column_names)
    names = head.class_names(data["train"].features)
    rows = {split: given.to_list() for split, given in data.items()}
    views = params.evaluation.views.get(run.data, {"test": run.inputs})

    tokenizer = load_tokenizer(Path("models", name), run.max_tokens)
    folder = Path("predictions", name)

    def predict(split: str, view: str, shown: list[str]) -> tuple[list[Row], int]:
        items, cut = encode_rows(head, rows[split], tokenizer, run, frozenset(run.inputs) - frozenset(shown))
        logits = predict_logits(model, items, head.build_collator(tokenizer), params.evaluation.batch_size)
        predictions = head.decode(rows[split], items, logits, names)
        write_rows(predictions, Dataset.from_list(predictions).features, folder / f"{view}.parquet")
        return predictions, cut

    results: dict[str, object] = {}
    mistakes: list[str] = []
    for view, shown in views.items():
        test, cut = predict("test", view, shown)
        validation = predict("validation", "validation", shown)[0] if needs_validation(run.head, names) else []
        report = score(
            Outcome(
                run=run,
                names=names,
                shown=shown,
                train=rows["train"],
                validation=rows["validation"],
                test=rows["test"],
                validation_predictions=validation,
                test_predictions=test,
                seed=params.seed,
                evaluation=params.evaluation,
            )
        )
        if view == next(iter(views)):  # the first view is the one that is drawn
            for plot, points in report.plots.items():
                write_csv(points, Path("metrics/plots", plot, f"{name}.csv"), list(points[0]))
        mistakes += [f"# {name}, {view}: the worst mistakes\n", *map(describe, report.mistakes)]
        results[view] = {**report.scores, "examples": len(test), "examples_cut": cut}
    write_text("\n".join(mistakes), folder / "errors.md")
    write_json(results, Path("metrics", f"{name}.json"))


def describe(mistake: dict[str, str]) -> str:
    """A mistake as a paragraph of Markdown."""
    return "\n".join(f"- {key}: {value}" for key, value in mistake.items()) + "\n"


if __name__ == "__main__":
    run_command(main)
