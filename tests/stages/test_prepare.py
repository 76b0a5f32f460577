"""The command itself: what it writes, and what it says when it cannot."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import Features, List, Value

from scholar.errors import DataError, run
from scholar.records import SPLITS, RowWriter, read_rows, write_rows
from scholar.task import Task, load_task
from stages import prepare
from tests.fixtures.aclsum import Json, change_json, paper_file, write_aclsum
from tests.fixtures.commands import read_params, run_python, run_stage, write_params

DATA_SETS = {name: block["task"] for name, block in read_params()["datasets"].items() if block["source"] == "aclsum"}
ALL = {"train": None, "validation": None, "test": None}
PREPARE_ALL = """
import sys
from stages import prepare
for name in sys.argv[1:]:
    sys.argv = ["prepare", name]
    prepare.main()
"""
Told = Callable[[str], str]
add = RowWriter.add


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Call the stage for a data set in tmp_path; returns the message it ends with, empty when it succeeds."""
    monkeypatch.chdir(tmp_path)
    if not (tmp_path / "params.yaml").exists():
        write_params(tmp_path)

    def call(name: str) -> str:
        monkeypatch.setattr(sys, "argv", ["prepare", name])
        try:
            run(prepare.main)
        except SystemExit as exit_:
            assert isinstance(exit_.code, str)  # printed to stderr, with exit code 1
            assert exit_.code.startswith("error: ")
            return exit_.code
        return ""

    return call


def outputs(folder: Path) -> dict[str, str]:
    """Every file below data/prepared and metrics, with the hash of its content."""
    files = [
        file for top in ("data/prepared", "metrics") for file in sorted((folder / top).rglob("*")) if file.is_file()
    ]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def expected_files(names: list[str]) -> set[str]:
    """What the stage leaves for these data sets."""
    rows = {f"data/prepared/{DATA_SETS[name]}/{name}/{split}.parquet" for name in names for split in SPLITS}
    searched = {name for name in names if DATA_SETS[name] == "semantic_search"}
    rows |= {f"data/prepared/semantic_search/{name}/collection.parquet" for name in searched}
    return rows | {f"metrics/prepare/{name}.json" for name in names}


def use_jsonl(folder: Path, lines: dict[str, str], paper: str | None = None) -> None:
    """A params.yaml with data set `quotes`, labelled lines of the splits given; others have one good line."""
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


