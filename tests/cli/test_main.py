"""The command line: inputs, outputs, errors, and what is imported before the instruction caps are set."""

import argparse
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

from papertrail.cli.commands import INPUTS, read_texts
from papertrail.cli.main import TOOLS, build_parser, run_command
from papertrail.core.errors import DataError, MachineError, PapertrailError, ParamsError
from papertrail.inference.task_commands import load_commands
from tests.fixtures.commands import run_python
from tests.fixtures.papertrail import PAPERTRAIL
from tests.fixtures.tiny_models import write_models, write_questions
from tests.fixtures.tiny_runs import start_python
from tests.fixtures.tiny_server import TONE

HEAVY = ("torch", "transformers", "datasets", "numpy", "pyarrow", "sklearn", "dvc", "faiss", "sentence_transformers")
BIBTEX = "@article{tree, title = {tree}, year = 2019}\n@article{graph, title = {graph}, year = 2020}\n"
TEXTS = {  # command: its input, a part of its answer
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


@pytest.fixture
def papertrail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """A function that runs the command in this process and returns what it writes."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["papertrail", *map(str, arguments)])
        capsys.readouterr()
        run_command()
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_each_command_answers_in_text_and_json(folder: Path, papertrail: Any, name: str) -> None:
    text, expected = TEXTS[name]
    assert expected in papertrail(name, text)
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
    assert whole["text"] == "we use a tree\n\n the graph is hard \n"  # a file of input "text" is one text


def test_an_abstract_follows_a_tab_or_comes_from_its_option(folder: Path, papertrail: Any) -> None:
    with_tab = json.loads(papertrail("category", "tree\twe show a tree", "--json"))
    assert with_tab == json.loads(papertrail("category", "tree", "--abstract", "we show a tree", "--json"))
    assert with_tab["probabilities"] != json.loads(papertrail("category", "tree", "--json"))["probabilities"]


def test_a_tab_before_an_abstract_without_a_title_is_kept(tmp_path: Path) -> None:
    (tmp_path / "papers.txt").write_text("\twe show\r\n \t \ntree\f1\u2028\t\n", encoding="utf-8")
    expected = {"paper": ["\twe show", "tree\f1\u2028\t"], "sentence": ["we show", "tree\f1"]}
    for form, lines in expected.items():
        texts = list(read_texts(argparse.Namespace(inputs=[], file=[tmp_path / "papers.txt"]), form))
        assert [text for _, text in texts] == lines
        assert [place.rpartition(":")[2] for place, _ in texts] == ["1", "3"]
    papers = INPUTS["paper"](argparse.Namespace(abstract=None), [("a:1", "\twe show")])[1]
    assert papers == [{"title": "", "abstract": "we show"}]


@pytest.mark.parametrize("arguments", [["intent", "na\udcefve"], ["category", "a", "--abstract", "\udcff"]])
def test_arguments_that_are_not_utf_8_are_refused(papertrail: Any, arguments: list[str]) -> None:
    with pytest.raises(DataError, match=rf"argument {len(arguments)}: not UTF-8 \('.*udc"):
        papertrail(*arguments)


def test_links_of_a_text_with_bibtex(folder: Path, papertrail: Any, tmp_path: Path) -> None:
    (tmp_path / "refs.bib").write_text(BIBTEX, encoding="utf-8")
    draft = tmp_path / "draft.tex"
    draft.write_text(r"we use the \cite{graph} of [1] and the \citet{bush}", encoding="utf-8")
    answer = json.loads(papertrail("link", draft, "--bibliography", tmp_path / "refs.bib", "--json", "-k", 1))
    assert answer["file"] == str(draft) and answer["threshold"] == 0.3
    assert [citation["target"] for citation in answer["citations"]] == ["graph", "bush"]
    assert [len(citation["ranked"]) for citation in answer["citations"]] == [1, 1]
    shown = papertrail("link", draft, "--bibliography", tmp_path / "refs.bib")
    assert "2 citations, threshold 0.300" in shown and "the file says graph" in shown
    with pytest.raises(DataError, match="a plain text needs a bibliography"):
        papertrail("link", draft)
    draft.write_text("no citation", encoding="utf-8")
    with pytest.raises(DataError, match=r"draft\.tex: no citation"):
        papertrail("link", draft, "--bibliography", tmp_path / "refs.bib")


def test_of_several_files_a_bad_one_is_reported_and_the_others_are_answered(
    folder: Path, papertrail: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, empty, missing = (tmp_path / name for name in ("good.json", "bad.json", "empty.txt", "missing.txt"))
    span = {"start": 7, "end": 10, "ref_id": "b0"}
    body = [{"text": "we use [1]. the graph is hard.", "cite_spans": [span, span, {"start": 90, "end": 99}]}]
    good.write_text(json.dumps({"body_text": body, "bib_entries": {"b0": {"title": "graph"}}}), encoding="utf-8")
    bad.write_text('{"pdf_parse": ', encoding="utf-8")
    empty.write_text(" \n", encoding="utf-8")
    for command in ("link", "summarize"):
        caplog.clear()
        with pytest.raises(DataError, match=r"3 of 5 documents were not answered"):
            papertrail(command, bad, good, empty, missing, good, "--json")
        answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [answer["file"] for answer in answers] == [str(good), str(good)]
        messages = "\n".join(record.getMessage() for record in caplog.records)
        for expected in ("bad.json:1: not valid JSON", "empty.txt: no text", "missing.txt: no such file"):
            assert expected in messages
        assert messages.count("good.json: 1 dropped of citation spans: overlaps the one before") == 2
    with pytest.raises(DataError, match=r"bad\.json:1: not valid JSON"):
        papertrail("summarize", bad, missing)


def test_a_latex_draft_with_its_own_bibliography(folder: Path, papertrail: Any, tmp_path: Path) -> None:
    draft = tmp_path / "draft.tex"
    (tmp_path / "refs.bib").write_text(BIBTEX, encoding="utf-8")
    (tmp_path / "part.tex").write_text("% \\cite{tree}\nwe use the \\citet{graph}", encoding="utf-8")
    text = "\\documentclass{x}\\begin{document}\\input{part} and \\citep{tree,graph}\\bibliography{refs}\\end{document}"
    draft.write_text(text, encoding="utf-8")
    answer = json.loads(papertrail("link", draft, "--json", "-k", 1))
    found = [(citation["target"], citation["file"], citation["line"]) for citation in answer["citations"]]
    assert found == [("graph", "part.tex", 2), ("tree", "draft.tex", 1), ("graph", "draft.tex", 1)]
    assert "\\citet{graph} at part.tex:2, the file says graph" in papertrail("link", draft)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("refs.bib", BIBTEX),
        ("refs.ris", "TY  - JOUR\nTI  - tree\nER  -\nTY  - JOUR\nTI  - graph\nER  -\n"),
        ("refs.csv", "Title,Abstract,Year\ntree,,2019\ngraph,,2020\n"),
        ("refs.json", '[{"title": "tree"}, {"title": "graph"}]'),
        ("titles.txt", "tree\ngraph\n"),
    ],
)
def test_lists_of_papers_are_read_as_records(
    folder: Path, papertrail: Any, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    for command in ("interest", "category"):
        answers = [json.loads(line) for line in papertrail(command, "--file", tmp_path / name, "--json").splitlines()]
        assert [answer["title"] for answer in answers] == ["tree", "graph"]


@pytest.mark.parametrize("content", ["<html><body>tree</body></html>", "author,year\nLee,2019\n", "%PDF-1.4"])
def test_what_is_no_list_of_papers_is_refused(folder: Path, papertrail: Any, tmp_path: Path, content: str) -> None:
    (tmp_path / "papers").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"seems to be an HTML page|without a title column|a PDF"):
        papertrail("interest", "--file", tmp_path / "papers")


def test_a_summary_of_a_text_file_or_of_s2orc(folder: Path, papertrail: Any, tmp_path: Path) -> None:
    plain, s2orc = tmp_path / "paper.txt", tmp_path / "paper.json"
    plain.write_text("we use a tree. the graph is hard.", encoding="utf-8")
    body = [{"text": "we use a tree. the graph is hard."}]
    s2orc.write_text(json.dumps({"pdf_parse": {"body_text": body, "bib_entries": {}}}), encoding="utf-8")
    first, second = (json.loads(line) for line in papertrail("summarize", plain, s2orc, "--json").splitlines())
    assert first["summary"] == second["summary"] and second["file"] == str(s2orc)
    assert "tokens read, 0 cut" in papertrail("summarize", plain)


def test_the_hits_of_the_untuned_model_on_request(
    folder: Path, papertrail: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tiny retriever is a copy of its base model, so both find the same."""
    answer = json.loads(papertrail("search", "the graph", "--untuned", "--json", "-k", 3))
    assert [hit["id"] for hit in answer["hits"]] == [hit["id"] for hit in answer["untuned"]]
    shown = papertrail("search", "the graph", "--untuned", "-k", 3)
    tuned, untuned = shown.partition("\nfine-tuned\n")[2].split("\nuntuned\n")
    assert tuned == untuned and tuned.count("\n") >= 3
    with pytest.raises(SystemExit):
        papertrail("search", "the graph", "--untuned", "--rev", "old")
    assert "leave out --rev" in capsys.readouterr().err


def test_a_truncated_text_causes_a_warning(folder: Path, papertrail: Any, caplog: pytest.LogCaptureFixture) -> None:
    papertrail("intent", "tree", "tree " * 100)
    assert "1 of 2 texts are longer than the model's input" in caplog.text


def test_a_model_can_be_named(folder: Path, papertrail: Any) -> None:
    assert json.loads(papertrail("entities", "tree", "--json"))["run"] == "ner-second"
    assert json.loads(papertrail("entities", "tree", "--json", "--run", "ner-first"))["run"] == "ner-first"
    with pytest.raises(ParamsError, match="did you mean 'ner-first'"):
        papertrail("entities", "tree", "--run", "ner-frist")


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_an_empty_input_is_refused(
    folder: Path, papertrail: Any, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(DataError, match="standard input: no text"):
        papertrail("intent")


def test_an_empty_text_is_refused_before_a_model_is_loaded(
    papertrail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # has no model, not even a params.yaml
    with pytest.raises(DataError, match="text 2 of 2 is empty; expected a text"):
        papertrail("intent", "a", " ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["intnt", "x"], "invalid choice"),
        ([], "COMMAND"),
        (["search", "x", "-k", "0"], "expected a number above 0"),
        (["category", "a", "b", "--abstract", "c"], "needs exactly one title"),
        (["category", "a\tb", "--abstract", "c"], "two abstracts"),
        (["serve", "--port", "99999"], "expected a port from 0 to 65535, got 99999"),
        (["serve", "--port", "-1"], "expected a port from 0 to 65535, got -1"),
        (["intent", "x", "-k", "3"], "unrecognized arguments"),
        (["intent", "x", "--untuned"], "unrecognized arguments"),
    ],
)
def test_an_invalid_command_line_exits_with_2(
    folder: Path, papertrail: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        papertrail(*arguments)
    assert exit_.value.code == 2 and message in capsys.readouterr().err


def test_a_terminal_as_standard_input_is_not_read(
    folder: Path, papertrail: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    with pytest.raises(SystemExit) as exit_:
        papertrail("intent")
    assert exit_.value.code == 2 and "nothing to read" in capsys.readouterr().err


@pytest.mark.parametrize("revision", ["", " "])
def test_an_empty_revision_is_refused(folder: Path, papertrail: Any, revision: str) -> None:
    with pytest.raises(PapertrailError, match="the revision is empty"):
        papertrail("intent", "tree", "--rev", revision)


@pytest.mark.parametrize("stream", ["input", "output"])
def test_a_closed_stream_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    monkeypatch.setattr(sys, "stdin" if stream == "input" else "stdout", None)
    monkeypatch.setattr(sys, "argv", ["papertrail", "intent", *(["tree"] if stream == "output" else [])])
    with pytest.raises(MachineError, match=f"standard {stream} is closed"):
        run_command()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_ends_the_command_with_one_word(tmp_path: Path, number: int) -> None:
    """The command waits for its file, a pipe that nobody writes to."""
    os.mkfifo(tmp_path / "texts")
    process = start_python(tmp_path, *PAPERTRAIL, "intent", "--file", "texts")
    writer = os.open(tmp_path / "texts", os.O_WRONLY)  # returns when the command has opened it
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, stdout, stderr) == (1, "", "interrupted\n")


@pytest.mark.parametrize("arguments", [["--help"], ["link", "--help"], ["--print-completion", "bash"]])
def test_help_imports_nothing_heavy_and_needs_no_params(tmp_path: Path, arguments: list[str]) -> None:
    done = run_python(tmp_path, "-X", "importtime", *PAPERTRAIL, *arguments)
    assert done.returncode == 0, done.stderr
    assert imported(done.stderr) == set() and "papertrail" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["intent", "tree", "--run", "intnet"], "did you mean 'intent'"),
        (["intent", "tree"], "models/intent: the model is missing; `dvc repro finetune@intent`"),
        (["link", "nowhere"], "nowhere: no such file"),
    ],
)
def test_errors_import_nothing_heavy(tmp_path: Path, arguments: list[str], message: str) -> None:
    write_questions(tmp_path)
    done = run_python(tmp_path, "-X", "importtime", *PAPERTRAIL, *arguments)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
    assert imported(done.stderr) == set() and done.stdout == ""


