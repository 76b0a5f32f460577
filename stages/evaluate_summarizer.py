"""Write a summary of every test paper by each system -> predictions/<summarizer>/, metrics.

Systems: the tuned model (model), the one that it was tuned from under the same prompt (untuned), the first sentences
(lead), the most central ones (lexrank), and the best extract that knows the reference (oracle).
"""

import argparse
import shutil
from pathlib import Path
from statistics import mean

from datasets import Features, Value

from scholar.errors import run
from scholar.heads.generation import fit_source, load_model, load_tokenizer, write_summaries
from scholar.params import choose, load_params
from scholar.records import Row, read_rows, write_json, write_rows, write_text
from scholar.runtime import device, for_reading, start
from scholar.samples import intervals, paper_of
from scholar.summaries import EXTRACTORS, mean_scores, oracle, score_summaries

OPENING = 3  # sentences of a source that are shown


def main() -> None:
    """Write, then score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a summarizer of params.yaml")
    name = parser.parse_args().name
    params = load_params()
    summarizer = params.summarizers[choose("summarizer", name, list(params.summarizers))]
    start(params.runtime, params.seed)

    data = Path("data/prepared", summarizer.task, summarizer.data)
    train, test = (read_rows(data / f"{split}.parquet").to_list() for split in ("train", "test"))
    words = round(mean(len(" ".join(row["target"]).split()) for row in train))
    texts: dict[str, list[str]] = {}
    results: dict[str, dict[str, float]] = {}
    for system, weights in {"model": Path("models", name), "untuned": Path(summarizer.encoder)}.items():
        model = for_reading(load_model(weights, device(params.runtime)), params.runtime)
        written = write_summaries(model, load_tokenizer(weights), test, summarizer, params.generation)
        texts[system] = [summary.text for summary in written]
        at_cap = mean(summary.tokens >= params.generation.max_new_tokens for summary in written)
        results[system] = {"tokens": mean(summary.tokens for summary in written), "share_at_token_cap": at_cap}
    for system, extract in EXTRACTORS.items():
        texts[system] = [extract(row["source"], words) for row in test]
    texts["oracle"] = [oracle(row["source"], row["target"], words) for row in test]

    scores = {system: score_summaries(test, given) for system, given in texts.items()}
    rows: list[Row] = [
        {"id": row["id"], "paper": paper_of(row), "system": system, "text": texts[system][i], **scores[system][i]}
        for system in texts
        for i, row in enumerate(test)
    ]
    for system in texts:
        own = [row for row in rows if row["system"] == system]
        ends = intervals(own, params.evaluation, params.seed)
        results[system] = {**results.get(system, {}), **mean_scores(scores[system]), **ends}
    folder = Path("predictions", name)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    numbers = {column: Value("float64") for column in scores["model"][0]}
    features = Features(**{column: Value("string") for column in ("id", "paper", "system", "text")}, **numbers)
    write_rows(rows, features, part / "test.parquet")
    write_text(describe(name, test, texts), part / "summaries.md")
    shutil.rmtree(folder, ignore_errors=True)  # everything is scored: from here on it is only put in place
    part.rename(folder)
    tokenizer = load_tokenizer(Path("models", name))
    left_out = sum(fit_source(row["source"], tokenizer, summarizer.max_input_tokens)[1] for row in test)
    sentences = sum(len(row["source"]) for row in test)
    counts = {"papers": len(test), "words_of_extracts": words, "sentences": sentences, "sentences_left_out": left_out}
    write_json({"test": {**results, **counts}}, Path("metrics/evaluate", f"{name}.json"))


def describe(name: str, test: list[Row], texts: dict[str, list[str]]) -> str:
    """Opening of the source, reference, and what the models wrote, for every paper, as Markdown."""
    blocks = [f"# {name}: summaries of the test papers"]
    for i, row in enumerate(test):
        shown = {
            "source begins": " ".join(row["source"][:OPENING]),
            "reference": " ".join(row["target"]),
            "untuned": texts["untuned"][i],
            "tuned": texts["model"][i],
        }
        blocks.append(f"## {row['title']} ({row['id']})")
        blocks += [f"**{what}**: {text}" for what, text in shown.items()]
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    run(main)