def test_all_data_sets_and_the_same_bytes_elsewhere(aclsum: Path, tmp_path: Path, told: Told) -> None:
    for name in DATA_SETS:
        assert told(name) == ""
    here = outputs(tmp_path)
    assert here.keys() == expected_files(list(DATA_SETS))
    for name in DATA_SETS:
        assert told(name) == ""
    assert outputs(tmp_path) == here

    there = tmp_path / "another place"
    shutil.copytree(aclsum, there / "data/raw/aclsum")
    write_params(there)
    done = run_python(there, "-c", PREPARE_ALL, *DATA_SETS, PYTHONHASHSEED="77", TZ="Asia/Tokyo", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert outputs(there) == here


def test_metrics_add_up(aclsum: Path, tmp_path: Path, told: Told) -> None:
    assert told("aclsum_intent") == ""
    assert json.loads((tmp_path / "metrics/prepare/aclsum_intent.json").read_text(encoding="utf-8")) == {
        "read": {"sentences": 56},
        "readable": {},
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
    "paper twice in a split": ("aclsum_ner", repeat_line, "val.jsonl:3: paper '2020.validation-main.0' has no file"),
    "sentence id twice": ("aclsum_intent", repeat_line, "id '2020.validation-main.0/abstract/0' stands twice"),
    "paper in two splits": ("aclsum_category", move_line, "test.jsonl:3: paper '2020.train-main.0' has no file"),
    "sentences in two splits": ("aclsum_intent", move_line, "id '2020.train-main.0/abstract/0' stands twice"),
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
def test_bad_input_is_told_and_earlier_output_stays(aclsum: Path, tmp_path: Path, told: Told, case: str) -> None:
    name, damage, expected = BROKEN[case]
    assert told(name) == ""
    before = outputs(tmp_path)
    damage(aclsum)
    message = told(name)
    assert expected in message
    assert "\n" not in message
    assert outputs(tmp_path) == before
    assert [path.name for path in (tmp_path / "data/prepared" / DATA_SETS[name]).iterdir()] == [name]


@pytest.mark.parametrize("case", ["json", "empty split"])
def test_bad_input_leaves_no_output(aclsum: Path, tmp_path: Path, told: Told, case: str) -> None:
    name, damage, _ = BROKEN[case]
    damage(aclsum)
    assert told(name) != ""
    assert [path for path in (tmp_path / "data/prepared").rglob("*") if path.parent.name != "prepared"] == []
    assert not (tmp_path / "metrics").exists()


def test_value_that_does_not_fit_leaves_no_half_of_the_rows(tmp_path: Path, told: Told) -> None:
    use_jsonl(tmp_path, {"validation": '{"text": ["no", "text"], "label": "method"}\n'})
    message = told("quotes")
    assert "validation.jsonl:1: text: a text was expected" in message
    assert outputs(tmp_path) == {}
    assert not list((tmp_path / "data/prepared").rglob("*quotes*"))


def test_unknown_label(tmp_path: Path, told: Told) -> None:
    use_jsonl(tmp_path, {"test": '{"text": "a", "label": "method"}\n{"text": "b", "label": "methods"}'})
    assert told("quotes") == (
        "error: data/raw/quotes/test.jsonl:2: label 'methods' is not in labels ['background', 'method']"
    )
    assert outputs(tmp_path) == {}


def test_labelled_lines(tmp_path: Path, told: Told) -> None:
    use_jsonl(tmp_path, {"train": '{"text": "a", "label": "method"}\n\n{"text": "b", "label": "background"}'})
    assert told("quotes") == ""
    rows = read_rows(tmp_path / "data/prepared/citation_intent/quotes/train.parquet")
    assert rows["text"][:] == ["a", "b"]
    assert rows["label"][:] == [1, 0]


def test_cut_off_lines_of_labels(tmp_path: Path, told: Told) -> None:
    use_jsonl(tmp_path, {"train": '{"text": "a", "label": "method"}\n{"text": "b", "la'})
    assert "data/raw/quotes/train.jsonl:2: not valid JSON" in told("quotes")


def test_one_paper_in_two_files_of_labels(tmp_path: Path, told: Told) -> None:
    line = '{"text": "a", "label": "method", "paper": "W1"}'
    use_jsonl(tmp_path, dict.fromkeys(SPLITS, line), paper="paper")
    assert told("quotes") == (
        "error: data set quotes: paper 'W1' stands in train (row 'train/0') and in validation "
        "(row 'validation/0'); put it in one"
    )


def test_spans_that_do_not_fit_are_counted(aclsum: Path, tmp_path: Path, told: Told) -> None:
    def shift(raw: Json) -> None:
        raw["pdf_parse"]["body_text"][0]["cite_spans"][0]["start"] += 1
        raw["pdf_parse"]["body_text"][1]["ref_spans"][0]["text"] = "Figure 9"

    change_json(paper_file(aclsum, "train", 0), shift)
    assert told("aclsum_ner") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/aclsum_ner.json").read_text(encoding="utf-8"))
    assert metrics["dropped"]["citation spans: text differs from the paragraph's"] == 1
    assert metrics["dropped"]["reference spans: text differs from the paragraph's"] == 1
    assert metrics["read"]["citation spans"] == 8 * 7


@pytest.mark.parametrize("name", list(DATA_SETS))
def test_paper_with_an_empty_bibliography(aclsum: Path, tmp_path: Path, told: Told, name: str) -> None:
    change_json(paper_file(aclsum, "train"), lambda raw: raw["pdf_parse"].update(bib_entries={}))
    assert told(name) == ""
    metrics = json.loads((tmp_path / f"metrics/prepare/{name}.json").read_text(encoding="utf-8"))
    if name != "aclsum_intent":  # reads no paper, sentences alone
        assert metrics["read"]["papers without a bibliography"] == 1


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("task", "citation_intend", "but data set 'aclsum_intent' is of task 'citation_intend'"),
        ("source", "aclsun", "unknown source 'aclsun'; did you mean 'aclsum'? (known: aclsum, "),
        (
            "format",
            "xml",
            "params.yaml: datasets.aclsum_intent: format: one of 'aclsum', 'jsonl' was expected (got \"xml\")",
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
def test_wrong_block(aclsum: Path, tmp_path: Path, told: Told, key: str, value: object, expected: str) -> None:
    write_params(tmp_path, lambda params: params["datasets"]["aclsum_intent"].update({key: value}))
    assert expected in told("aclsum_intent")
    assert outputs(tmp_path) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"topic": "("}, "datasets.aclsum_interest: topic: value error, not a regular expression: missing )"),
        ({"train_share": 0.7, "validation_share": 0.3}, "split test is empty; check its sizes and shares"),
        ({"first_year": 2050}, "split train is empty"),
    ],
)
def test_shares_that_leave_a_split_empty(
    aclsum: Path, tmp_path: Path, told: Told, change: dict[str, Any], expected: str
) -> None:
    write_params(tmp_path, lambda params: params["datasets"]["aclsum_interest"].update(change))
    assert expected in told("aclsum_interest")
    assert outputs(tmp_path) == {}


