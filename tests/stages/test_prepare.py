"""The stage: files that it writes, broken input, wrong parameters, near-duplicates, label leakage."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.parquet import read_rows
from papertrail.core.process import run_cli
from papertrail.core.records import SPLITS
from papertrail.data.prepared import collection_file, split_file
from stages import prepare
from tests.fixtures.aclsum import Json, change_json, paper_file, write_aclsum
from tests.fixtures.commands import read_params, run_python, run_stage, write_params

DATASETS = {name: block["task"] for name, block in read_params()["datasets"].items() if block["source"] == "aclsum"}
ALL = {"train": None, "validation": None, "test": None}
PREPARE_ALL = """
import sys
from stages import prepare
for name in sys.argv[1:]:
    sys.argv = ["prepare", name]
    prepare.main()
"""
Run = Callable[[str], str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the stage for a data set in tmp_path and returns its error message, or ""."""
    monkeypatch.chdir(tmp_path)
    if not (tmp_path / "params.yaml").exists():
        write_params(tmp_path)

    def call(name: str) -> str:
        monkeypatch.setattr(sys, "argv", ["prepare", name])
        try:
            run_cli(prepare.main)
        except SystemExit as exit_:
            assert isinstance(exit_.code, str)  # printed to stderr, with exit code 1
            assert exit_.code.startswith("error: ")
            return exit_.code
        return ""

    return call


def outputs(folder: Path) -> dict[str, str]:
    """Return every output file with the hash of its content."""
    files = [
        file
        for top in ("data/prepared", "data/test", "metrics")
        for file in sorted((folder / top).rglob("*"))
        if file.is_file()
    ]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def expected_files(names: list[str]) -> set[str]:
    """Return the output files of these data sets."""
    rows = {split_file(DATASETS[name], name, split).as_posix() for name in names for split in SPLITS}
    searched = {name for name in names if DATASETS[name] == "semantic_search"}
    rows |= {collection_file("semantic_search", name).as_posix() for name in searched}
    return rows | {f"metrics/prepare/{name}.json" for name in names}


def use_jsonl(folder: Path, lines: dict[str, str], paper: str | None = None) -> None:
    """Write a params.yaml with data set `quotes` and its labelled lines; a split without lines has one valid line."""
    source = folder / "data/raw/quotes"
    source.mkdir(parents=True)
    for split in SPLITS:
        text = lines.get(split, '{"text": "It is so .", "label": "method"}\n')
        (source / f"{split}.jsonl").write_text(text, encoding="utf-8")
    block = {
        "task": "citation_intent",
        "source": "quotes",
        "format": "jsonl",
        "files": {split: f"{split}.jsonl" for split in SPLITS},
        "fields": {"text": "text", "label": "label", "paper": paper},
        "labels": ["background", "method"],
        "labels_by": "human",
        "examples": ALL,
    }

    def change(params: dict[str, Any]) -> None:
        params["datasets"]["quotes"] = block
        params["sources"]["quotes"] = params["sources"]["aclsum"]

    write_params(folder, change)


