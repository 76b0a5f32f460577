"""The command line: what it reads, what it writes, what it refuses, and what it loads before it knows."""

import io
import json
import os
import re
import shlex
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scholar.__main__ import answer_command, build_parser, read_inputs
from scholar.ask.commands import COMMANDS
from scholar.errors import DataError, MachineError, ParamsError, ScholarError
from tests.fixtures.commands import run_python
from tests.fixtures.tiny_models import write_models, write_questions
from tests.fixtures.tiny_runs import start_python

HEAVY = ("torch", "transformers", "datasets", "numpy", "pyarrow", "sklearn", "dvc", "faiss", "sentence_transformers")
BIBTEX = "@article{tree, title = {tree}, year = 2019}\n@article{graph, title = {graph}, year = 2020}\n"
TEXTS = {  # command: what it is asked, what its answer must hold
    "search": ("the graph", "by cosine similarity"),
    "similar": ("topic04", "by cosine similarity"),
    "intent": ("we show a tree", "challenge"),
    "entities": ("the figure 1", "the"),
    "category": ("a tree", "cs.LG"),
    "interest": ("a tree", "interesting from 0.500"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


@pytest.fixture
def folder(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(models)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    return models


def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the command writes, started in this process."""
    monkeypatch.setattr(sys, "argv", ["papertrail", *map(str, arguments)])
    capsys.readouterr()
    answer_command()
    return capsys.readouterr().out


@pytest.fixture
def papertrail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: ask(monkeypatch, capsys, *arguments)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_each_command_answers_people_and_programs(folder: Path, papertrail: Any, name: str) -> None:
    text, told = TEXTS[name]
    assert told in papertrail(name, text)
    lines = [json.loads(line) for line in papertrail(name, text, text, "--json").splitlines()]
    assert len(lines) == 2 and lines[0] == lines[1]
    assert lines[0]["run"] in ("tiny-search", "intent", "ner-second", "category", "interest")


def test_texts_come_from_arguments_files_or_standard_input(
    folder: Path, papertrail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("\ufeffwe use a tree\n\n the graph is hard \n", encoding="utf-8")
    from_file = papertrail("intent", "--file", file, "--json")
    assert [json.loads(line)["text"] for line in from_file.splitlines()] == ["we use a tree", "the graph is hard"]
    assert papertrail("intent", "we use a tree", "the graph is hard", "--json") == from_file
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert papertrail("intent", "--json") == from_file
    whole = json.loads(papertrail("entities", "--file", file, "--json"))
    assert whole["text"] == "we use a tree\n\n the graph is hard \n"  # entities read a file as one text


def test_an_abstract_stands_after_a_tab_or_in_its_option(folder: Path, papertrail: Any) -> None:
    with_tab = json.loads(papertrail("category", "tree\twe show a tree", "--json"))
    assert with_tab == json.loads(papertrail("category", "tree", "--abstract", "we show a tree", "--json"))
    assert with_tab["probabilities"] != json.loads(papertrail("category", "tree", "--json"))["probabilities"]


def test_a_tab_before_an_abstract_without_a_title_stays(tmp_path: Path) -> None:
    (tmp_path / "papers.txt").write_text("\twe show\r\n \t \ntree\f1\u2028\t\n", encoding="utf-8")
    for command, lines in (("category", ["\twe show", "tree\f1\u2028\t"]), ("intent", ["we show", "tree\f1"])):
        arguments = build_parser().parse_args([command, "--file", str(tmp_path / "papers.txt")])
        read = list(read_inputs(arguments, "line"))
        assert [text for _, text in read] == lines
        assert [place.rpartition(":")[2] for place, _ in read] == ["1", "3"]
    arguments = build_parser().parse_args(["category"])
    assert COMMANDS["category"].read(arguments, [("a:1", "\twe show")])[1] == [{"title": "", "abstract": "we show"}]


@pytest.mark.parametrize("arguments", [["intent", "na\udcefve"], ["category", "a", "--abstract", "\udcff"]])
def test_arguments_that_are_not_utf_8_are_told(papertrail: Any, arguments: list[str]) -> None:
    with pytest.raises(DataError, match=rf"argument {len(arguments)}: not UTF-8 \('.*udc"):
        papertrail(*arguments)


def test_links_of_a_text_beside_bibtex(folder: Path, papertrail: Any, tmp_path: Path) -> None:
    (tmp_path / "refs.bib").write_text(BIBTEX, encoding="utf-8")
    draft = tmp_path / "draft.tex"
    draft.write_text(r"we use the \cite{graph} of [1]", encoding="utf-8")
    told = json.loads(papertrail("link", draft, "--bibliography", tmp_path / "refs.bib", "--json", "-k", 1))
    assert told["file"] == str(draft) and told["threshold"] == 0.3
    assert [citation["target"] for citation in told["citations"]] == ["graph", None]
    assert [len(citation["ranked"]) for citation in told["citations"]] == [1, 1]
    shown = papertrail("link", draft, "--bibliography", tmp_path / "refs.bib")
    assert "2 citations, threshold 0.300" in shown and "the file says graph" in shown
    with pytest.raises(DataError, match="a plain text needs its bibliography"):
        papertrail("link", draft)
    draft.write_text("no citation", encoding="utf-8")
    with pytest.raises(DataError, match=r"draft\.tex: no citation"):
        papertrail("link", draft, "--bibliography", tmp_path / "refs.bib")


def test_a_summary_of_a_file_or_of_s2orc(folder: Path, papertrail: Any, tmp_path: Path) -> None:
    plain, s2orc = tmp_path / "paper.txt", tmp_path / "paper.json"
    plain.write_text("we use a tree. the graph is hard.", encoding="utf-8")
    body = [{"text": "we use a tree. the graph is hard."}]
    s2orc.write_text(json.dumps({"pdf_parse": {"body_text": body, "bib_entries": {}}}), encoding="utf-8")
    first, second = (json.loads(line) for line in papertrail("summarize", plain, s2orc, "--json").splitlines())
    assert first["summary"] == second["summary"] and second["file"] == str(s2orc)
    assert "tokens read, 0 cut" in papertrail("summarize", plain)


def test_a_text_that_is_cut_is_told(folder: Path, papertrail: Any, caplog: pytest.LogCaptureFixture) -> None:
    papertrail("intent", "tree", "tree " * 100)
    assert "1 of 2 texts are longer than the model reads" in caplog.text


def test_run_picks_the_model(folder: Path, papertrail: Any) -> None:
    assert json.loads(papertrail("entities", "tree", "--json"))["run"] == "ner-second"
    assert json.loads(papertrail("entities", "tree", "--json", "--run", "ner-first"))["run"] == "ner-first"
    with pytest.raises(ParamsError, match="did you mean 'ner-first'"):
        papertrail("entities", "tree", "--run", "ner-frist")


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_nothing_to_read_is_told(
    folder: Path, papertrail: Any, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(DataError, match="standard input: no text in it"):
        papertrail("intent")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["intnt", "x"], "invalid choice"),
        ([], "COMMAND"),
        (["search", "x", "-k", "0"], "above 0 was expected"),
        (["category", "a", "b", "--abstract", "c"], "goes with one title"),
        (["category", "a\tb", "--abstract", "c"], "two abstracts"),
        (["serve", "--port", "99999"], "a port from 0 to 65535 was expected, got 99999"),
        (["serve", "--port", "-1"], "a port from 0 to 65535 was expected, got -1"),
    ],
)
def test_a_command_that_is_not_understood_ends_with_2(
    folder: Path, papertrail: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        papertrail(*arguments)
    assert ended.value.code == 2 and told in capsys.readouterr().err


def test_a_terminal_is_not_waited_for(
    folder: Path, papertrail: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    with pytest.raises(SystemExit) as ended:
        papertrail("intent")
    assert ended.value.code == 2 and "nothing to read" in capsys.readouterr().err


@pytest.mark.parametrize("revision", ["", " "])
def test_an_empty_revision_is_no_name_of_the_workspace(folder: Path, papertrail: Any, revision: str) -> None:
    with pytest.raises(ScholarError, match="the revision is empty"):
        papertrail("intent", "tree", "--rev", revision)


@pytest.mark.parametrize("stream", ["input", "output"])
def test_a_closed_stream_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    monkeypatch.setattr(sys, "stdin" if stream == "input" else "stdout", None)
    monkeypatch.setattr(sys, "argv", ["papertrail", "intent", *(["tree"] if stream == "output" else [])])
    with pytest.raises(MachineError, match=f"standard {stream} is closed"):
        answer_command()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_tells_of_no_checkpoint(tmp_path: Path, number: int) -> None:
    """The command waits for its file, a pipe that nobody writes to."""
    os.mkfifo(tmp_path / "texts")
    process = start_python(tmp_path, "-m", "scholar", "intent", "--file", "texts")
    writer = os.open(tmp_path / "texts", os.O_WRONLY)  # returns when the command has opened it
    process.send_signal(number)
    told, said = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, told, said) == (1, "", "interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--help"], 0), (["link", "--help"], 0), (["--print-completion", "bash"], 0)]
)
def test_help_loads_nothing_heavy(tmp_path: Path, arguments: list[str], code: int) -> None:
    done = run_python(tmp_path, "-X", "importtime", "-m", "scholar", *arguments)
    assert done.returncode == code, done.stderr
    assert loaded(done.stderr) == set() and "papertrail" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["intent", "tree", "--run", "intnet"], "did you mean 'intent'"),
        (["intent", "tree"], "models/intent: the model is not there; `dvc repro finetune@intent`"),
        (["link", "nowhere"], "nowhere: no such file"),
    ],
)
def test_errors_load_nothing_heavy(tmp_path: Path, arguments: list[str], told: str) -> None:
    write_questions(tmp_path)
    done = run_python(tmp_path, "-X", "importtime", "-m", "scholar", *arguments)
    assert done.returncode == 1 and told in done.stderr and "Traceback" not in done.stderr
    assert loaded(done.stderr) == set() and done.stdout == ""


def loaded(importtime: str) -> set[str]:
    """Which of HEAVY `python -X importtime` names."""
    return {name for name in re.findall(r"\| +([\w.]+)$", importtime, re.MULTILINE) if name in HEAVY}


def test_what_is_loaded_is_seen(tmp_path: Path) -> None:
    assert loaded(run_python(tmp_path, "-X", "importtime", "-c", "import numpy").stderr) == {"numpy"}


def test_quiet_when_piped_and_no_error_when_the_reader_has_enough(models: Path) -> None:
    shell = f"{shlex.quote(sys.executable)} -m scholar intent tree --json | true; echo ${{PIPESTATUS[0]}}"
    process = start_python(models, "-c", f"import subprocess; subprocess.run(['bash', '-c', {shell!r}])")
    told, said = process.communicate(timeout=300)
    assert (told, said) == ("0\n", "")


def test_every_command_has_help_with_an_example() -> None:
    for name, command in COMMANDS.items():
        assert command.example.startswith(f"papertrail {name}")
    assert set(COMMANDS) <= set(build_parser().format_help().split())


def test_serve_is_given_address_and_port(folder: Path, papertrail: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, int]] = []
    server = SimpleNamespace(main=lambda host, port: started.append((host, port)))
    monkeypatch.setitem(sys.modules, "scholar.ask.server", server)  # type: ignore[arg-type]
    papertrail("serve")
    papertrail("serve", "--port", "9000", "--host", "::1")
    assert started == [("127.0.0.1", 8000), ("::1", 9000)]