def imported(importtime: str) -> set[str]:
    """Return the modules of HEAVY in the output of `python -X importtime`."""
    return {name for name in re.findall(r"\| +([\w.]+)$", importtime, re.MULTILINE) if name in HEAVY}


def test_imports_are_recognised(tmp_path: Path) -> None:
    assert imported(run_python(tmp_path, "-X", "importtime", "-c", "import numpy").stderr) == {"numpy"}


def test_a_pipe_gets_no_messages_and_may_close_early(models: Path) -> None:
    command = shlex.join([sys.executable, *PAPERTRAIL, "intent", "tree", "--json"])
    shell = f"{command} | true; echo ${{PIPESTATUS[0]}}"
    process = start_python(models, "-c", f"import subprocess; subprocess.run(['bash', '-c', {shell!r}])")
    stdout, stderr = process.communicate(timeout=300)
    assert (stdout, stderr) == ("0\n", "")


def test_the_help_lists_every_command_with_an_example() -> None:
    shown = build_parser().format_help()
    for name, question in load_commands().items():
        assert question.command.example.startswith(f"papertrail {name}")
        assert question.command.example.splitlines()[0] in shown
    assert {*load_commands(), *TOOLS} <= set(shown.split())


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_tools_are_imported_when_chosen(monkeypatch: pytest.MonkeyPatch, papertrail: Any, name: str) -> None:
    started: list[Any] = []
    tool = SimpleNamespace(
        __doc__="Help of the tool.",
        add_arguments=lambda parser: parser.add_argument("--run", default="default"),
        run=lambda arguments: started.append(arguments.run),
    )
    monkeypatch.setitem(sys.modules, TOOLS[name][0], tool)  # type: ignore[arg-type]
    papertrail(name)
    papertrail(name, "--run", "value")
    assert started == ["default", "value"]


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_every_tool_has_help(papertrail: Any, capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        papertrail(name, "--help")
    assert exit_.value.code == 0 and len(capsys.readouterr().out.splitlines()) > 5


def test_the_command_of_a_new_task_needs_no_other_code(
    folder: Path, papertrail: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone = {"tone": TONE.__class__(task="citation_intent", command=TONE.command)}
    monkeypatch.setattr("papertrail.cli.main.load_commands", lambda: tone)
    assert "challenge" in papertrail("tone", "Nice.")
    assert json.loads(papertrail("tone", "Nice.", "--json"))["text"] == "Nice."