def test_all_data_sets_have_the_same_bytes_in_another_environment(aclsum: Path, tmp_path: Path, run: Run) -> None:
    for name in DATASETS:
        assert run(name) == ""
    here = outputs(tmp_path)
    assert here.keys() == expected_files(list(DATASETS))
    for name in DATASETS:
        assert run(name) == ""
    assert outputs(tmp_path) == here

    there = tmp_path / "another place"
    shutil.copytree(aclsum, there / "data/raw/aclsum")
    write_params(there)
    done = run_python(there, "-c", PREPARE_ALL, *DATASETS, PYTHONHASHSEED="77", TZ="Asia/Tokyo", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert outputs(there) == here


def test_metrics_add_up(aclsum: Path, tmp_path: Path, run: Run) -> None:
    assert run("aclsum_intent") == ""
    assert json.loads((tmp_path / "metrics/prepare/aclsum_intent.json").read_text(encoding="utf-8")) == {
        "read": {"sentences": 56},
        "label_leakage": {},
        "dropped": {"sentences with 0 roles": 7, "sentences with 2 roles": 7, "texts not sampled": 0},
        "rows": {
            "train": {"all": 18, "approach": 6, "challenge": 6, "outcome": 6},
            "validation": {"all": 12, "approach": 4, "challenge": 4, "outcome": 4},
            "test": {"all": 12, "approach": 4, "challenge": 4, "outcome": 4},
        },
    }
    rows = read_rows(tmp_path / "data/prepared/citation_intent/aclsum_intent/train.parquet")
    assert len(rows) == 18
    assert rows.features["label"].names == ["challenge", "approach", "outcome"]


def test_command_line(aclsum: Path, tmp_path: Path) -> None:
    done = run_stage(tmp_path, "prepare", "aclsum_category")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    before = outputs(tmp_path)
    assert before.keys() == expected_files(["aclsum_category"])

    file = paper_file(aclsum, "validation")
    file.write_text(file.read_text(encoding="utf-8")[:200], encoding="utf-8")
    done = run_stage(tmp_path, "prepare", "aclsum_category")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: data/raw/aclsum/paper_jsons/2020.validation-main.0.json: not valid JSON (")
    assert done.stderr.count("\n") == 1
    assert outputs(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [("aclsum_nre", "error: unknown data set 'aclsum_nre'; did you mean 'aclsum_ner'? (known: aclsum_ner, "), ("", "")],
)
def test_wrong_name_on_the_command_line(tmp_path: Path, name: str, expected: str) -> None:
    done = run_stage(tmp_path, "prepare", *([name] if name else []))
    assert done.returncode == (1 if name else 2)  # 2: the usage, by argparse
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(expected or "usage:")
    assert outputs(tmp_path) == {}


def break_json(source: Path) -> None:
    file = paper_file(source, "test", 1)
    file.write_text(file.read_text(encoding="utf-8").replace('"title"', "title", 1), encoding="utf-8")


def cut_lines(source: Path) -> None:
    file = source / "train.jsonl"
    file.write_bytes(file.read_bytes()[:-20])


def change_paper(change: Callable[[Json], Any]) -> Callable[[Path], None]:
    return lambda source: change_json(paper_file(source, "train", 1), change)


def repeat_line(source: Path) -> None:
    lines = (source / "val.jsonl").read_text(encoding="utf-8").split("\n")
    (source / "val.jsonl").write_text("\n".join([*lines, lines[0]]), encoding="utf-8")


def move_line(source: Path) -> None:
    line = (source / "train.jsonl").read_text(encoding="utf-8").split("\n")[0]
    with (source / "test.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}")


BROKEN: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "json": ("aclsum_ner", break_json, "paper_jsons/2020.test-main.1.json: not valid JSON"),
    "cut lines": ("aclsum_intent", cut_lines, "train.jsonl:3: not valid JSON"),
    "no body": (
        "aclsum_text",
        change_paper(lambda raw: raw["pdf_parse"].update(body_text=[])),
        "paper_jsons/2020.train-main.1.json: pdf_parse.body_text has no paragraph",
    ),
    "no parse": ("aclsum_linking", change_paper(lambda raw: raw.pop("pdf_parse")), "KeyError at 'pdf_parse'"),
    "no bibliography field": (
        "aclsum_interest",
        change_paper(lambda raw: raw["pdf_parse"].pop("bib_entries")),
        "2020.train-main.1.json: not a paper in S2ORC form",
    ),
    "duplicate paper in a split": (
        "aclsum_ner",
        repeat_line,
        "val.jsonl:3: paper '2020.validation-main.0' has no file",
    ),
    "duplicate id of a sentence": ("aclsum_intent", repeat_line, "duplicate id '2020.validation-main.0/abstract/0'"),
    "paper in two splits": ("aclsum_category", move_line, "test.jsonl:3: paper '2020.train-main.0' has no file"),
    "sentences in two splits": ("aclsum_intent", move_line, "duplicate id '2020.train-main.0/abstract/0'"),
    "no file of a split": ("aclsum_ner", lambda source: (source / "val.jsonl").unlink(), "val.jsonl: no such file"),
    "empty split": (
        "aclsum_intent",
        lambda source: (source / "val.jsonl").write_text("\n"),
        "data set aclsum_intent: split validation is empty",
    ),
    "no papers": ("aclsum_ner", lambda source: shutil.rmtree(source / "paper_jsons"), "aclsum/paper_jsons: no *.json"),
    "no source": ("aclsum_linking", shutil.rmtree, "data/raw/aclsum/paper_jsons: no *.json file"),
}


@pytest.mark.parametrize("case", list(BROKEN))
def test_bad_input_is_an_error_and_keeps_earlier_output(aclsum: Path, tmp_path: Path, run: Run, case: str) -> None:
    name, damage, expected = BROKEN[case]
    assert run(name) == ""
    before = outputs(tmp_path)
    damage(aclsum)
    message = run(name)
    assert expected in message
    assert "\n" not in message
    assert outputs(tmp_path) == before
    for folder in ("data/prepared", "data/test"):
        assert [path.name for path in (tmp_path / folder / DATASETS[name]).iterdir()] == [name]


@pytest.mark.parametrize("case", ["json", "empty split"])
def test_bad_input_leaves_no_output(aclsum: Path, tmp_path: Path, run: Run, case: str) -> None:
    name, damage, _ = BROKEN[case]
    damage(aclsum)
    assert run(name) != ""
    for folder in ("prepared", "test"):
        assert [path for path in (tmp_path / "data" / folder).rglob("*") if path.parent.name != folder] == []
    assert not (tmp_path / "metrics").exists()


def test_a_value_of_another_type_leaves_no_rows(tmp_path: Path, run: Run) -> None:
    use_jsonl(tmp_path, {"validation": '{"text": ["no", "text"], "label": "method"}\n'})
    message = run("quotes")
    assert "validation.jsonl:1: text: expected a text" in message
    assert outputs(tmp_path) == {}
    assert not list((tmp_path / "data/prepared").rglob("*quotes*"))


def test_two_labels_of_one_name(tmp_path: Path, run: Run) -> None:
    use_jsonl(tmp_path, {})
    params = json.loads((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    params["datasets"]["quotes"]["labels"] = ["method", "method"]
    (tmp_path / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    assert run("quotes").startswith("error: params.yaml: datasets.quotes: Some label names are duplicated.")


def test_unknown_label(tmp_path: Path, run: Run) -> None:
    use_jsonl(tmp_path, {"test": '{"text": "a", "label": "method"}\n{"text": "b", "label": "methods"}'})
    assert run("quotes") == (
        "error: data/raw/quotes/test.jsonl:2: label 'methods' is not in labels ['background', 'method']"
    )
    assert outputs(tmp_path) == {}


def test_labelled_lines(tmp_path: Path, run: Run) -> None:
    use_jsonl(tmp_path, {"train": '{"text": "a", "label": "method"}\n\n{"text": "b", "label": "background"}'})
    assert run("quotes") == ""
    rows = read_rows(tmp_path / "data/prepared/citation_intent/quotes/train.parquet")
    assert rows["text"][:] == ["a", "b"]
    assert rows["label"][:] == [1, 0]


def test_truncated_lines_of_labels(tmp_path: Path, run: Run) -> None:
    use_jsonl(tmp_path, {"train": '{"text": "a", "label": "method"}\n{"text": "b", "la'})
    assert "data/raw/quotes/train.jsonl:2: not valid JSON" in run("quotes")


def test_one_paper_in_two_files_of_labels(tmp_path: Path, run: Run) -> None:
    line = '{"text": "a", "label": "method", "paper": "W1"}'
    use_jsonl(tmp_path, dict.fromkeys(SPLITS, line), paper="paper")
    assert run("quotes") == (
        "error: data set quotes: paper 'W1' is in train (row 'train/0') and validation (row 'validation/0'); "
        "keep it in one split"
    )


def test_spans_that_differ_from_their_text_are_counted(aclsum: Path, tmp_path: Path, run: Run) -> None:
    def shift(raw: Json) -> None:
        raw["pdf_parse"]["body_text"][0]["cite_spans"][0]["start"] += 1
        raw["pdf_parse"]["body_text"][1]["ref_spans"][0]["text"] = "Figure 9"

    change_json(paper_file(aclsum, "train", 0), shift)
    assert run("aclsum_ner") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/aclsum_ner.json").read_text(encoding="utf-8"))
    assert metrics["dropped"]["citation spans: text differs from the paragraph's"] == 1
    assert metrics["dropped"]["reference spans: text differs from the paragraph's"] == 1
    assert metrics["read"]["citation spans"] == 8 * 7


@pytest.mark.parametrize("name", list(DATASETS))
def test_paper_with_an_empty_bibliography(aclsum: Path, tmp_path: Path, run: Run, name: str) -> None:
    change_json(paper_file(aclsum, "train"), lambda raw: raw["pdf_parse"].update(bib_entries={}))
    assert run(name) == ""
    metrics = json.loads((tmp_path / f"metrics/prepare/{name}.json").read_text(encoding="utf-8"))
    if name != "aclsum_intent":  # reads sentences only, no papers
        assert metrics["read"]["papers without a bibliography"] == 1


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("task", "citation_intend", "but data set 'aclsum_intent' has task 'citation_intend'"),
        (
            "source",
            "aclsun",
            "params.yaml: datasets.aclsum_intent.source: unknown source 'aclsun'; did you mean 'aclsum'? (known: ",
        ),
        (
            "format",
            "xml",
            "params.yaml: datasets.aclsum_intent: format: expected one of 'aclsum', 'jsonl' (got \"xml\")",
        ),
        ("labels", ["one"], "params.yaml: datasets.aclsum_intent: labels: list should have at least 2 items"),
        (
            "examples",
            {**ALL, "train": 0},
            "datasets.aclsum_intent: examples.train: input should be greater than 0 (got 0)",
        ),
        ("examples", {"train": 1, "test": 1}, "datasets.aclsum_intent: examples.validation: missing"),
    ],
)
def test_wrong_block(aclsum: Path, tmp_path: Path, run: Run, key: str, value: object, expected: str) -> None:
    write_params(tmp_path, lambda params: params["datasets"]["aclsum_intent"].update({key: value}))
    assert expected in run("aclsum_intent")
    assert outputs(tmp_path) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"topic": "("}, "datasets.aclsum_interest: topic: not a regular expression: missing )"),
        ({"train_share": 0.7, "validation_share": 0.3}, "split test is empty; check its sizes and shares"),
        ({"first_year": 2050}, "split train is empty"),
    ],
)
def test_shares_that_leave_a_split_empty(
    aclsum: Path, tmp_path: Path, run: Run, change: dict[str, Any], expected: str
) -> None:
    write_params(tmp_path, lambda params: params["datasets"]["aclsum_interest"].update(change))
    assert expected in run("aclsum_interest")
    assert outputs(tmp_path) == {}


