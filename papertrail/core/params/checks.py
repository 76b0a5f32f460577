"""Consistency of params.yaml: values that are valid alone but contradict each other."""

from collections.abc import Iterator

from papertrail.core.params.models import Classifier, Linear, Linker, Model, Retriever
from papertrail.core.params.names import suggest
from papertrail.core.params.schema import Params

LABEL_COLUMNS = {"label", "ner_tags", "sampled"}  # of prepared rows: never an input


def find_contradictions(params: Params) -> Iterator[str]:
    """Yield a line per contradiction: `dotted.path: problem`."""
    yield from _check_sources(params)
    for name, model in params.models.items():
        if name == "pretrained":
            yield f"models.{name}: models/pretrained is the output of stage pretrain; choose another name"
        yield from (f"models.{name}.{problem}" for problem in _check_model(model, params))
    yield from _check_indexes(params)
    yield from _check_ablations(params)
    for name in params.pretraining.corpora:
        if name not in params.datasets:
            yield f"pretraining.corpora: unknown data set '{name}'{suggest(name, list(params.datasets))}"
    for name in params.seed_studies:
        if name not in params.models:
            yield f"seed_studies.{name}: unknown model{suggest(name, list(params.models))}"
        elif isinstance(params.models[name], Linear):
            yield f"seed_studies.{name}: a linear model draws nothing at random; remove it"
    generation = params.evaluation.summarizer
    if generation.min_new_tokens > generation.max_new_tokens:
        yield "evaluation.summarizer.min_new_tokens: larger than max_new_tokens; lower it"


def _check_sources(params: Params) -> Iterator[str]:
    for name, source in params.sources.items():
        need_hash = sorted({provider.kind for provider in source.providers} - {"hub", "local"})
        for file in (file for file, sha256 in source.files.items() if sha256 is None and need_hash):
            yield f"sources.{name}.files.{file}: null needs providers hub or local only (got {', '.join(need_hash)})"


def _check_model(model: Model, params: Params) -> Iterator[str]:
    block = params.datasets.get(model.dataset)
    if block is None:
        yield f"dataset: unknown data set '{model.dataset}'{suggest(model.dataset, list(params.datasets))}"
    elif block.get("task") != model.task:
        yield f"task: '{model.task}', but data set '{model.dataset}' has task '{block.get('task')}'"
    if isinstance(model, Retriever):
        if (block or {}).get("pairing") == "title_abstract" and "abstract" not in model.inputs:
            yield f"inputs: pairing title_abstract needs the abstract (got {model.inputs})"
        first, last = model.hard_negative_ranks
        if first > last:
            yield f"hard_negative_ranks: expected the first and the last rank (got {first}, {last})"
    if isinstance(model, Classifier):
        if model.head == "pair_classification" and len(model.inputs) != 2:
            yield f"inputs: expected a pair such as [context, candidate] (got {model.inputs})"
        yield from (f"input_dropout: {problem}" for problem in _check_inputs(model, list(model.input_dropout)))
    if isinstance(model, Classifier | Linear | Linker) and (labels := LABEL_COLUMNS & set(model.inputs)):
        yield f"inputs: '{min(labels)}' is the label, not an input"


def _check_indexes(params: Params) -> Iterator[str]:
    retrievers = [name for name, model in params.models.items() if isinstance(model, Retriever)]
    for name, index in params.indexes.items():
        if index.retriever not in retrievers:
            near = suggest(index.retriever, retrievers)
            yield f"indexes.{name}.retriever: unknown retriever '{index.retriever}'{near}"
        if params.datasets.get(index.dataset, {}).get("task") != index.task:
            known = [name for name, block in params.datasets.items() if block.get("task") == index.task]
            yield (
                f"indexes.{name}.dataset: '{index.dataset}' is no data set of task {index.task}"
                f"{suggest(index.dataset, known)}"
            )


def _check_ablations(params: Params) -> Iterator[str]:
    place = "evaluation.classifier.input_ablations"
    for dataset, ablations in params.evaluation.classifier.input_ablations.items():
        if dataset not in params.datasets:
            yield f"{place}: unknown data set '{dataset}'{suggest(dataset, list(params.datasets))}"
        if "validation" in ablations:
            yield f"{place}.{dataset}: 'validation' names the predictions on validation; choose another name"
        columns = sorted({column for inputs in ablations.values() for column in inputs})
        models = [m for m in params.models.values() if isinstance(m, Classifier | Linear) and m.dataset == dataset]
        problems = [problem for model in models for problem in _check_inputs(model, columns)]
        yield from dict.fromkeys(f"{place}.{dataset}: {problem}" for problem in problems)


def _check_inputs(model: Classifier | Linear, columns: list[str]) -> Iterator[str]:
    """Yield why these inputs of a model cannot be left out."""
    if columns and (model.head != "sequence_classification" or len(model.inputs) < 2):
        yield f"needs head sequence_classification with several inputs (got {model.head} with {model.inputs})"
    yield from (f"'{column}' is not in the inputs {model.inputs}" for column in columns if column not in model.inputs)
