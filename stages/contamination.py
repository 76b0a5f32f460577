"""Look for test rows of every data set in the text that the encoder is pretrained on -> metrics/contamination.json."""

from pathlib import Path

from scholar.errors import DataError, run
from scholar.leakage import check_contamination, text_of
from scholar.params import load_params
from scholar.records import Row, read_rows, stream_rows, write_json
from scholar.task import load_task


def main() -> None:
    """Fail when a test paper, or more than a few test rows, are in the pretraining text; count the few."""
    params = load_params()
    files = [Path("data/prepared/pretraining", name, "train.parquet") for name in sorted(params.pretraining.corpora)]
    places = [row for file in files for row in stream_rows(file, ["id", "paper"])]
    home = {row["paper"]: row["id"] for row in places}
    tests = {}
    for name, block in sorted(params.datasets.items()):
        task = load_task(str(block["task"]))
        rows = read_rows(Path("data/prepared", str(block["task"]), name, "test.parquet")).to_list()
        check_papers(name, task.group, rows, home)
        texts = {text_of(row, task.text): row["id"] for row in reversed(rows)}  # pairs of one query share its text
        tests[name] = [(id_, text) for text, id_ in texts.items()]
    corpus_texts = (text_of(row, "sentences") for file in files for row in stream_rows(file, ["sentences"]))
    paragraphs = [row["id"] for row in places]
    write_json(check_contamination(tests, paragraphs, corpus_texts, params.leakage), Path("metrics/contamination.json"))


def check_papers(name: str, group: str, rows: list[Row], home: dict[str, str]) -> None:
    """No test row is of a pretraining paper. `home`: paper -> a paragraph of it.

    Raises:
        DataError: one is; the message names the row and the paragraph.
    """
    for row in rows:
        if row[group] in home:
            raise DataError(
                f"data set {name}: test row '{row['id']}' is of paper '{row[group]}', which the pretraining reads "
                f"(paragraph '{home[row[group]]}'); leave the paper out of pretraining.corpora"
            )


if __name__ == "__main__":
    run(main)
