"""Cost of portable kernels: `python -m benchmarks.portability` writes benchmarks/portability.json.

One process per way of computing runs the same work on request: "portable" as the pipeline does, "library" under the
same instruction caps with the products of the libraries, whose bits differ between CPU makers, and "native" without
caps. The processes take turns, so that other load of the machine affects all alike. Times are CPU seconds of all
threads.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from papertrail.core.artifacts import write_json
from papertrail.core.errors import PapertrailError
from papertrail.core.params import Runtime, load_params
from papertrail.core.process import run_cli
from papertrail.core.runtime import configure, start

WAYS = ("portable", "library", "native")
SHAPES = {"step 16 x 128": (16, 128), "step 8 x 32": (8, 32), "embedding 64 x 64": (64, 64)}  # texts, tokens of each
REPORT = Path("benchmarks/portability.json")


def work(way: str, encoder: Path) -> None:
    """Run the work that each line of stdin names, a key of SHAPES; print its CPU seconds."""
    runtime = Runtime(level="native" if way == "native" else "portable", threads=2, precision="fp32")
    configure(runtime)
    start(runtime, seed=1)
    jobs = {name: make_job(name, way, encoder) for name in SHAPES}
    for line in sys.stdin:
        begun = time.process_time()
        jobs[line.strip()]()
        sys.stdout.write(f"{time.process_time() - begun}\n")
        sys.stdout.flush()


def make_job(name: str, way: str, encoder: Path) -> Callable[[], None]:
    """Return a function that takes a fine-tuning step or embeds a batch."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from papertrail.models.kernels import make_portable

    model: Any = AutoModelForSequenceClassification.from_pretrained(encoder, local_files_only=True, num_labels=3)
    model = make_portable(model) if way == "portable" else model
    model.get_input_embeddings().requires_grad_(False)  # as in the default run
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    texts, tokens = SHAPES[name]
    ids, labels = torch.randint(1000, 2000, (texts, tokens)), torch.arange(texts) % 3

    def step() -> None:
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def embed() -> None:
        with torch.inference_mode():
            model.base_model(input_ids=ids)

    return step if name.startswith("step") else embed


def measure(encoder: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return work -> way -> CPU seconds of each round; a first round, which loads kernels, does not count.

    Raises:
        PapertrailError: A process ended early.
    """
    command = [sys.executable, "-m", "benchmarks.portability", "--encoder", str(encoder), "--here"]
    pipe = subprocess.PIPE
    workers = {way: subprocess.Popen([*command, way], stdin=pipe, stdout=pipe, text=True) for way in WAYS}
    seconds: dict[str, dict[str, list[float]]] = {name: {way: [] for way in WAYS} for name in SHAPES}
    for number in range(rounds + 1):
        for name in SHAPES:
            for way, worker in workers.items():
                print(name, file=worker.stdin, flush=True)
                if worker.stdout is None or not (line := worker.stdout.readline()):
                    raise PapertrailError(f"{way}: the measurement ended early; see its messages above")
                if number:
                    seconds[name][way].append(float(line))
    for worker in workers.values():
        worker.communicate()
    return seconds


def main() -> None:
    """Measure; write the ratios of CPU times, portable to each other way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", metavar="WAY", choices=WAYS, help="run work in this process, one per line of stdin")
    parser.add_argument(
        "--encoder", type=Path, default=Path(load_params().pretraining.base_model), help="folder of a BERT"
    )
    parser.add_argument("--rounds", type=int, default=20, help="of each work in each process")
    arguments = parser.parse_args()
    if arguments.here:
        work(arguments.here, arguments.encoder)
        return
    found: dict[str, Any] = {"rounds": arguments.rounds, "threads": 2}
    for name, by_way in measure(arguments.encoder, arguments.rounds).items():
        for way in ("library", "native"):
            ratios = [ours / theirs for ours, theirs in zip(by_way["portable"], by_way[way], strict=True)]
            numbers = {"median": median(ratios), "low": min(ratios), "high": max(ratios)}
            found.setdefault(name, {})[f"portable / {way}"] = numbers
    write_json(found, REPORT)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
