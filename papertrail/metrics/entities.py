"""Entity scores (seqeval) and repair of IOB2 tags."""

import re
from functools import partial
from typing import Any

from papertrail.core.errors import DataError
from papertrail.metrics.arrays import rows_by_name

IOB2_TAG = re.compile(r"O|[BI]-.+")


def entity_scores(references: list[list[str]], predictions: list[list[str]]) -> dict[str, Any]:
    """Score entity mentions. A prediction is correct if type and tokens are those of a reference mention.

    Tags are read as strict IOB2: an I- tag that does not continue a mention of its type is ignored.

    Args:
        references, predictions: (sentences,) lists of IOB2 tags, one tag per token.

    Returns:
        precision, recall and f1 over all mentions (micro average); macro_f1, the unweighted mean of f1 over the types
        in references or predictions; and per such type {precision, recall, f1, support}. An undefined ratio is 0.

    Raises:
        DataError: Lengths differ, there is no sentence, or a tag is not IOB2.

    Source: Tjong Kim Sang and De Meulder 2003 (CoNLL-2003), computed by seqeval.
    """
    from seqeval.metrics.v1 import precision_recall_fscore_support  # takes a second to import
    from seqeval.scheme import IOB2, Entities

    _check_tags(references, predictions)
    actual, predicted = Entities(references, IOB2), Entities(predictions, IOB2)
    rates = partial(
        precision_recall_fscore_support,
        references,
        predictions,
        scheme=IOB2,
        entities_true=actual,
        entities_pred=predicted,
    )
    precision, recall, f1, _ = rates(average="micro", zero_division=0)
    types = sorted(actual.unique_tags | predicted.unique_tags)
    per_type = rates(average=None, zero_division=0)  # four arrays, each (types,)
    return {
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "macro_f1": float(per_type[2].mean()) if types else 0.0,
        **rows_by_name(types, per_type),
    }


def repair_iob2(tags: list[str]) -> list[str]:
    """Replace I- by B- where an I- tag does not continue a mention of its type, as conlleval reads such tags."""
    previous = ["O", *tags]
    return [
        f"B-{tag[2:]}" if tag.startswith("I-") and before[2:] != tag[2:] else tag
        for before, tag in zip(previous, tags, strict=False)
    ]


def _check_tags(references: list[list[str]], predictions: list[list[str]]) -> None:
    if not references or len(references) != len(predictions):
        raise DataError(
            f"{len(references)} tagged sentences but {len(predictions)} predicted; expected the same number, at least 1"
        )
    for sentence, (reference, prediction) in enumerate(zip(references, predictions, strict=True)):
        if len(reference) != len(prediction):
            raise DataError(f"sentence {sentence}: {len(reference)} tags but {len(prediction)} predicted")
        for tag in (*reference, *prediction):
            if not IOB2_TAG.fullmatch(tag):
                raise DataError(f"sentence {sentence}: tag {tag!r} is not IOB2; expected O, B-<type> or I-<type>")