def test_a_topic_that_nobody_works_on_is_seen_in_the_counts(aclsum: Path, tmp_path: Path, told: Told) -> None:
    write_params(tmp_path, lambda params: params["datasets"]["aclsum_interest"].update(topic="mountain"))
    assert told("aclsum_interest") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/aclsum_interest.json").read_text(encoding="utf-8"))
    assert metrics["read"]["papers of the reader"] == 0
    assert "1" not in metrics["rows"]["train"]


def test_sizes_are_kept(tmp_path: Path, told: Told) -> None:
    write_aclsum(tmp_path / "data/raw/aclsum", train=12, validation=4, test=4)
    sizes = {"train": 20, "validation": 5, "test": 6}
    write_params(tmp_path, lambda params: params["datasets"]["aclsum_ner"].update(examples=sizes))
    assert told("aclsum_ner") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/aclsum_ner.json").read_text(encoding="utf-8"))
    assert {split: rows["all"] for split, rows in metrics["rows"].items()} == sizes


def rows_of(*names: str, paper: str = "P") -> list[dict[str, Any]]:
    """Rows with these ids, all of one paper."""
    return [{"id": name, "paper": paper} for name in names]


def write_splits(folder: Path, task: Task, splits: dict[str, list[dict[str, Any]]]) -> None:
    """The stage's own writing of splits, of rows that have an id and a paper."""
    features = Features(id=Value("string"), paper=Value("string"))
    rows = [(split, row) for split, given in splits.items() for row in given]
    prepare.write_splits("x", task, features, rows, {split: folder / f"{split}.parquet" for split in splits})


def test_check_of_splits(tmp_path: Path) -> None:
    intent, text = load_task("citation_intent"), load_task("pretraining")
    good = {"train": rows_of("a", "b"), "validation": rows_of("c", paper="Q"), "test": rows_of("d", paper="R")}
    write_splits(tmp_path / "good", intent, good)
    assert read_rows(tmp_path / "good/train.parquet").to_list() == good["train"]
    write_splits(tmp_path / "no test", text, {**good, "test": []})
    for task, change, expected in [
        (intent, {"test": []}, "data set x: split test is empty"),
        (text, {"train": []}, "data set x: split train is empty"),
        (intent, {"train": rows_of("a", "a")}, "data set x: id 'a' stands twice"),
        (intent, {"test": rows_of("a", paper="R")}, "data set x: id 'a' stands twice"),
        (
            intent,
            {"test": rows_of("d", paper="P")},
            "data set x: paper 'P' stands in train .row 'a'. and in test .row 'd'.",
        ),
    ]:
        with pytest.raises(DataError, match=expected):
            write_splits(tmp_path / "bad", task, {**good, **change})
        assert list((tmp_path / "bad").iterdir()) == []


