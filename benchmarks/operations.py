"""Operations that benchmarks.cpus hashes: of torch, of other libraries, and of stages with tiny models."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from papertrail.core.params import Index, Runtime

Operations = dict[str, Callable[[], Any]]
TIMES = ("runtime", "per_second", "flos")  # entries of the history of a Trainer that depend on the machine


def kernels() -> Operations:
    """Return single operations of torch."""
    return {**_products(), **_functions(), **_layers(), **_steps()}


def _random(*shape: int) -> Any:
    """Return a tensor of values in [-2, 2) that depends on its shape alone."""
    import numpy as np
    import torch

    uniform = np.random.default_rng(list(shape)).random(shape, dtype=np.float32)
    return torch.from_numpy(uniform * 4 - 2)


def _products() -> Operations:
    from torch.nn import functional

    return {
        "mm 8 x 32 x 32": lambda: _random(8, 32) @ _random(32, 32),
        "mm 64 x 384 x 3": lambda: _random(64, 384) @ _random(384, 3),
        "mm 512 x 384 x 1536": lambda: _random(512, 384) @ _random(384, 1536),
        "linear 512 x 384 x 384": lambda: functional.linear(_random(512, 384), _random(384, 384), _random(384)),
        "bmm 48 x 64 x 32 x 64": lambda: _random(48, 64, 32) @ _random(48, 32, 64),
    }


def _functions() -> Operations:
    from torch.nn import functional

    positive = _random(300_000).abs()
    return {
        "exp": lambda: _random(300_000).exp(),
        "log": lambda: positive.log(),
        "sqrt": lambda: positive.sqrt(),
        "rsqrt": lambda: positive.rsqrt(),
        "cos": lambda: _random(300_000).cos(),
        "tanh": lambda: _random(300_000).tanh(),
        "GELU": lambda: functional.gelu(_random(512, 1536)),
        "SiLU": lambda: functional.silu(_random(512, 1536)),
        "softmax": lambda: _random(512, 512).softmax(-1),
        "sum": lambda: _random(512, 1536).sum(),
        "norm": lambda: functional.normalize(_random(512, 384)),
    }


def _layers() -> Operations:
    import torch
    from torch.nn import functional

    heads = _random(4, 12, 64, 32).requires_grad_()
    mask = (torch.arange(64) < 50).expand(4, 1, 64, 64)
    labels = torch.arange(512) % 7

    def attend(**options: Any) -> Any:
        out = functional.scaled_dot_product_attention(heads, heads, heads, **options)
        return torch.cat([out.flatten(), torch.autograd.grad(out.sum(), heads)[0].flatten()])

    return {
        "layer norm": lambda: functional.layer_norm(_random(512, 384), (384,), _random(384), _random(384)),
        "embedding, backward": lambda: torch.autograd.functional.vjp(
            lambda table: functional.embedding(labels, table), _random(7, 384), _random(512, 384)
        )[1],
        "SDPA, forward and backward": attend,
        "SDPA with mask, forward and backward": lambda: attend(attn_mask=mask),
        "SDPA, causal, forward and backward": lambda: attend(is_causal=True),
        "dropout": lambda: functional.dropout(_random(512, 384), 0.1),
        "cross entropy": lambda: functional.cross_entropy(_random(512, 7), labels),
    }


def _steps() -> Operations:
    import torch

    def step(fused: bool) -> Any:
        weights = torch.nn.Parameter(_random(384, 1536))
        optimizer = torch.optim.AdamW([weights], lr=0.01, weight_decay=0.01, fused=fused)
        for size in (1, 2, 3):
            weights.grad = _random(384, 1536) / size
            torch.nn.utils.clip_grad_norm_([weights], 1.0)
            optimizer.step()
        return weights

    return {"AdamW, fused": lambda: step(fused=True), "AdamW, not fused": lambda: step(fused=False)}


def libraries(runtime: Runtime) -> Operations:
    """Return operations of numpy, scikit-learn, FAISS and code on top of them."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from papertrail.evaluate.baselines import tfidf_logistic
    from papertrail.evaluate.extracts import lexrank
    from papertrail.models.index_build import build
    from papertrail.models.ranking import bm25_pair_scores
    from tests.fixtures.tiny_generators import make_papers
    from tests.fixtures.tiny_runs import make_rows

    rng = np.random.default_rng(0)
    points = rng.random((400, 64), dtype=np.float32) - 0.5
    labels = (points[:, 0] + points[:, 1] > 0).astype(int) + (points[:, 2] > 0)
    rows = make_rows("sequence_classification", 60)
    texts, classes = [row["text"] for row in rows], [row["label"] for row in rows]
    shared = {"retriever": "", "task": "", "dataset": "", "train_vectors": 400, "probes": 2, "batch_size": 400}
    exact, cells = Index(factory="Flat", **shared), Index(factory="IVF8,PQ8np", **shared)
    return {
        "numpy product, 32 bits": lambda: points @ points.T,
        "numpy product, 64 bits": lambda: points.astype(np.float64) @ points.T.astype(np.float64),
        "numpy exp and log": lambda: np.log(np.exp(points.astype(np.float64)) + 1),
        "logistic regression": lambda: LogisticRegression(max_iter=200).fit(points, labels).coef_,
        "TF-IDF + logistic regression": lambda: tfidf_logistic(texts[:40], classes[:40], texts[40:], 3, balanced=False),
        "BM25": lambda: bm25_pair_scores(texts[:20], texts[20:40], texts),
        "LexRank": lambda: np.array([lexrank(paper["source"], 12) for paper in make_papers(20)]),
        "FAISS Flat": lambda: build(exact, 64, [points], runtime.threads).search(points, 10)[0],
        "FAISS IVF, PQ": lambda: build(cells, 64, [points], runtime.threads).search(points, 10)[0],
    }


