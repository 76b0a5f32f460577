"""Test rows in the pretraining text: the same paper, or a text that is contained in a paragraph."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from papertrail.core.errors import DataError
from papertrail.core.params import Leakage, Params
from papertrail.core.parquet import read_rows, stream_rows
from papertrail.core.records import Row
from papertrail.data.leakage import overlaps, text_of
from papertrail.data.prepared import split_file
from papertrail.data.task import load_task
from papertrail.data.text import squash


def find_contamination(params: Params) -> dict[str, dict[str, int]]:
    """Compare the test split of every data set with the training text of `pretraining.corpora`.

    Returns:
        Data set -> counts of its distinct test texts, see `check_contamination`.

    Raises:
        DataError: A test paper is in the pretraining text, or more test rows than the limit are.
    """
    tasks = {name: str(block["task"]) for name, block in sorted(params.datasets.items())}
    corpora = [(split_file(tasks[n], n, "train"), load_task(tasks[n])) for n in sorted(params.pretraining.corpora)]
    ids: list[str] = []  # of the paragraphs
    paragraph_of: dict[str, str] = {}  # paper -> one of its paragraphs
    for file, task in corpora:
        for row in stream_rows(file, ["id", task.group]):
            ids.append(row["id"])
            paragraph_of[row[task.group]] = row["id"]
    tests = {}
    for name, task_name in tasks.items():
        task = load_task(task_name)
        rows = read_rows(split_file(task_name, name, "test")).to_list()
        _check_papers(name, task.group, rows, paragraph_of)
        texts = {text_of(row, task.text): row["id"] for row in reversed(rows)}  # pairs of one query share its text
        tests[name] = [(id_, text) for text, id_ in texts.items()]
    corpus = (text_of(row, task.text) for file, task in corpora for row in stream_rows(file, [task.text]))
    return check_contamination(tests, ids, corpus, params.leakage)


def check_contamination(
    tests: Mapping[str, Sequence[tuple[str, str]]],
    paragraphs: Sequence[str],
    corpus: Iterable[str],
    settings: Leakage,
) -> dict[str, dict[str, int]]:
    """Count the test rows that are contained in a paragraph of the corpus.

    Args:
        tests: Data set -> (id, text) of its test rows.
        paragraphs: Ids of the paragraphs.
        corpus: Texts of the paragraphs, in the same order.
        settings: Thresholds.

    Returns:
        Data set -> {"rows": test rows, "compared": those with at least `min_letters` letters, "in_pretraining": those
        with at least the share `overlap` of their shingles in one paragraph}.

    Raises:
        DataError: More than the share `max_contaminated` of a data set is contained. The message has an example.
    """
    compared = [
        (name, id_, text)
        for name, rows in tests.items()
        for id_, text in rows
        if len(squash(text)) >= settings.min_letters
    ]
    found = overlaps([text for *_, text in compared], corpus, settings.shingle_letters)
    contained: dict[str, list[tuple[str, str]]] = {name: [] for name in tests}  # id of a row and of its paragraph
    for (name, id_, _), (share, paragraph) in zip(compared, found, strict=True):
        if share >= settings.overlap:
            contained[name].append((id_, paragraphs[paragraph]))
    for name, pairs in contained.items():
        _check_share(name, pairs, len(tests[name]), settings)
    sizes = Counter(name for name, *_ in compared)
    return {
        name: {"rows": len(rows), "compared": sizes[name], "in_pretraining": len(contained[name])}
        for name, rows in tests.items()
    }


def _check_share(name: str, pairs: Sequence[tuple[str, str]], rows: int, settings: Leakage) -> None:
    """Check that the number of contained rows, as pairs with their paragraphs, is within the limit."""
    if len(pairs) > settings.max_contaminated * rows:
        raise DataError(
            f"data set {name}: {len(pairs)} of {rows} test rows are in the pretraining text, such as "
            f"'{pairs[0][0]}' in paragraph '{pairs[0][1]}'; at most a share of {settings.max_contaminated} is allowed "
            "(leakage.max_contaminated); leave their papers out of the pretraining"
        )


def _check_papers(name: str, group: str, rows: Sequence[Row], paragraph_of: Mapping[str, str]) -> None:
    """Check that no test row is from a paper of the pretraining text.

    Args:
        name: Data set.
        group: Column of its rows with the paper.
        rows: Its test rows.
        paragraph_of: Paper -> id of one of its paragraphs.

    Raises:
        DataError: A row is; the message has the row and the paragraph.
    """
    for row in rows:
        if row[group] in paragraph_of:
            raise DataError(
                f"data set {name}: test row '{row['id']}' is from paper '{row[group]}', which is in the pretraining "
                f"text (paragraph '{paragraph_of[row[group]]}'); leave the paper out of pretraining.corpora"
            )
