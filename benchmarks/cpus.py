"""`python -m benchmarks.cpus`: which operations have the same bits on which CPU -> docs/cpus.md.

Each column is a process of its own: this machine as it is, or qemu-user's imitation of another CPU, which tells the
libraries another maker and other instructions. Each row is the hash of what an operation returns for the same input.
What the imitation cannot show is instructions whose result is each real CPU's own: the estimates rcpps and rsqrtps.
"""

import argparse
import hashlib
import json
import logging
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tabulate import tabulate

from scholar.errors import ScholarError, run
from scholar.params import Runtime, choose
from scholar.runtime import LEVELS, configure, start

QEMU = "qemu-x86_64"
Column = tuple[str | None, str]  # an imitated CPU or this one, and a level
COLUMNS: list[Column] = [
    (None, "native"),
    *((cpu, level) for level in ("portable", "amd64") for cpu in (None, "EPYC", "Haswell")),
]
REPORT = Path("docs/cpus.md")
HEADING = f"""# Bit equality across CPUs

Eight digits of the hash of each result, a process per column (`python -m benchmarks.cpus`). The reference, *this
machine*, is an AMD EPYC with AVX-512 (Zen 4); EPYC (Zen 1) and Haswell (Intel) are imitated by {QEMU}. Under the
table: the operations whose hash differs from the reference at the same level.
"""
log = logging.getLogger(__name__)
Operations = dict[str, Callable[[], Any]]


def kernels() -> Operations:
    """Single operations of torch."""
    import numpy as np
    import torch
    from torch.nn import functional

    def made(*shape: int) -> torch.Tensor:
        uniform = np.random.default_rng(list(shape)).random(shape, dtype=np.float32)
        return torch.from_numpy(uniform * 4 - 2)

    def step(fused: bool) -> torch.Tensor:
        weights = torch.nn.Parameter(made(384, 1536))
        optimizer = torch.optim.AdamW([weights], lr=0.01, weight_decay=0.01, fused=fused)
        for size in (1, 2, 3):
            weights.grad = made(384, 1536) / size
            torch.nn.utils.clip_grad_norm_([weights], 1.0)
            optimizer.step()
        return weights

    heads = made(4, 12, 64, 32).requires_grad_()
    mask = (torch.arange(64) < 50).expand(4, 1, 64, 64)

    def attend(**how: Any) -> torch.Tensor:
        out = functional.scaled_dot_product_attention(heads, heads, heads, **how)
        return torch.cat([out.flatten(), torch.autograd.grad(out.sum(), heads)[0].flatten()])

    labels = torch.arange(512) % 7
    positive = made(300_000).abs()
    return {
        "mm 8 x 32 x 32": lambda: made(8, 32) @ made(32, 32),
        "mm 64 x 384 x 3": lambda: made(64, 384) @ made(384, 3),
        "mm 512 x 384 x 1536": lambda: made(512, 384) @ made(384, 1536),
        "linear 512 x 384 x 384": lambda: functional.linear(made(512, 384), made(384, 384), made(384)),
        "bmm 48 x 64 x 32 x 64": lambda: made(48, 64, 32) @ made(48, 32, 64),
        "exp": lambda: made(300_000).exp(),
        "log": lambda: positive.log(),
        "sqrt": lambda: positive.sqrt(),
        "rsqrt": lambda: positive.rsqrt(),
        "cos": lambda: made(300_000).cos(),
        "tanh": lambda: made(300_000).tanh(),
        "GELU": lambda: functional.gelu(made(512, 1536)),
        "SiLU": lambda: functional.silu(made(512, 1536)),
        "softmax": lambda: made(512, 512).softmax(-1),
        "sum": lambda: made(512, 1536).sum(),
        "norm": lambda: functional.normalize(made(512, 384)),
        "layer norm": lambda: functional.layer_norm(made(512, 384), (384,), made(384), made(384)),
        "embedding, backward": lambda: torch.autograd.functional.vjp(
            lambda table: functional.embedding(labels, table), made(7, 384), made(512, 384)
        )[1],
        "SDPA, forward and backward": attend,
        "SDPA with mask, forward and backward": lambda: attend(attn_mask=mask),
        "SDPA, causal, forward and backward": lambda: attend(is_causal=True),
        "dropout": lambda: functional.dropout(made(512, 384), 0.1),
        "cross entropy": lambda: functional.cross_entropy(made(512, 7), labels),
        "AdamW, fused": lambda: step(fused=True),
        "AdamW, not fused": lambda: step(fused=False),
    }


