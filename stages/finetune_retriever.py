"""Tune a sentence encoder for search -> models/<retriever>, loadable with SentenceTransformer alone."""

import argparse
from pathlib import Path

from scholar.errors import full_disk_told, run
from scholar.heads.retrieval import saver, train
from scholar.params import choose, load_params
from scholar.plots import write_learning_curves
from scholar.records import read_rows, write_json
from scholar.runtime import device, start
from scholar.trainer import resume_settings, save_model


def main() -> None:
    """Train, then write the encoder, its learning curves and its metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a retriever of params.yaml")
    name = parser.parse_args().name
    params = load_params()
    retriever = params.retrievers[choose("retriever", name, list(params.retrievers))]
    seed = params.seed_of(retriever)
    start(params.runtime, seed)

    folder = Path("data/prepared", retriever.task, retriever.data)
    files = [folder / f"{part}.parquet" for part in ("train", "validation", "collection")]
    train_rows, validation_rows, collection = (read_rows(file).to_list() for file in files)
    splits = {"train": train_rows, "validation": validation_rows}

    inputs = [Path(__file__), *files, *(file for file in Path(retriever.encoder).rglob("*") if file.is_file())]
    settings = resume_settings(name, retriever, params.runtime, seed, inputs, params.trackers)
    with full_disk_told(settings.checkpoints):
        model, history, metrics = train(retriever, splits, collection, settings, device(params.runtime))

    write_learning_curves(history, name, Path("metrics/plots"))
    write_json(metrics, Path("metrics/finetune", f"{name}.json"))
    with full_disk_told(Path("models")):
        save_model(Path("models", name), saver(model))  # last: from here on there is nothing to resume


if __name__ == "__main__":
    run(main)
