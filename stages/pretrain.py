"""Train the base encoder further on text of papers -> models/pretrained, an encoder for runs to start from."""

from pathlib import Path

from scholar.errors import full_disk_told, run
from scholar.params import choose, load_params
from scholar.plots import write_learning_curves
from scholar.pretraining import Documents, pretrain
from scholar.records import read_rows, write_json
from scholar.runtime import start
from scholar.trainer import resume_settings, save_model


def main() -> None:
    """Pretrain, then write the encoder, its learning curve and its metrics."""
    params = load_params()
    start(params.runtime, params.seed)
    for name in params.pretraining.corpora:
        choose("data set", name, list(params.datasets))
    splits: dict[str, list[Documents]] = {}
    inputs = [Path(__file__), *(file for file in Path(params.pretraining.encoder).rglob("*") if file.is_file())]
    for split in ("train", "validation"):
        files = [
            Path("data/prepared/pretraining", name, f"{split}.parquet") for name in sorted(params.pretraining.corpora)
        ]
        splits[split] = [read_rows(file)["sentences"][:] for file in files]
        inputs += files

    settings = resume_settings("pretrained", params.pretraining, params.runtime, params.seed, inputs, params.trackers)
    with full_disk_told(settings.checkpoints):
        model, tokenizer, history, metrics = pretrain(splits, params.pretraining, settings)
    write_learning_curves(history, "pretrained", Path("metrics/plots"))
    write_json(metrics, Path("metrics/pretrain.json"))
    with full_disk_told(Path("models")):
        # last: from here on there is nothing to resume
        save_model(Path("models/pretrained"), model.save_pretrained, tokenizer.save_pretrained)


if __name__ == "__main__":
    run(main)