def libraries(runtime: Runtime) -> Operations:
    """numpy, scikit-learn, FAISS and what stands on them."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from scholar.baselines import bm25_scores, tfidf_logistic
    from scholar.index import build
    from scholar.params import Index
    from scholar.summaries import lexrank
    from tests.fixtures.tiny_generators import make_papers
    from tests.fixtures.tiny_runs import make_rows

    rng = np.random.default_rng(0)
    points = rng.random((400, 64), dtype=np.float32) - 0.5
    labels = (points[:, 0] + points[:, 1] > 0).astype(int) + (points[:, 2] > 0)
    rows = make_rows("sequence_classification", 60)
    texts, classes = [row["text"] for row in rows], [row["label"] for row in rows]
    exact = Index(retriever="", data="", factory="Flat", train_vectors=400, probes=2, batch_size=400)
    cells = Index(retriever="", data="", factory="IVF8,PQ8np", train_vectors=400, probes=2, batch_size=400)
    return {
        "numpy product, 32 bits": lambda: points @ points.T,
        "numpy product, 64 bits": lambda: points.astype(np.float64) @ points.T.astype(np.float64),
        "numpy exp and log": lambda: np.log(np.exp(points.astype(np.float64)) + 1),
        "logistic regression": lambda: LogisticRegression(max_iter=200).fit(points, labels).coef_,
        "TF-IDF + logistic regression": lambda: tfidf_logistic(
            texts[:40], classes[:40], texts[40:], 3, balanced=False, seed=0
        ),
        "BM25": lambda: bm25_scores(texts[:20], texts[20:40], texts),
        "LexRank": lambda: np.array([lexrank(paper["source"], 12) for paper in make_papers(20)]),
        "FAISS Flat": lambda: build(exact, 64, [points], runtime.threads).search(points, 10)[0],
        "FAISS IVF, PQ": lambda: build(cells, 64, [points], runtime.threads).search(points, 10)[0],
    }


def stages(runtime: Runtime, folder: Path) -> Operations:
    """What stages do, with models that know nothing: in `folder`, which must exist."""
    from scholar.batching import predict_logits
    from scholar.encoding import encode_rows, load_tokenizer
    from scholar.heads import sequence_classification as head
    from scholar.params import Evaluation
    from scholar.scoring import Outcome, score
    from scholar.trainer import Settings
    from scholar.training import build_model, finetune
    from tests.fixtures.tiny_bert import write_tiny_bert
    from tests.fixtures.tiny_runs import EVALUATION, PURPOSES, make_rows, make_run

    settings = Settings(runtime=runtime, seed=1, checkpoints=folder / "checkpoints", resume_from=None)
    small = str(write_tiny_bert(folder / "small"))
    train, validation, test = (make_rows("sequence_classification", 24, seed) for seed in range(3))

    def weights(**changes: Any) -> list[Any]:
        trained = finetune(make_run(**changes), head, PURPOSES, {"train": train, "validation": validation}, settings)
        return [trained.model.state_dict(), trained.history]

    def embed() -> Any:
        from scholar.heads import retrieval

        return retrieval.embed(
            retrieval.load_encoder(Path(small), 32, "cpu"), [row["text"] for row in test], batch_size=8
        )

    def evaluate() -> Any:
        run = make_run(encoder=small)
        tokenizer = load_tokenizer(Path(small), run.max_tokens)
        items, _ = encode_rows(head, test, tokenizer, run)
        logits = predict_logits(build_model(head, PURPOSES, run), items, head.build_collator(tokenizer), 8)
        outcome = Outcome(
            run=run,
            names=PURPOSES,
            shown=run.inputs,
            train=train,
            validation=validation,
            test=test,
            validation_predictions=[],
            test_predictions=head.decode(test, items, logits, PURPOSES),
            seed=1,
            evaluation=Evaluation(**EVALUATION),
        )
        return [outcome.test_predictions, score(outcome).scores]

    def summarize() -> Any:
        from scholar.heads import generation
        from tests.fixtures.tiny_generators import (
            make_generation,
            make_lora,
            make_papers,
            make_summarizer,
            write_generator,
        )

        llama = write_generator("llama", folder / "llama")
        summarizer = make_summarizer(encoder=str(llama), lora=make_lora("llama"))
        model, tokenizer, history, _ = generation.train(
            summarizer, {"train": make_papers(8), "validation": make_papers(4, 1)}, settings, "cpu"
        )
        written = generation.write_summaries(model, tokenizer, make_papers(4, 2), summarizer, make_generation())
        return [model.state_dict(), history, repr(written)]

    return {
        "training, 3 steps": lambda: weights(encoder=small),
        "training, 3 steps, hidden size 384": lambda: weights(
            encoder=str(write_tiny_bert(folder / "wide", hidden_size=384)), hidden_dropout=0.1
        ),
        "embedding": embed,
        "evaluation with TF-IDF baseline": evaluate,
        "training for summaries, and writing": summarize,
    }


TIMES = ("runtime", "per_second", "flos")  # what a Trainer's history holds besides numbers of the model


def digest(value: Any) -> str:
    """Eight digits of the hash of tensors, arrays, numbers, and lists and mappings of them."""
    import numpy as np
    import torch

    found = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, dict):
            for key, inner in part.items():
                if not key.endswith(TIMES):
                    found.update(key.encode())
                    add(inner)
        elif isinstance(part, list):
            for inner in part:
                add(inner)
        elif isinstance(part, torch.Tensor):
            add(part.detach().numpy())
        elif isinstance(part, np.ndarray):
            found.update(part.tobytes())
        else:
            found.update(repr(part).encode())

    add(value)
    return found.hexdigest()[:8]


def hash_here(runtime: Runtime, names: list[str]) -> dict[str, str]:
    """Operation -> hash in this process, of those named or of all.

    Raises:
        ParamsError: there is no operation of a name.
    """
    configure(runtime)
    start(runtime, seed=1)
    import torch

    with tempfile.TemporaryDirectory() as folder:
        known = stages(runtime, Path(folder)) | kernels() | libraries(runtime)
        found = {}
        for name in [choose("operation", name, list(known)) for name in names] or known:
            torch.manual_seed(1)
            found[name] = digest(known[name]())
            log.info("%s: %s", name, found[name])  # a column takes minutes
    return found


def hash_on(cpu: str | None, level: str, names: list[str]) -> dict[str, str]:
    """Operation -> hash in a process of its own, on this CPU or on an imitated one.

    Raises:
        ScholarError: qemu-user is not installed, or the process failed.
    """
    if cpu and shutil.which(QEMU) is None:
        raise ScholarError(f"{QEMU} imitates other CPUs and is not installed; it is in Debian's package qemu-user")
    imitated = [QEMU, "-cpu", cpu] if cpu else []
    command = [*imitated, sys.executable, "-m", "benchmarks.cpus", "--here", level, *names]
    for _ in range(2):  # qemu-user itself crashes now and then
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != -signal.SIGSEGV:
            break
    if done.returncode:
        raise ScholarError(f"{' '.join(command)} failed; its messages stand above")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]  # Trainers print before it


def describe(columns: dict[Column, dict[str, str]]) -> str:
    """The table of hashes, and for each level the operations that differ from this machine's, as Markdown."""
    names = list(columns[None, "portable"])
    rows = [[name, *(found[name] for found in columns.values())] for name in names]
    headers = ["operation", *(f"{level}: {cpu or 'this machine'}" for cpu, level in columns)]
    lines = []
    for cpu, level in columns:
        if cpu:
            ours, theirs = columns[None, level], columns[cpu, level]
            lines.append(f"- {level}, {cpu}: {'; '.join(n for n in names if ours[n] != theirs[n]) or 'none'}")
    return "\n\n".join([tabulate(rows, headers, tablefmt="github", disable_numparse=True), "\n".join(lines)])


def main() -> None:
    """Hash every operation in every column, and write the report; those named are only told.

    With --here only in this process, printed as JSON.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", metavar="LEVEL", choices=list(LEVELS), help="only in this process, printed as JSON")
    parser.add_argument("names", nargs="*", metavar="OPERATION", help="all if left out")
    arguments = parser.parse_args()
    if arguments.here:
        runtime = Runtime(level=arguments.here, threads=2, precision="fp32")
        sys.stdout.write(json.dumps(hash_here(runtime, arguments.names)))
        return
    with ThreadPoolExecutor(2) as pool:  # each of them takes minutes and most of a gigabyte
        found = pool.map(lambda column: hash_on(*column, arguments.names), COLUMNS)
        columns = dict(zip(COLUMNS, found, strict=True))
    table = describe(columns)
    log.info("%s", table)
    if arguments.names:
        return
    from scholar.records import write_text  # loads numpy, which --here must not do before the caps are set

    write_text(f"{HEADING}\n{table}\n", REPORT)


if __name__ == "__main__":
    run(main)
