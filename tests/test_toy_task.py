"""A task is one module: one file and its params give data, a model, scores, a report, a command and a page."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from papertrail.experiments.warm import run_warm
from tests.fixtures.commands import read_json
from tests.fixtures.repositories import change_params, environment, local_source, make_repository, write_sources

MODULE = '''"""The tone of a sentence."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from papertrail.core.params import strict
from papertrail.core.records import Counts, Row
from papertrail.data.formats.jsonl import read_json_lines
from papertrail.data.task import Command, Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A file of sentences."""

    task: Literal["tone"]
    source: str


def features(settings: Settings) -> Any:
    """Return the columns."""
    from datasets import ClassLabel, Features, Value

    text = Value("string")
    return Features(id=text, paper=text, text=text, label=ClassLabel(names=["glad", "sad", "flat"]))


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Yield the sentences."""
    for number, (_, row) in enumerate(read_json_lines(folder / "sentences.jsonl", ("split", "text", "label"))):
        counts.read["sentences"] += 1
        yield row["split"], {"id": f"s{number}", "paper": f"p{number}", "text": row["text"], "label": row["label"]}


TASK = Task(
    title="Tone of a sentence",
    headlines=("macro_f1",),
    settings=Settings,
    features=features,
    label_origin="human",
    read=read,
    group="paper",
    text="text",
    commands=(
        Command(
            name="tone",
            title="Tone",
            help="classify the tone of a sentence",
            example='papertrail tone "This is good."',
            input="sentence",
            answer="labels",
            examples=("This is good.",),
        ),
    ),
)
'''
PAPERTRAIL = [sys.executable, "-c", "from papertrail.cli.main import main; main()"]  # of the folder that it runs in
WORDS = {"glad": "good", "sad": "poor", "flat": "paper"}
MODEL = {
    "kind": "classifier",
    "task": "tone",
    "dataset": "toy_sentences",
    "head": "sequence_classification",
    "base_model": "data/raw/minilm",
    "inputs": ["text"],
    "epochs": 2,
    "learning_rate": 0.01,
}


def write_sentences(folder: Path) -> Path:
    """Write sentences in which one word decides the label, 24 / 12 / 12."""
    folder.mkdir()
    rows = []
    for split, count in {"train": 24, "validation": 12, "test": 12}.items():
        for number in range(count):
            label = list(WORDS)[number % 3]
            rows.append({"split": split, "text": f"{split} text {number} is {WORDS[label]}", "label": label})
    (folder / "sentences.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository with the toy task and one model of it, after the whole pipeline but cards."""
    sources = write_sources(tmp_path_factory.mktemp("sources"))
    write_sentences(sources / "toy")
    folder = make_repository(tmp_path_factory.mktemp("toy") / "papertrail", sources)
    (folder / "papertrail/data/tasks/tone.py").write_text(MODULE, encoding="utf-8")

    def add_task(params: dict[str, Any]) -> None:
        params["sources"]["toy"] = local_source(sources / "toy")
        text = params["datasets"]["aclsum_text"]
        params["datasets"] = {"aclsum_text": text, "toy_sentences": {"task": "tone", "source": "toy"}}
        params["models"] = {"tone-base": MODEL}

    change_params(folder, add_task)
    assert run(folder, "check").stdout == ""
    run_warm(folder, ["report"], env=environment())
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `papertrail` in a folder with the code there."""
    command = [*PAPERTRAIL, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_data_is_prepared(repository: Path) -> None:
    rows = read_json(repository / "metrics/prepare/toy_sentences.json")["rows"]
    assert {split: counts["all"] for split, counts in rows.items()} == {"train": 24, "validation": 12, "test": 12}
    assert (repository / "data/prepared/tone/toy_sentences/train.parquet").is_file()
    assert (repository / "data/test/tone/toy_sentences/test.parquet").is_file()


def test_a_model_is_trained_and_scored(repository: Path) -> None:
    assert (repository / "models/tone-base/model.safetensors").is_file()
    scores = read_json(repository / "metrics/evaluate/tone-base.json")["test"]
    assert {"model", "majority", "tfidf"} <= set(scores)
    assert 0 <= scores["model"]["macro_f1_low"] <= scores["model"]["macro_f1"] <= scores["model"]["macro_f1_high"] <= 1


def test_the_report_has_task_and_model(repository: Path) -> None:
    report = (repository / "metrics/report.md").read_text(encoding="utf-8")
    assert "Tone of a sentence" in report
    assert "tone-base" in report
    assert "Tone of a sentence" in (repository / "report/report.html").read_text(encoding="utf-8")


def test_the_command_line_has_the_command(repository: Path) -> None:
    assert "classify the tone of a sentence" in run(repository, "--help").stdout
    answer = json.loads(run(repository, "tone", "This is good.", "--json").stdout)
    assert answer["run"] == "tone-base"
    assert answer["label"] in WORDS
    assert set(answer["probabilities"]) == set(WORDS)
    assert answer["label"] in run(repository, "tone", "This is good.").stdout


@pytest.fixture(scope="module")
def address(repository: Path) -> Iterator[str]:
    """The address of `papertrail serve`."""
    command = [*PAPERTRAIL, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=repository, env=environment(), stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            lines = iter(server.stderr.readline, "")
            found = next((match for line in lines if (match := re.search(r"http://127\.0\.0\.1:\d+", line))), None)
            assert found is not None, "the server did not start"
            wait(found[0], server)
            yield found[0]
        finally:
            server.terminate()


def wait(address: str, server: subprocess.Popen[str]) -> None:
    """Wait until a server accepts connections; it imports torch first."""
    for _ in range(240):
        try:
            request(f"{address}/api/health")
            return
        except URLError:
            assert server.poll() is None, "the server ended"
            time.sleep(0.5)
    raise AssertionError("the server does not answer")


def request(url: str, body: bytes | None = None, kind: str = "application/json") -> str:
    """Send a request; return the text of the response."""
    with urlopen(Request(url, body, {"Content-Type": kind}), timeout=90) as response:
        text: str = response.read().decode()
    return text


def test_the_page_has_the_command(address: str) -> None:
    assert "classify the tone of a sentence" in request(f"{address}/")
    form = urlencode({"title": "", "text": "This is good.", "action": "read"}).encode()
    page = request(f"{address}/read", form, "application/x-www-form-urlencoded")
    section = re.search(r'id="answer-tone".*?</section>', page, re.DOTALL)
    assert section is not None
    assert ">Tone<" in section[0]
    assert any(label in section[0] for label in WORDS)


def test_the_api_has_the_command(address: str) -> None:
    answers = json.loads(request(f"{address}/api/tone", json.dumps({"texts": ["This is good."]}).encode()))
    assert answers["model"]["run"] == "tone-base"
    assert answers["answers"][0]["label"] in WORDS
    assert "/api/tone" in json.loads(request(f"{address}/openapi.json"))["paths"]