def test_splits_are_written_by_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scholar.records.SHARD", 4)
    held: list[int] = []
    monkeypatch.setattr(
        "scholar.records.RowWriter.add", lambda writer, row: (add(writer, row), held.append(len(writer.shard)))
    )
    splits = {"train": rows_of(*map(str, range(10))), "validation": rows_of("v", paper="Q"), "test": []}
    write_splits(tmp_path, load_task("pretraining"), splits)
    assert max(held) == 3  # the fourth is written at once
    groups = pq.ParquetFile(tmp_path / "train.parquet").metadata
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [4, 4, 2]
    assert read_rows(tmp_path / "train.parquet").to_list() == splits["train"]


def test_copies_of_a_test_row_leave_the_training_rows(tmp_path: Path, told: Told) -> None:
    text = "Round pebbles are hard to tell apart when they are wet"
    training = [text.upper(), text, *(f"Valley {n} has {n * 31} pebbles of {n * 77} grams" for n in range(9))]
    lines = {"train": training, "test": [f"{text} .", "Nothing like it stands elsewhere"]}
    use_jsonl(tmp_path, {split: "\n".join(json.dumps({"text": t, "label": "method"}) for t in texts)
                         for split, texts in lines.items()})  # fmt: skip
    params = json.loads((tmp_path / "params.yaml").read_text())
    params["leakage"] |= {"shingle_letters": 8, "max_dropped": 0.2}
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    assert told("quotes") == ""
    metrics = json.loads((tmp_path / "metrics/prepare/quotes.json").read_text(encoding="utf-8"))
    assert metrics["dropped"]["train rows like one of test"] == 2
    assert {split: rows["all"] for split, rows in metrics["rows"].items()} == {"train": 9, "validation": 1, "test": 2}
    folder = tmp_path / "data/prepared/citation_intent/quotes"
    assert read_rows(folder / "train.parquet")["text"][:] == lines["train"][2:]

    params["leakage"]["max_dropped"] = 0.1
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    assert "2 of 11 rows of train stand in a later split, too, such as 'train/0' and 'test/0' of test" in told("quotes")


def test_one_paper_in_a_workshop_and_at_a_conference(aclsum: Path, told: Told) -> None:
    change_json(paper_file(aclsum, "train", 1), lambda raw: raw.update(title="Wäshing the Wet-Pebbles"))
    change_json(paper_file(aclsum, "test"), lambda raw: raw.update(title="washing the wet pebbles"))
    for name in ("aclsum_ner", "aclsum_text"):
        expected = "papers '2020.train-main.1' of train and '2020.test-main.0' of test have one title, 'washing the wet"
        assert expected in told(name)


def test_an_answer_that_the_input_tells(aclsum: Path, tmp_path: Path, told: Told) -> None:
    assert told("aclsum_linking") == ""
    file = tmp_path / "metrics/prepare/aclsum_linking.json"
    readable = json.loads(file.read_text(encoding="utf-8"))["readable"]
    assert readable["cited_author_and_year_in_context"] == {"answers": 7 * 6, "given_away": 0}

    write_params(tmp_path, lambda params: params["datasets"]["aclsum_linking"].update(mask="none"))
    expected = "data set aclsum_linking: cited_author_and_year_in_context gives 42 of 42 answers away; at most 0.02 of"
    assert expected in told("aclsum_linking")

    def give_up(params: dict[str, Any]) -> None:
        params["datasets"]["aclsum_linking"]["mask"] = "none"
        params["leakage"]["max_readable"]["cited_author_and_year_in_context"] = 1.0

    write_params(tmp_path, give_up)
    assert told("aclsum_linking") == ""

    write_params(tmp_path, lambda params: params["leakage"]["max_readable"].pop("cited_title_in_context"))
    expected = "params.yaml: leakage.max_readable: no limit for clue 'cited_title_in_context'; add one"
    assert expected in told("aclsum_linking")


