"""Continue pretraining of the base encoder on the text of papers -> models/pretrained."""

from pathlib import Path

from papertrail.core.artifacts import write_json
from papertrail.core.params import load_params
from papertrail.core.process import run_cli
from papertrail.core.runtime import start
from papertrail.train.checkpoints import resume_settings, save_model
from papertrail.train.curves import write_learning_curves
from papertrail.train.encoder import input_files, pretrain


def main() -> None:
    """Pretrain; write the encoder, its learning curve and its metrics."""
    params = load_params()
    training = params.pretraining
    start(params.runtime, params.seed_of(training))
    files = [Path("code/pretrain.json"), *input_files(training)]
    trained = pretrain(training, resume_settings("pretrained", training, params, files))
    write_learning_curves(trained.history, "pretrained", Path("metrics/plots"))
    write_json(trained.metrics, Path("metrics/pretrain.json"))
    save_model(Path("models/pretrained"), *trained.savers)  # last: it removes the checkpoints


if __name__ == "__main__":
    run_cli(main)
