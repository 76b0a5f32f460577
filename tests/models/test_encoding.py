"""Rows as model inputs: encoded on access, kept up to a limit; missing columns."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError
from papertrail.core.parquet import Rows, read_rows, write_rows
from papertrail.core.records import Row
from papertrail.models.batching import EpochDataset, Item, length_grouped_order
from papertrail.models.encoding import EncodedRows, check_columns, load_tokenizer
from papertrail.models.heads import load_head
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, make_classifier, make_rows

SEQUENCE = "sequence_classification"


@pytest.mark.parametrize("kept", [0, 5, 10_000])
@pytest.mark.parametrize("varies", [False, True])
def test_rows_encoded_on_access_equal_rows_encoded_at_once(
    kept: int, varies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("papertrail.models.encoding.KEPT", kept)
    head, model = load_head(SEQUENCE), make_classifier(inputs=["title", "text"])
    tokenizer = load_tokenizer(write_tiny_bert(tmp_path / "encoder"), model.max_tokens)
    write_rows(make_rows(SEQUENCE, 40), FEATURES[SEQUENCE], tmp_path / "rows.parquet")
    rows = read_rows(tmp_path / "rows.parquet")

    def encode(row: Row, epoch: int) -> Item:
        left_out = frozenset({"text"} if varies and (epoch + int(row["id"][-1])) % 3 == 0 else ())
        return head.encode(row, tokenizer, model, left_out)[0]

    same = EncodedRows(Rows(rows), partial(encode, epoch=0))
    lazy = EpochDataset(
        lambda epoch: EncodedRows(Rows(rows), partial(encode, epoch=epoch)) if varies else same, seed=3, batch_size=4
    )
    for epoch in (0, 1, 2, 1):
        lazy.set_epoch(epoch)
        items = [encode(row, epoch) for row in rows.to_list()]
        lengths = [len(item["input_ids"]) for item in items]
        assert [lazy[i] for i in range(len(lazy))] == [items[i] for i in length_grouped_order(lengths, 4, 3, epoch)]
    assert len(same.kept) == (0 if varies else min(kept, 40))


@pytest.mark.parametrize(
    ("head_name", "changes", "columns", "missing"),
    [
        (SEQUENCE, {}, ["id", "text"], "label"),
        (SEQUENCE, {"inputs": ["title", "abstract"]}, ["id", "label", "title"], "abstract"),
        (SEQUENCE, {"input_dropout": {"abstract": 0.2}}, ["id", "label", "text"], "abstract"),
        ("token_classification", {}, ["id", "tokens", "label"], "ner_tags"),
        ("pair_classification", {}, ["id", "context", "candidate", "label", "query"], "sampled"),
    ],
)
def test_a_missing_column_is_an_error(
    head_name: str, changes: dict[str, Any], columns: list[str], missing: str
) -> None:
    model = make_classifier(head_name, **changes)
    with pytest.raises(DataError, match=f"data set tiny has no column '{missing}' for head {head_name}"):
        check_columns(load_head(head_name), model, columns)
    check_columns(load_head(head_name), model, [*columns, missing])
