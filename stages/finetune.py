"""Train a model of any kind -> models/<model>, loadable by its library alone."""

from pathlib import Path

from papertrail.core.artifacts import write_json
from papertrail.core.process import run_cli
from papertrail.core.runtime import start
from papertrail.train.checkpoints import resume_settings, save_model
from papertrail.train.curves import write_learning_curves
from papertrail.train.kinds import load_trainer
from stages import read_name


def main() -> None:
    """Train; write the model, its learning curves and its metrics."""
    name, params = read_name(__doc__, "model", "models")
    model = params.models[name]
    start(params.runtime, params.seed_of(model))
    trainer = load_trainer(model.kind)
    files = [Path("code/finetune", f"{name}.json"), *trainer.input_files(model)]
    trained = trainer.train(model, resume_settings(name, model, params, files))
    write_learning_curves(trained.history, name, Path("metrics/plots"), has_validation=True)
    write_json(trained.metrics, Path("metrics/finetune", f"{name}.json"))
    save_model(Path("models", name), *trained.savers)  # last: it removes the checkpoints


if __name__ == "__main__":
    run_cli(main)