def test_a_topic_without_papers_shows_in_the_counts(aclsum: Path, tmp_path: Path, run: Run) -> None:
    write_params(tmp_path, lambda params: params["datasets"]["aclsum_interest"].update(topic="mountain"))
    assert run("aclsum_interest") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/aclsum_interest.json").read_text(encoding="utf-8"))
    assert metrics["read"]["papers of the reader"] == 0
    assert "1" not in metrics["rows"]["train"]


def test_sizes_of_splits(tmp_path: Path, run: Run) -> None:
    write_aclsum(tmp_path / "data/raw/aclsum", train=12, validation=4, test=4)
    sizes = {"train": 20, "validation": 5, "test": 6}
    write_params(tmp_path, lambda params: params["datasets"]["aclsum_ner"].update(examples=sizes))
    assert run("aclsum_ner") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/aclsum_ner.json").read_text(encoding="utf-8"))
    assert {split: rows["all"] for split, rows in metrics["rows"].items()} == sizes


def test_near_duplicates_of_a_test_row_are_dropped_from_training(tmp_path: Path, run: Run) -> None:
    text = "Round pebbles are hard to tell apart when they are wet"
    training = [text.upper(), text, *(f"Valley {n} has {n * 31} pebbles of {n * 77} grams" for n in range(9))]
    lines = {"train": training, "test": [f"{text} .", "Nothing else is like this sentence"]}
    use_jsonl(tmp_path, {split: "\n".join(json.dumps({"text": t, "label": "method"}) for t in texts)
                         for split, texts in lines.items()})  # fmt: skip
    params = json.loads((tmp_path / "params.yaml").read_text())
    params["leakage"] |= {"shingle_letters": 8, "max_dropped": 0.2}
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    assert run("quotes") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/quotes.json").read_text(encoding="utf-8"))
    assert metrics["dropped"]["train near-duplicates of test rows"] == 2
    assert {split: rows["all"] for split, rows in metrics["rows"].items()} == {"train": 9, "validation": 1, "test": 2}
    folder = tmp_path / "data/prepared/citation_intent/quotes"
    assert read_rows(folder / "train.parquet")["text"][:] == lines["train"][2:]

    params["leakage"]["max_dropped"] = 0.1
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    assert (
        "2 of 11 rows of train are near-duplicates of rows of a later split, such as 'train/0' of 'test/0' in test"
        in run("quotes")
    )


