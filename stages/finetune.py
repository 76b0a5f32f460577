"""Train a run: its data set, its head and its encoder -> models/<run>, loadable with from_pretrained alone."""

import argparse
from pathlib import Path

from scholar.encoding import check_columns
from scholar.errors import full_disk_told
from scholar.errors import run as run_command
from scholar.params import choose, load_params
from scholar.plots import write_learning_curves
from scholar.records import Rows, read_rows, write_json
from scholar.runtime import start
from scholar.task import load_head
from scholar.trainer import resume_settings, save_model
from scholar.training import finetune


def main() -> None:
    """Train, then write the model, its learning curves and its metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a run of params.yaml")
    name = parser.parse_args().name
    params = load_params()
    run = params.runs[choose("run", name, list(params.runs))]
    seed = params.seed_of(run)
    start(params.runtime, seed)

    head = load_head(run.head)
    files = {split: Path("data/prepared", run.task, run.data, f"{split}.parquet") for split in ("train", "validation")}
    data = {split: read_rows(file) for split, file in files.items()}
    check_columns(head, run, data["train"].column_names)
    names = head.class_names(data["train"].features)

    inputs = [Path(__file__), *files.values(), *(file for file in Path(run.encoder).rglob("*") if file.is_file())]
    settings = resume_settings(name, run, params.runtime, seed, inputs, params.trackers)
    with full_disk_told(settings.checkpoints):
        trained = finetune(run, head, names, {split: Rows(rows) for split, rows in data.items()}, settings)

    write_learning_curves(trained.history, name, Path("metrics/plots"))
    write_json(trained.metrics, Path("metrics/finetune", f"{name}.json"))
    with full_disk_told(Path("models")):
        # last: from here on there is nothing to resume
        save_model(Path("models", name), trained.model.save_pretrained, trained.tokenizer.save_pretrained)


if __name__ == "__main__":
    run_command(main)
