"""Cost of each runtime.level in training: `python -m benchmarks.portability` writes benchmarks/portability.json.

One process per level loads the base encoder and takes a fine-tuning step on request. The levels take turns, so that
other load of the machine affects all of them alike. Times are CPU seconds of all threads.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from papertrail.core.artifacts import write_json
from papertrail.core.errors import PapertrailError
from papertrail.core.params import Runtime, load_params
from papertrail.core.process import run_cli
from papertrail.core.runtime import LEVELS, configure, start

BATCH, TOKENS = 16, 128  # rows of a batch, tokens of a row


def work(level: str, encoder: Path) -> None:
    """Take a step for every line of stdin; print its CPU seconds."""
    runtime = Runtime(level=level, threads=2, precision="fp32")
    configure(runtime)
    start(runtime, seed=1)
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(encoder, local_files_only=True, num_labels=3).train()
    model.get_input_embeddings().requires_grad_(False)  # as in the default run
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    ids = torch.randint(1000, 2000, (BATCH, TOKENS))
    labels = torch.arange(BATCH) % 3
    for _ in sys.stdin:
        begun = time.process_time()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        sys.stdout.write(f"{time.process_time() - begun}\n")
        sys.stdout.flush()


def main() -> None:
    """Measure several rounds of all levels; the first round, which loads kernels, does not count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--here", metavar="LEVEL", choices=list(LEVELS), help="run steps at this level, one per line of stdin"
    )
    parser.add_argument(
        "--encoder", type=Path, default=Path(load_params().pretraining.base_model), help="folder of a BERT"
    )
    parser.add_argument("--rounds", type=int, default=12, help="steps of each level")
    arguments = parser.parse_args()
    if arguments.here:
        work(arguments.here, arguments.encoder)
        return
    command = [sys.executable, "-m", "benchmarks.portability", "--encoder", str(arguments.encoder), "--here"]
    pipe = subprocess.PIPE
    workers = {level: subprocess.Popen([*command, level], stdin=pipe, stdout=pipe, text=True) for level in LEVELS}
    seconds: dict[str, list[float]] = {level: [] for level in LEVELS}
    for _ in range(arguments.rounds + 1):
        for level, worker in workers.items():
            print("go", file=worker.stdin, flush=True)
            if not (line := worker.stdout.readline()):
                raise PapertrailError(f"level {level}: the measurement ended early; see its messages above")
            seconds[level].append(float(line))
    for worker in workers.values():
        worker.communicate()
    ratios = {
        level: [portable / own for portable, own in zip(seconds["portable"][1:], times[1:], strict=True)]
        for level, times in seconds.items()
    }
    found = {
        level: {
            "tokens_per_cpu_second": BATCH * TOKENS / median(seconds[level][1:]),
            "speed_of_portable": median(values),
            "speed_of_portable_low": min(values),
            "speed_of_portable_high": max(values),
        }
        for level, values in ratios.items()
    }
    settings = {"batch_size": BATCH, "tokens": TOKENS, "rounds": arguments.rounds, "threads": 2}
    write_json({**settings, **found}, Path("benchmarks/portability.json"))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
