"""A card and the provenance of every model -> cards/<model>/README.md, cards/<model>/provenance.json."""

import argparse
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from scholar.cards import Dataset, Model, describe, provenance
from scholar.errors import run
from scholar.params import PARAMS, Params, Retriever, Run, Summarizer, load_params, read_yaml
from scholar.records import write_json, write_text
from scholar.task import label_origin_of

FOLDER = Path("cards")
KINDS = {  # of the Hugging Face Hub, by head or task
    "token_classification": "token-classification",
    "sequence_classification": "text-classification",
    "pair_classification": "text-ranking",
    "semantic_search": "sentence-similarity",
    "summarization": "summarization",
}


def main() -> None:
    """Describe every model, from params.yaml, dvc.yaml, metrics/ and files."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    pipeline, params = read_yaml(Path("dvc.yaml")), read_yaml(PARAMS)
    part = FOLDER.with_name(FOLDER.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    for model in list_models(load_params()):
        write_text(describe(model), part / model.name / "README.md")
        write_json(provenance(model, pipeline, params), part / model.name / "provenance.json")
    shutil.rmtree(FOLDER, ignore_errors=True)
    part.rename(FOLDER)


def list_models(params: Params) -> Iterator[Model]:
    """What the stages train: the pretrained encoder, then runs, retrievers and summarizers."""
    yield Model(
        name="pretrained",
        kind="fill-mask",
        encoder=params.pretraining.encoder,
        licence=licence_of(params.pretraining.encoder, params),
        library="transformers",
        datasets=[describe_data(name, params) for name in params.pretraining.corpora],
        stages=["pretrain"],
        metrics=Path("metrics/pretrain.json"),
        split="validation",
    )
    sections: dict[str, Mapping[str, Run | Retriever | Summarizer]] = {
        "": params.runs,
        "_retriever": params.retrievers,
        "_summarizer": params.summarizers,
    }
    for suffix, section in sections.items():
        for name, given in section.items():
            yield Model(
                name=name,
                kind=KINDS[given.head if isinstance(given, Run) else given.task],
                encoder=given.encoder,
                licence=licence_of(given.encoder, params),
                library="sentence-transformers" if isinstance(given, Retriever) else "transformers",
                datasets=[describe_data(given.data, params)],
                stages=[f"finetune{suffix}@{name}", f"evaluate{suffix}@{name}"],
                metrics=Path("metrics/evaluate", f"{name}.json"),
                split="test",
            )


def licence_of(encoder: str, params: Params) -> str:
    """The licence of the weights that a model starts from, also when they were trained further here."""
    source = Path(params.pretraining.encoder if encoder == "models/pretrained" else encoder).name
    return params.sources[source].licence if source in params.sources else "unknown"


def describe_data(name: str, params: Params) -> Dataset:
    """What a card tells of a data set of params.yaml."""
    block = params.datasets[name]
    return Dataset(
        name=name,
        task=block["task"],
        label_origin=label_origin_of(block),
        licence=params.sources[block["source"]].licence,
    )


if __name__ == "__main__":
    run(main)
