"""`python -m benchmarks.makers`: trainings at real size, on this CPU and an imitated one -> benchmarks/makers.json.

Each scenario runs the repository's own trainer on the real base models for a few steps, then what its evaluation does.
The bytes of every tensor that results are hashed. qemu-user imitates a CPU of the other maker, about 80 times slower:
all scenarios take about an hour on an idle machine.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from papertrail.core.errors import PapertrailError
from papertrail.core.params import Runtime
from papertrail.core.process import run_cli
from papertrail.core.runtime import configure, cpu_info, start

ENCODER, GENERATOR = (Path(os.environ.get("RAW", "data/raw"), name).absolute() for name in ("minilm", "smollm2"))
REPORT = Path("benchmarks/makers.json")
RUNTIME = Runtime(level="portable", threads=2, precision="fp32")


def digest(value: Any) -> str:
    """Return ten digits of the hash of a tensor, an array or a JSON value."""
    import numpy as np
    import torch

    value = value.detach().numpy() if isinstance(value, torch.Tensor) else value
    data = value.tobytes() if isinstance(value, np.ndarray) else json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()[:10]


def settings(folder: Path) -> Any:
    """Return the settings of a training that keeps its checkpoints in a folder."""
    from papertrail.train.checkpoints import Settings

    return Settings(runtime=RUNTIME, seed=1, checkpoints=folder, resume_from=None)


def results(trained: Any) -> dict[str, Any]:
    """Return the weights and the losses of a training."""
    losses = [
        {k: v for k, v in e.items() if k in ("loss", "grad_norm", "eval_loss", "eval_score")} for e in trained.history
    ]
    return {**trained.network.state_dict(), "history": losses}


def classifier(folder: Path, head: str) -> dict[str, Any]:
    """Three steps of at most 5 texts, the last one short, and an evaluation."""
    from papertrail.models.heads import load_head
    from papertrail.train import classifier as trainer
    from tests.fixtures.tiny_runs import FEATURES, make_classifier, make_rows

    model = make_classifier(head, base_model=str(ENCODER), batch_size=5, max_tokens=32, freeze_embeddings=True)
    splits = {"train": make_rows(head, 12), "validation": make_rows(head, 3, 1)}
    return results(trainer.fit(model, load_head(head).class_names(FEATURES[head]), splits, settings(folder)))


def retriever(folder: Path) -> dict[str, Any]:
    """Steps of 5 pairs, the last one of few, then embeddings."""
    from papertrail.models.sentence_encoder import embed
    from papertrail.train import retriever as trainer
    from tests.fixtures.tiny_search import make_collection, make_queries, make_retriever

    splits = {"train": make_queries(12), "validation": make_queries(3, 1)}
    model = make_retriever(base_model=str(ENCODER), learning_rate=1e-4, batch_size=5)
    trained = trainer.fit(model, splits, make_collection(), settings(folder))
    return {**results(trained), "vectors": embed(trained.network, ["graph", "parse the text of a paper", "a b"], 8)}


def linker(folder: Path) -> dict[str, Any]:
    """Steps of at most 4 citations of one paper, then the fusion."""
    from papertrail.train import linker as trainer
    from tests.fixtures.tiny_runs import make_linker, make_rows

    rows = {split: make_rows("pair_classification", 40, seed) for seed, split in enumerate(("train", "validation"))}
    model = make_linker(base_model=str(ENCODER), batch_size=4, learning_rate=1e-4)
    trained = trainer.fit(model, rows, settings(folder))
    return {**results(trained), "measured": trained.metrics}


def pretraining(folder: Path) -> dict[str, Any]:
    """Two steps of 4 sentence pairs, and MLM and NSP measured before and after."""
    from papertrail.train import encoder as trainer
    from tests.fixtures.tiny_runs import make_documents, make_pretraining

    training = make_pretraining(base_model=str(ENCODER), epochs=1, batch_size=4, pairs_per_epoch=8, validation_pairs=4)
    splits = {"train": [make_documents(12)], "validation": [make_documents(12, 1)]}
    trained = trainer.fit(training, splits, settings(folder))
    return {**results(trained), "measured": trained.metrics}


def summarizer(folder: Path) -> dict[str, Any]:
    """Two steps of LoRA tuning of the first layers of the language model, and generation with its cache."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from papertrail.models.language_model import write_summaries
    from papertrail.train import summarizer as trainer
    from tests.fixtures.tiny_generators import make_generation, make_lora, make_papers, make_summarizer

    short = folder / "short"
    network: Any = AutoModelForCausalLM.from_pretrained(GENERATOR, num_hidden_layers=2, dtype="float32")
    network.save_pretrained(short)
    AutoTokenizer.from_pretrained(GENERATOR).save_pretrained(short)
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    lora = make_lora("llama", rank=16, alpha=32, modules=modules)
    model = make_summarizer(base_model=str(short), lora=lora, batch_size=2)
    splits = {"train": make_papers(4), "validation": make_papers(1, 1)}
    trained = trainer.fit(model, splits, settings(folder))
    generation = make_generation(max_new_tokens=5, repetition_penalty=1.05)
    written = write_summaries(trained.network, trained.tokenizer, make_papers(2, 2), model, generation)
    return {**results(trained), "written": [summary.text for summary in written]}


