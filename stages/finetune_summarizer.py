"""Tune a language model to write summaries -> models/<summarizer>, loadable with from_pretrained alone."""

import argparse
from pathlib import Path

from scholar.errors import full_disk_told, run
from scholar.heads.generation import train
from scholar.params import choose, load_params
from scholar.plots import write_learning_curves
from scholar.records import read_rows, write_json
from scholar.runtime import device, start
from scholar.trainer import resume_settings, save_model


def main() -> None:
    """Train, then write the model, its learning curves and its metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a summarizer of params.yaml")
    name = parser.parse_args().name
    params = load_params()
    summarizer = params.summarizers[choose("summarizer", name, list(params.summarizers))]
    seed = params.seed_of(summarizer)
    start(params.runtime, seed)

    folder = Path("data/prepared", summarizer.task, summarizer.data)
    files = {split: folder / f"{split}.parquet" for split in ("train", "validation")}
    splits = {split: read_rows(file).to_list() for split, file in files.items()}

    inputs = [
        Path(__file__),
        *files.values(),
        *(file for file in Path(summarizer.encoder).rglob("*") if file.is_file()),
    ]
    settings = resume_settings(name, summarizer, params.runtime, seed, inputs, params.trackers)
    with full_disk_told(settings.checkpoints):
        model, tokenizer, history, metrics = train(summarizer, splits, settings, device(params.runtime))

    write_learning_curves(history, name, Path("metrics/plots"))
    write_json(metrics, Path("metrics/finetune", f"{name}.json"))
    with full_disk_told(Path("models")):
        # last: from here on there is nothing to resume
        save_model(Path("models", name), model.save_pretrained, tokenizer.save_pretrained)


if __name__ == "__main__":
    run(main)
