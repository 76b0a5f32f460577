"""The command that shows what both encoders find: its input, its output, its refusals."""

import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from scholar.errors import DataError, ParamsError
from scholar.heads.retrieval import embed, load_encoder, saver
from scholar.search import main, read_queries, show
from tests.corpora.test_cranfield import write as write_cranfield
from tests.fixtures.tiny_models import rewrite_params, write_index_of
from tests.fixtures.tiny_runs import finish, start_python
from tests.fixtures.tiny_search import INDEX, make_retriever, write_search


def test_queries_are_the_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_bytes("\ufeffparsing \r\n\n  naïve\u2028Bayes\n".encode())
    assert read_queries(file) == ["parsing", "naïve\u2028Bayes"]  # a line feed alone ends a query


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "no such file"), ("naïve Bayes".encode("cp1252"), "not UTF-8"), (b" \n\n", "no query")],
)
def test_files_that_hold_no_queries(tmp_path: Path, content: bytes | None, told: str) -> None:
    file = tmp_path / "queries.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_queries(file)


def test_a_folder_holds_no_queries(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder"):
        read_queries(tmp_path)


def test_a_result_is_shown_with_what_is_known() -> None:
    document = {"title": "On Stones", "abstract": "word " * 200, "year": 1999}
    heading, *abstract = show(2, document, 0.51234).splitlines()
    assert heading == "2. 0.512  On Stones (1999)"
    assert all(line.startswith(" " * 10) for line in abstract) and abstract[-1].endswith("...")
    assert show(1, {"title": "On Stones", "abstract": "", "year": 0}, 1.0) == "1. 1.000  On Stones\n"


@pytest.mark.parametrize("query", ["", "  \t"])
def test_an_empty_query_is_refused(monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    monkeypatch.setattr(sys, "argv", ["search", "papers", query])
    with pytest.raises(DataError, match="query is empty"):
        main()


def test_an_unknown_index_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_search(tmp_path, {"tiny-search": make_retriever()}, {"papers": INDEX})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["search", "paper", "stones"])
    monkeypatch.setattr("scholar.search.configure", lambda _: None)  # torch is loaded already
    with pytest.raises(ParamsError, match="did you mean 'papers'"):
        main()


@pytest.mark.parametrize("module", ["scholar.search", "benchmarks.cranfield"])
def test_both_encoders_are_read_in_the_precision_of_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    write_search(tmp_path, {"tiny-search": make_retriever()}, {"papers": INDEX})
    runtime = {"level": "native", "threads": 1, "precision": "bf16"}
    write_index_of(tmp_path, rewrite_params(tmp_path, runtime=runtime))
    write_cranfield(tmp_path, judgements="1 1 1\n1 2 1\n2 3 2\n2 1 1\n3 1 1\n3 2 1\n")
    arguments = ["papers", "stones"] if module == "scholar.search" else [".", "--retriever", "tiny-search"]
    started = [*arguments, *(["--max-tokens", "32"] if module == "benchmarks.cranfield" else [])]
    read: set[torch.dtype] = set()

    def note(model: Any, texts: list[str], batch_size: int) -> Any:
        read.update(weight.dtype for weight in model.parameters())
        return embed(model, texts, batch_size)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [module, *started])
    monkeypatch.setattr(f"{module}.configure", lambda _: None)  # torch is loaded already
    monkeypatch.setattr(f"{module}.start", lambda *_: None)
    monkeypatch.setattr("scholar.heads.retrieval.embed", note)
    import_module(module).main()
    assert read == {torch.bfloat16}


def test_both_encoders_answer(tmp_path: Path) -> None:
    """Tuned is here a copy of untuned, so that both must find the same."""
    write_search(tmp_path, {"tiny-search": make_retriever()}, {"papers": INDEX})
    saver(load_encoder(tmp_path / "encoder", 32, "cpu"))(str(tmp_path / "models/tiny-search"))
    finish(start_python(tmp_path, "-m", "stages.index", "papers"))
    process = start_python(tmp_path, "-m", "scholar.search", "papers", "the " * 10_000)
    said, warned = process.communicate(timeout=120)
    assert process.returncode == 0, warned
    assert "1 of 1 queries are longer than 32 tokens" in warned
    untuned, tuned = (part.split("by cosine\n")[1].strip() for part in said.split("\n\n")[1:3])
    assert untuned == tuned and untuned.count("\n1. ") + untuned.startswith("1. ") == 1
    shutil.rmtree(tmp_path / "models")
    process = start_python(tmp_path, "-m", "scholar.search", "papers", "stones")
    said, warned = process.communicate(timeout=120)
    assert process.returncode == 1 and "Traceback" not in warned