SCENARIOS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "sequence classifier": lambda folder: classifier(folder, "sequence_classification"),
    "summarizer": summarizer,
    "retriever": retriever,
    "linker": linker,
    "pretraining": pretraining,
    "token classifier": lambda folder: classifier(folder, "token_classification"),
    "pair classifier": lambda folder: classifier(folder, "pair_classification"),
}


def hash_here(names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the hashes of the tensors of each scenario, computed in this process."""
    configure(RUNTIME)
    start(RUNTIME, seed=1)
    import torch

    for name in names or list(SCENARIOS):
        torch.manual_seed(1)
        with tempfile.TemporaryDirectory() as folder:
            hashes = {key: digest(value) for key, value in SCENARIOS[name](Path(folder)).items()}
        yield {"scenario": name, "hashes": hashes}


def main() -> None:
    """Run the scenarios on this CPU and on an imitated one; write how many tensors are equal, and which differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", action="store_true", help="print the hashes of this process, a line per scenario")
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help="default: all")
    arguments = parser.parse_args()
    if arguments.here:
        for line in hash_here(arguments.names):
            sys.stdout.write("hashes " + json.dumps(line) + "\n")
            sys.stdout.flush()
        return
    from benchmarks.products import OTHER_MAKER

    imitated = OTHER_MAKER[cpu_info()["vendor_id"]]
    scenarios = {}
    for name in arguments.names or list(SCENARIOS):
        here, there = (run(prefix, name) for prefix in ([], ["qemu-x86_64", "-cpu", imitated]))
        scenarios[name] = compare(here, there) if here and there else "qemu crashed"
    found = {"cpu": cpu_info().get("model name"), "imitated": imitated, "scenarios": scenarios}
    from papertrail.core.artifacts import write_json

    write_json(found, REPORT)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


def run(prefix: list[str], name: str) -> dict[str, str] | None:
    """Return name of a tensor -> hash, from a new process; None if qemu-user crashes three times, as it does at times.

    Raises:
        PapertrailError: The process failed.
    """
    command = [*prefix, sys.executable, "-m", "benchmarks.makers", "--here", name]
    for _ in range(3):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != -signal.SIGSEGV:
            break
    else:
        return None
    if done.returncode:
        raise PapertrailError(f"{' '.join(command)}: exit code {done.returncode}")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("hashes "))
    hashes: dict[str, str] = json.loads(line.removeprefix("hashes "))["hashes"]
    sys.stderr.write(f"{' '.join([*prefix, name])}: {len(hashes)} hashes\n")
    return hashes


def compare(here: dict[str, str], there: dict[str, str]) -> dict[str, Any]:
    """Return the number of equal tensors of a scenario and the names of those that differ."""
    return {
        "equal": sum(value == here[key] for key, value in there.items()),
        "differ": [key for key, value in there.items() if value != here[key]],
    }


if __name__ == "__main__":
    run_cli(main)