def test_one_title_in_two_splits_is_an_error(aclsum: Path, run: Run) -> None:
    change_json(paper_file(aclsum, "train", 1), lambda raw: raw.update(title="Wäshing the Wet-Pebbles"))
    change_json(paper_file(aclsum, "test"), lambda raw: raw.update(title="washing the wet pebbles"))
    for name in ("aclsum_ner", "aclsum_text"):
        expected = (
            "papers '2020.train-main.1' of train and '2020.test-main.0' of test have the same title, 'washing the wet"
        )
        assert expected in run(name)


def test_label_leakage_of_unmasked_citations(aclsum: Path, tmp_path: Path, run: Run) -> None:
    assert run("aclsum_linking") == ""
    file = tmp_path / "metrics/prepare/aclsum_linking.json"
    leakage = json.loads(file.read_text(encoding="utf-8"))["label_leakage"]
    assert leakage["cited_author_and_year_in_context"] == {"labels": 7 * 6, "leaked": 0}

    write_params(tmp_path, lambda params: params["datasets"]["aclsum_linking"].update(mask="none"))
    expected = "data set aclsum_linking: cited_author_and_year_in_context: 42 of 42 labels are readable from"
    assert expected in run("aclsum_linking")

    def raise_limit(params: dict[str, Any]) -> None:
        params["datasets"]["aclsum_linking"]["mask"] = "none"
        params["leakage"]["max_label_leakage"]["cited_author_and_year_in_context"] = 1.0

    write_params(tmp_path, raise_limit)
    assert run("aclsum_linking") == ""

    write_params(tmp_path, lambda params: params["leakage"]["max_label_leakage"].pop("cited_title_in_context"))
    expected = "params.yaml: leakage.max_label_leakage: no limit for check 'cited_title_in_context'; add one"
    assert expected in run("aclsum_linking")