def test_a_venue_in_every_title(aclsum: Path, told: Told) -> None:
    def add_venue(raw: Json) -> None:
        for entry in raw["pdf_parse"]["bib_entries"].values():
            entry["title"] += f". In {entry['venue']}"

    for split, size in (("train", 3), ("validation", 2), ("test", 2)):
        for number in range(size):
            change_json(paper_file(aclsum, split, number), add_venue)
    assert "data set aclsum_category: venue_in_text gives" in told("aclsum_category")


def test_a_topic_in_every_title_of_interest(aclsum: Path, told: Told) -> None:
    def add_topic(raw: Json) -> None:
        if "Translating" in raw["title"]:
            for entry in raw["pdf_parse"]["bib_entries"].values():
                entry["title"] += " in translation"

    for split, size in (("train", 3), ("validation", 2), ("test", 2), ("none", 1)):
        for number in range(size):
            change_json(paper_file(aclsum, split, number), add_topic)
    assert "data set aclsum_interest: topic_in_title gives" in told("aclsum_interest")


def test_titles_in_every_query(aclsum: Path, told: Told) -> None:
    def add_title(raw: Json) -> None:
        for part in raw["pdf_parse"]["body_text"]:
            cited = [s["ref_id"] for s in part["cite_spans"] if s["ref_id"]]
            part["text"] = part["text"].rstrip(".") + "".join(
                f", and {raw['pdf_parse']['bib_entries'][id_]['title'].upper()}" for id_ in cited
            )

    for split, size in (("train", 3), ("validation", 2), ("test", 2)):
        for number in range(size):
            change_json(paper_file(aclsum, split, number), add_title)
    assert "data set aclsum_search: cited_title_in_query gives" in told("aclsum_search")


def test_a_collection_stands_beside_its_queries(aclsum: Path, tmp_path: Path, told: Told) -> None:
    assert told("aclsum_search") == ""
    folder = tmp_path / "data/prepared/semantic_search/aclsum_search"
    collection = read_rows(folder / "collection.parquet")
    metrics = json.loads((tmp_path / "metrics/prepare/aclsum_search.json").read_text(encoding="utf-8"))
    assert metrics["collection"] == len(collection) > 0
    assert {id_ for row in read_rows(folder / "test.parquet").to_list() for id_ in row["relevant"]} <= {
        *collection["id"]
    }


def test_check_of_the_collection(tmp_path: Path) -> None:
    features = Features(id=Value("string"), relevant=List(Value("string")))
    files = {split: tmp_path / f"{split}.parquet" for split in ("train", "test")}
    write_rows([{"id": "q", "relevant": ["a", "b"]}], features, files["train"])
    write_rows([{"id": "r", "relevant": ["a"]}], features, files["test"])
    assert list(prepare.check_collection("x", files, rows_of("a", "b", "c"))) == rows_of("a", "b", "c")
    with pytest.raises(DataError, match="stands twice in the collection"):
        list(prepare.check_collection("x", files, rows_of("a", "b", "a", "b")))
    with pytest.raises(DataError, match="data set x: query 'q': document 'b' is not in the collection"):
        list(prepare.check_collection("x", files, rows_of("a")))
    with pytest.raises(DataError, match="data set x: query 'r': document 'a' is not in the collection"):
        list(prepare.check_collection("x", {"test": files["test"]}, rows_of("b")))
