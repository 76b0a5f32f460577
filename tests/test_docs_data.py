"""The blocks of docs/data.md and README.md work as they are: fetched, prepared and checked with their models."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from papertrail.core.params import load_params
from papertrail.core.records import SPLITS
from papertrail.data.prepare import prepare_dataset
from papertrail.data.sources.fetch import fetch_source
from papertrail.experiments.check import check
from tests.fixtures.commands import ROOT, read_json, write_params

SHARED = ROOT / "../shared/data"
SECTIONS = ("sources", "datasets", "models")
PARTS = ("train", "dev", "test")
TOPICS = ("stones", "valleys", "rivers", "sieves", "keepers", "bridges", "winters", "maps")


def blocks(file: str) -> dict[str, dict[str, Any]]:
    """Return the YAML blocks of a document by data set; those of search are tested in tests/stages/test_beir.py."""
    texts = re.findall(r"^```yaml\n(.*?)^```", (ROOT / file).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    found = [YAML(typ="safe", pure=True).load(text) for text in texts if "semantic_search" not in text]
    return {next(iter(block["datasets"])): block for block in found if "datasets" in block}


BLOCKS = blocks("docs/data.md")


def sentence(number: int) -> str:
    """Return a sentence that shares few words with others."""
    one, two = TOPICS[number % 8], TOPICS[number // 8 % 8]
    return f"In year {number * 7919 % 3000} the {one} of place {number * 104729 % 9973} met {two} {number}."


def lines(write: Callable[[int], dict[str, Any]], size: int = 12) -> dict[str, str]:
    """Return a file of JSON lines per split; `write` makes a line from a number."""
    return {
        f"{part}.jsonl": "".join(json.dumps(write(start * size + n)) + "\n" for n in range(size))
        for start, part in enumerate(PARTS)
    }


def abstract(n: int) -> dict[str, Any]:
    """Return a line as in CSAbstruct."""
    sentences = [sentence(n * 2), sentence(n * 2 + 1)]
    return {"abstract_id": f"a{n}", "sentences": sentences, "labels": ["background", "result"], "confs": [1.0, 0.8]}


def tldr(n: int) -> dict[str, Any]:
    """Return a line as in SciTLDR; only papers of the test split have several summaries there."""
    source = [sentence(n * 3 + place) for place in range(3)]
    return {"paper_id": f"t{n}", "title": f"On {n}", "source": source, "target": [sentence(n + 500), sentence(n + 900)]}


def citation(n: int) -> dict[str, Any]:
    """Return a context with its bibliography."""
    entries = {f"b{place}": {"title": sentence(n * 5 + place)} for place in range(4)}
    return {"context": f"{sentence(n + 700)} [CITATION]", "paper": n, "cited_id": "b2", "bib_entries": entries}


def ris(number: int) -> str:
    note = "ASReview_relevant" if number % 3 == 0 else "ASReview_irrelevant"
    return f"TY  - JOUR\nTI  - {sentence(number)}\nAB  - {sentence(number + 99)}\nN1  - {note}\nER  - \n\n"


MADE = {  # folder -> its files; the others are real
    "csabstruct": lines(abstract),
    "scitldr": lines(tldr),
    "citations": lines(citation),
    "review": {"review.ris": "".join(map(ris, range(60)))},
    "roles": lines(lambda n: {"text": sentence(n), "label": ("background", "method", "result")[n % 3]}),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder with the data of the blocks."""
    (tmp_path / "home/data").mkdir(parents=True)
    for name, files in MADE.items():
        folder = tmp_path / "home" / ("my_roles" if name == "roles" else f"data/{name}")
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
    for path in SHARED.iterdir() if SHARED.is_dir() else ():
        (tmp_path / "home/data" / path.name).symlink_to(path.resolve())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def prepare(name: str, block: dict[str, Any]) -> dict[str, Any]:
    """Check, fetch and prepare a block that is copied into params.yaml; return the metrics."""

    def add(params: dict[str, Any]) -> None:
        for section in SECTIONS:
            params[section] |= block[section]
        params["leakage"]["shingle_letters"] = 8

    params = load_params(write_params(Path(), add))
    check(params, Path("params.yaml"))
    (source,) = block["sources"]
    fetch_source(params.sources[source], Path("data/raw", source))
    prepare_dataset(name, params)
    return read_json(Path("metrics/prepare", f"{name}.json"))


@pytest.mark.parametrize("name", list(BLOCKS))
def test_a_block_works_as_it_is(home: Path, name: str) -> None:
    folder = Path(next(iter(BLOCKS[name]["sources"].values()))["providers"][0]["folder"]).expanduser()
    if not folder.is_dir() or not (SHARED.is_dir() or folder.name in MADE):
        pytest.skip(f"{folder.name}: the files of ../shared/data are missing")
    metrics = prepare(name, BLOCKS[name])
    assert all(metrics["rows"][split]["all"] > 0 for split in SPLITS)


def test_the_document_has_a_block_of_each_format() -> None:
    formats = {(block["datasets"][name]["task"], block["datasets"][name]["format"]) for name, block in BLOCKS.items()}
    assert formats >= {
        ("ner", "conll"),
        ("citation_intent", "jsonl"),
        ("paper_interest", "csv"),
        ("paper_interest", "ris"),
        ("summarization", "articles"),
        ("citation_linking", "jsonl"),
        ("citation_linking", "folder"),
        ("paper_category", "arxiv"),
    }


def test_rows_of_the_made_data(home: Path) -> None:
    assert prepare("my_roles", BLOCKS["my_roles"])["rows"]["test"] == {"all": 24, "background": 12, "result": 12}
    review = prepare("my_review", BLOCKS["my_review"])["rows"]
    assert {split: rows["interesting"] for split, rows in review.items()} == {"train": 10, "validation": 5, "test": 5}
    assert prepare("my_linking", BLOCKS["my_linking"])["read"]["citations"] == 36


def test_the_block_of_the_readme(home: Path) -> None:
    ((name, block),) = blocks("README.md").items()
    assert prepare(name, block)["rows"]["train"]["all"] == 12