def test_label_leakage_of_venues_in_titles(aclsum: Path, run: Run) -> None:
    def add_venue(raw: Json) -> None:
        for entry in raw["pdf_parse"]["bib_entries"].values():
            entry["title"] += f". In {entry['venue']}"

    for split, size in (("train", 3), ("validation", 2), ("test", 2)):
        for number in range(size):
            change_json(paper_file(aclsum, split, number), add_venue)
    assert "data set aclsum_category: venue_in_text: " in run("aclsum_category")


def test_label_leakage_of_topics_in_titles(aclsum: Path, run: Run) -> None:
    def add_topic(raw: Json) -> None:
        if "Translating" in raw["title"]:
            for entry in raw["pdf_parse"]["bib_entries"].values():
                entry["title"] += " in translation"

    for split, size in (("train", 3), ("validation", 2), ("test", 2), ("none", 1)):
        for number in range(size):
            change_json(paper_file(aclsum, split, number), add_topic)
    assert "data set aclsum_interest: topic_in_title: " in run("aclsum_interest")


def test_label_leakage_of_titles_in_queries(aclsum: Path, run: Run) -> None:
    def add_title(raw: Json) -> None:
        for part in raw["pdf_parse"]["body_text"]:
            cited = [s["ref_id"] for s in part["cite_spans"] if s["ref_id"]]
            part["text"] = part["text"].rstrip(".") + "".join(
                f", and {raw['pdf_parse']['bib_entries'][id_]['title'].upper()}" for id_ in cited
            )

    for split, size in (("train", 3), ("validation", 2), ("test", 2)):
        for number in range(size):
            change_json(paper_file(aclsum, split, number), add_title)
    assert "data set aclsum_search: cited_title_in_query: " in run("aclsum_search")


def test_a_collection_has_the_relevant_documents(aclsum: Path, tmp_path: Path, run: Run) -> None:
    assert run("aclsum_search") == ""
    collection = read_rows(tmp_path / collection_file("semantic_search", "aclsum_search"))
    metrics = json.loads((tmp_path / "metrics/prepare/aclsum_search.json").read_text(encoding="utf-8"))
    assert metrics["collection"] == len(collection) > 0
    assert {
        id_
        for row in read_rows(tmp_path / split_file("semantic_search", "aclsum_search", "test")).to_list()
        for id_ in row["relevant"]
    } <= {*collection["id"]}


LINE = '{{"text": "Sentence {0} of work {1} is about stone {2}.", "label": "{3}"}}\n'


def lines_of(*numbers: int) -> str:
    """Return labelled lines with different texts."""
    return "".join(LINE.format(n, n * 31, n * 77, ("method", "background")[n % 2]) for n in numbers)


def change_quotes(folder: Path, **values: Any) -> None:
    """Change the block of data set `quotes`, and search for near-duplicates."""
    params = json.loads((folder / "params.yaml").read_text(encoding="utf-8"))
    params["leakage"]["shingle_letters"] = 8
    params["datasets"]["quotes"] |= values
    (folder / "params.yaml").write_text(json.dumps(params), encoding="utf-8")


