"""Predict, then score: predictions/<run>/ (rows by system, worst mistakes), metrics/evaluate/<run>.json, and plots.

Where papers of interest are sought, predictions/<run>/false_positives.csv has all that were wrongly taken for some.
"""

import argparse
import shutil
from pathlib import Path

from datasets import Dataset

from scholar.batching import predict_logits
from scholar.calibration import fit_temperature
from scholar.encoding import check_columns, encode_rows, load_tokenizer
from scholar.errors import run as run_command
from scholar.params import choose, load_params
from scholar.plots import write_csv
from scholar.records import SPLITS, Row, read_rows, write_json, write_rows, write_text
from scholar.runtime import for_reading, start
from scholar.scoring import Outcome, Report, false_positives, is_screening, needs_validation, score
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
    model = for_reading(head.AUTO_MODEL.from_pretrained(f"models/{name}", local_files_only=True), params.runtime)
    data = {split: read_rows(Path("data/prepared", run.task, run.data, f"{split}.parquet")) for split in SPLITS}
    check_columns(head, run, data["test"].column_names)
    names = head.class_names(data["train"].features)
    rows = {split: given.to_list() for split, given in data.items()}
    views = params.evaluation.views.get(run.data, {"test": run.inputs})

    tokenizer = load_tokenizer(Path("models", name), run.max_tokens)
    folder = Path("predictions", name)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)

    def predict(split: str, shown: list[str], temperature: float | None) -> tuple[list[Row], int, float]:
        """Predictions, how many rows were cut, and the temperature, which is fitted here if it is None."""
        items, cut = encode_rows(head, rows[split], tokenizer, run, frozenset(run.inputs) - frozenset(shown))
        logits = predict_logits(model, items, head.build_collator(tokenizer), params.evaluation.batch_size)
        chosen = fit_temperature(items, logits) if temperature is None else temperature
        return head.decode(rows[split], items, [given / chosen for given in logits], names), cut, chosen

    def write(predictions: list[Row], file: str) -> None:
        write_rows(predictions, Dataset.from_list(predictions).features, part / f"{file}.parquet")

    scaled = params.evaluation.temperature == "validation"
    reports: dict[str, Report] = {}
    results: dict[str, object] = {}
    for view, shown in sorted(views.items()):
        validation: list[Row] = []
        temperature = 1.0
        if scaled or needs_validation(run.head, names):
            validation, _, temperature = predict("validation", shown, None if scaled else 1.0)
            write(validation, "validation" if view == "test" else f"validation_{view}")
        test, cut, _ = predict("test", shown, temperature)
        reports[view] = score(
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
        write([row for told in reports[view].predictions.values() for row in told], view)
        if is_screening(run.head, names):
            taken = false_positives(rows["test"], reports[view].predictions["model"])
            columns = ["probability", *(column for column in data["test"].column_names if column != "label")]
            write_csv(taken, part / f"{'' if view == 'test' else f'{view}_'}false_positives.csv", columns)
        counts = {"examples": len(test), "examples_cut": cut}
        results[view] = {**reports[view].scores, **counts, **({"temperature": temperature} if scaled else {})}
    write_text("\n".join(describe(name, view, report) for view, report in reports.items()), part / "errors.md")

    shutil.rmtree(folder, ignore_errors=True)  # everything is scored: from here on it is only put in place
    part.rename(folder)
    for plot, points in next(iter(reports.values())).plots.items():  # of the first view
        write_csv(points, Path("metrics/plots", plot, f"{name}.csv"), list(points[0]))
    write_json(results, Path("metrics/evaluate", f"{name}.json"))


def describe(name: str, view: str, report: Report) -> str:
    """The worst mistakes of a view as Markdown, a list each."""
    lists = ["\n".join(f"- {key}: {value}" for key, value in mistake.items()) for mistake in report.mistakes]
    return "\n\n".join([f"# {name}, {view}: the worst mistakes", *lists]) + "\n"


if __name__ == "__main__":
    run_command(main)