def stage_operations(runtime: Runtime, folder: Path) -> Operations:
    """Return what stages do, with random models that are written to an existing folder."""
    return {
        **encoder_operations(runtime, folder),
        "training for summaries, and writing": lambda: _summarize(runtime, folder),
    }


def encoder_operations(runtime: Runtime, folder: Path) -> Operations:
    """Return training, embedding and evaluation with a tiny BERT."""
    from papertrail.models.sentence_encoder import embed, load_encoder
    from papertrail.train.checkpoints import Settings
    from papertrail.train.classifier import fit
    from tests.fixtures.tiny_bert import write_tiny_bert
    from tests.fixtures.tiny_runs import PURPOSES, make_classifier, make_rows

    settings = Settings(runtime=runtime, seed=1, checkpoints=folder / "checkpoints", resume_from=None)
    small = write_tiny_bert(folder / "small")
    train, validation, test = (make_rows("sequence_classification", 24, seed) for seed in range(3))

    def weights(**changes: Any) -> list[Any]:
        trained = fit(make_classifier(**changes), PURPOSES, {"train": train, "validation": validation}, settings)
        return [trained.network.state_dict(), trained.history]

    return {
        "training, 3 steps": lambda: weights(base_model=str(small)),
        "training, 3 steps, hidden size 384": lambda: weights(
            base_model=str(write_tiny_bert(folder / "wide", hidden_size=384)), hidden_dropout=0.1
        ),
        "embedding": lambda: embed(load_encoder(small, 32, "cpu"), [row["text"] for row in test], batch_size=8),
        "evaluation with TF-IDF baseline": lambda: _evaluate(
            runtime, small, {"train": train, "validation": validation, "test": test}
        ),
    }


def _evaluate(runtime: Runtime, encoder: Path, rows: dict[str, Any]) -> Any:
    from papertrail.evaluate.baselines import FrozenBaseline
    from papertrail.evaluate.classifier import score_view
    from papertrail.evaluate.views import View
    from papertrail.models.batching import predict_logits
    from papertrail.models.encoding import encode_rows, load_tokenizer
    from papertrail.models.heads import load_head
    from papertrail.train.classifier import build_model
    from tests.fixtures.tiny_runs import PURPOSES, make_classifier, make_evaluation

    model = make_classifier(base_model=str(encoder))
    head, tokenizer = load_head(model.head), load_tokenizer(encoder, model.max_tokens)
    items, _ = encode_rows(head, rows["test"], tokenizer, model)
    logits = predict_logits(build_model(head, PURPOSES, model), items, head.build_collator(tokenizer), 8)
    frozen = FrozenBaseline(model, rows["train"], len(PURPOSES), runtime, batch_size=8)
    view = View(
        model=model,
        class_names=PURPOSES,
        inputs=model.inputs,
        **rows,
        validation_predictions=[],
        test_predictions=head.decode(rows["test"], items, logits, PURPOSES),
        frozen={"test": frozen.predict(rows["test"], frozenset())},
        seed=1,
        evaluation=make_evaluation(),
    )
    return [view.test_predictions, score_view(view).systems.scores]


def _summarize(runtime: Runtime, folder: Path) -> Any:
    from papertrail.models.language_model import write_summaries
    from papertrail.train.checkpoints import Settings
    from papertrail.train.summarizer import fit
    from tests.fixtures.tiny_generators import make_generation, make_lora, make_papers, make_summarizer, write_generator

    llama = write_generator("llama", folder / "llama")
    model = make_summarizer(base_model=str(llama), lora=make_lora("llama"))
    settings = Settings(runtime=runtime, seed=1, checkpoints=folder / "checkpoints", resume_from=None)
    trained = fit(model, {"train": make_papers(8), "validation": make_papers(4, 1)}, settings)
    summaries = write_summaries(trained.network, trained.tokenizer, make_papers(4, 2), model, make_generation())
    return [trained.network.state_dict(), trained.history, repr(summaries)]


def digest(value: Any) -> str:
    """Return eight digits of the hash of tensors, arrays, numbers, and lists and mappings of them."""
    import numpy as np
    import torch

    hashed = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, dict):
            for key, inner in part.items():
                if not key.endswith(TIMES):
                    hashed.update(key.encode())
                    add(inner)
        elif isinstance(part, list):
            for inner in part:
                add(inner)
        elif isinstance(part, torch.Tensor):
            add(part.detach().numpy())
        elif isinstance(part, np.ndarray):
            hashed.update(part.tobytes())
        else:
            hashed.update(repr(part).encode())

    add(value)
    return hashed.hexdigest()[:8]