def test_the_leakage_limits_of_a_data_set(tmp_path: Path, run: Run) -> None:
    use_jsonl(tmp_path, {"train": lines_of(*range(20)), "validation": lines_of(30, 31), "test": lines_of(3, 4, 40)})
    change_quotes(tmp_path)
    message = run("quotes")
    assert "2 of 20 rows of train are near-duplicates" in message
    assert "rows of later splits with a copy: 2 of test" in message
    assert "set datasets.quotes.leakage: {max_dropped: 0.1}" in message
    change_quotes(tmp_path, leakage={"max_dropped": 0.1})
    assert run("quotes") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/quotes.json").read_text(encoding="utf-8"))
    assert metrics["dropped"]["train near-duplicates of test rows"] == 2
    assert (metrics["rows"]["train"]["all"], metrics["rows"]["test"]["all"]) == (18, 3)
    change_quotes(tmp_path, leakage={"max_droped": 0.1})
    assert "params.yaml: datasets.quotes.leakage: max_droped: unknown key" in run("quotes")


def test_a_split_of_near_duplicates_alone_is_an_error(tmp_path: Path, run: Run) -> None:
    use_jsonl(tmp_path, {"train": lines_of(1, 2), "validation": lines_of(30), "test": lines_of(1, 2)})
    change_quotes(tmp_path, leakage={"max_dropped": 1.0})
    assert "every row of train is a near-duplicate of a row of a later split" in run("quotes")


def test_an_empty_split_shows_the_counts(tmp_path: Path, run: Run) -> None:
    use_jsonl(tmp_path, {"validation": '{"text": " ", "label": "method"}\n{"text": "", "label": "method"}\n'})
    assert run("quotes") == (
        "error: data set quotes: split validation is empty; check its sizes and shares in params.yaml, and its files "
        "(read: 4 texts; dropped: 2 empty texts)"
    )
    (tmp_path / "data/raw/quotes/validation.jsonl").write_text("")
    assert "split validation is empty" in run("quotes")


def test_few_positives_in_validation_are_a_warning(tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    use_jsonl(tmp_path, {"train": lines_of(*range(20)), "validation": lines_of(*range(30, 60)), "test": lines_of(70)})
    assert run("quotes") == ""
    assert caplog.messages == []
    more = lines_of(*range(30, 60, 2), 31, 33)
    (tmp_path / "data/raw/quotes/validation.jsonl").write_text(more, encoding="utf-8")
    assert run("quotes") == ""
    assert caplog.messages == [
        "data set quotes: validation has 2 rows of class 'background', fewer than 10; a threshold chosen on them is "
        "close to arbitrary; give the split more rows"
    ]


def test_the_field_case_of_ids_of_two_types(repo: Path, tmp_path: Path, run: Run) -> None:
    folder = repo / "../shared/data/field/j01"
    if not folder.is_dir():
        pytest.skip(f"{folder}: the files are missing")
    use_jsonl(tmp_path, {}, paper="paper")
    for split, file in zip(SPLITS, ("train", "dev", "test"), strict=True):
        shutil.copy(folder / f"{file}.jsonl", tmp_path / f"data/raw/quotes/{split}.jsonl")
    change_quotes(tmp_path, labels=["background", "method", "result"])
    message = run("quotes")
    assert message.startswith("error: data set quotes: paper '0' is in train (row 'train/0') and test (row 'test/0')")


@pytest.mark.parametrize(("one", "other"), [("0", '"0"'), ("7.0", '"7"'), ('"7.0"', "7"), ('"cafe\u0301"', '"café"')])
def test_ids_have_one_spelling(tmp_path: Path, run: Run, one: str, other: str) -> None:
    lines = [f'{{"text": "a", "label": "method", "paper": {paper}}}' for paper in (one, '"x"', other)]
    use_jsonl(tmp_path, dict(zip(SPLITS, lines, strict=True)), paper="paper")
    assert "is in train (row 'train/0') and test (row 'test/0'); keep it in one split" in run("quotes")


@pytest.mark.parametrize("missing", ["null", "NaN", '""', '"nan"'])
def test_a_missing_id_is_no_id(tmp_path: Path, run: Run, missing: str) -> None:
    line = f'{{"text": "a", "label": "method", "paper": {missing}}}'
    use_jsonl(tmp_path, dict.fromkeys(SPLITS, line), paper="paper")
    assert run("quotes") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/quotes.json").read_text(encoding="utf-8"))
    assert metrics["read"]["texts without a paper"] == 3
