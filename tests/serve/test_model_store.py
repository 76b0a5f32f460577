"""The server with tiny untrained models: every endpoint and page, batches, missing models."""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi import FastAPI
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from papertrail.core.artifacts import write_json
from papertrail.core.errors import PapertrailError, ParamsError
from papertrail.core.params import load_params
from papertrail.inference.task_commands import load_commands
from papertrail.serve.model_store import ModelStore
from papertrail.serve.queue import Question
from papertrail.serve.server import make_app
from tests.fixtures.papertrail import PAPERTRAIL
from tests.fixtures.tiny_models import write_models
from tests.fixtures.tiny_runs import start_python
from tests.fixtures.tiny_server import serve

TEXT = "we show the model of figure 3. the problem is hard [1]."
PAPER = {"title": "the model", "abstract": "we show"}
BODIES: dict[str, dict[str, Any]] = {
    "entities": {"texts": [TEXT, "the data"]},
    "intent": {"texts": [TEXT]},
    "category": {"papers": [PAPER, {"title": "a problem"}]},
    "interest": {"papers": [PAPER]},
    "link": {"text": TEXT, "bibliography": [{"id": "a", "title": "the model"}, {"id": "b", "title": "x"}], "hits": 2},
    "summarize": {"text": TEXT},
    "search": {"queries": ["the model"], "hits": 3},
    "similar": {"papers": ["topic00"], "hits": 3},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def store(folder: Path) -> ModelStore:
    return ModelStore(write_models(folder), load_commands(), folder)


@pytest.fixture(scope="module")
def address(store: ModelStore) -> Iterator[str]:
    with serve(app_of(store)) as address:
        yield address


def app_of(store: ModelStore) -> FastAPI:
    return make_app(store.answer, store.list_models, store.commands, store.revision, "127.0.0.1")


def store_of(folder: Path) -> ModelStore:
    return ModelStore(load_params(folder / "params.yaml"), load_commands(), folder)


def post(address: str, command: str, body: dict[str, Any]) -> requests.Response:
    return requests.post(f"{address}/api/{command}", json=body, timeout=120)


def test_every_endpoint_answers_each_input(address: str) -> None:
    assert set(BODIES) == set(load_commands())
    for command, body in BODIES.items():
        response = post(address, command, body)
        assert response.status_code == 200, response.text
        inputs = next((body[name] for name in ("texts", "papers", "queries") if name in body), [body])
        assert len(response.json()["answers"]) == len(inputs)
    assert response.json()["answers"][0]["paper"]["id"] == "topic00"
    assert len(response.json()["answers"][0]["hits"]) == 3


def test_the_best_on_validation_answers_with_its_test_score(address: str) -> None:
    model = post(address, "entities", BODIES["entities"]).json()["model"]
    assert (model["run"], model["scores"][0]["value"], model["scores"][0]["low"]) == ("ner-second", 0.7, 0.6)
    assert post(address, "entities", BODIES["entities"] | {"run": "ner-first"}).json()["model"]["run"] == "ner-first"
    for run, reason in (("ner-second", "asked for"), (None, "the best of 2"), ("ner-second", "asked for")):
        chosen = post(address, "entities", BODIES["entities"] | {"run": run}).json()["model"]["chosen"]
        assert chosen.startswith(reason)
    refused = post(address, "entities", BODIES["entities"] | {"run": "ner-secnd"})
    assert refused.status_code == 404
    assert "did you mean 'ner-second'?" in refused.json()["error"]["message"]


def test_fifty_requests_at_once_get_the_answers_of_each_alone(address: str) -> None:
    bodies = [{"texts": [f"we show {'the model ' * number}"]} for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        together = list(pool.map(lambda body: post(address, "intent", body).json()["answers"], bodies))
    for body, (answer,) in zip(bodies[::7], together[::7], strict=True):
        (alone,) = post(address, "intent", body).json()["answers"]
        assert answer["label"] == alone["label"]
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)  # other padding


def test_pages_show_what_models_answer(address: str) -> None:
    forms = [
        ("/read", {"title": "the model", "text": TEXT}, ("entities", "intent", "category", "interest")),
        ("/read", {"text": TEXT, "action": "summarize"}, ("summarize",)),
        ("/link", {"text": TEXT, "bibliography": "the model\nthe data"}, ("link",)),
    ]
    commands = load_commands()
    for path, form, names in forms:
        response = requests.post(address + path, data=form, timeout=120)
        assert response.status_code == 200
        headings = re.findall(r"<section .*<h2 .*>(.+)</h2>", response.text)
        assert headings == [commands[name].command.title for name in names]
        assert 'role="alert"' not in response.text
    assert requests.get(f"{address}/search?q=model", timeout=60).text.count("similar papers</a>") == 10
    assert "Papers near" in requests.get(f"{address}/similar?paper=topic00", timeout=60).text
    unknown = requests.get(f"{address}/similar?paper=nothing", timeout=60)
    assert (unknown.status_code, "no paper &#39;nothing&#39;" in unknown.text) == (404, True)


def test_a_missing_model_is_an_error_and_the_others_answer(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "models/interest")
    (tmp_path / "data/index/papers/manifest.json").unlink()
    with serve(app_of(store_of(tmp_path))) as address:
        page = requests.post(f"{address}/read", data={"title": "the model", "text": TEXT}, timeout=120)
        assert page.status_code == 200
        assert "`dvc repro finetune@interest` trains it" in page.text
        assert page.text.count("Model: <strong>") == 3
        assert "`dvc repro finetune@interest` trains it" in requests.get(address, timeout=60).text
        refused = requests.get(f"{address}/search?q=model", timeout=60)
        assert (refused.status_code, "`dvc repro index" in refused.text) == (503, True)
        assert post(address, "interest", BODIES["interest"]).status_code == 503


def test_the_choice_of_a_model_does_not_change_while_the_server_runs(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    store = store_of(tmp_path)
    question = Question(command="entities", model=None)
    away = (tmp_path / "models/ner-second").rename(tmp_path / "away")
    with pytest.raises(PapertrailError, match="ner-second: the model is missing"):
        store.answer(question, ["the model"])
    away.rename(tmp_path / "models/ner-second")
    write_json({"validation_score": 0.9}, tmp_path / "metrics/finetune/ner-first.json")
    assert store.answer(question, ["the model"]).about["run"] == "ner-second"


def test_the_command_serves_at_the_address_it_logs_until_it_is_stopped(folder: Path) -> None:
    process = start_python(folder, *PAPERTRAIL, "serve", "--port", "0")
    try:
        assert process.stderr is not None
        address = next(line.split()[0] for line in process.stderr if line.startswith("http://127.0.0.1:"))
        wait = Retry(total=100, backoff_factor=0.1, backoff_max=0.1)  # it listens directly after the log message
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=wait))
            assert session.get(f"{address}/api/health", timeout=60).json()["status"] == "ok"
    finally:
        process.terminate()
        output = process.communicate(timeout=60)
    assert (process.returncode, *output) == (0, "", "")


def test_each_model_is_loaded_once(store: ModelStore) -> None:
    for name in (None, "intent"):
        store.answer(Question(command="intent", model=name), ["the model"])
    loaded = dict(store.loaded)
    for number in range(20):
        with pytest.raises(ParamsError, match="unknown model of task citation_intent"):
            store.answer(Question(command="intent", model=f"unknown-{number}"), ["the model"])
    store.answer(Question(command="similar", model="papers", hits=1), ["topic00"])
    store.answer(Question(command="search", model="tiny-search", hits=1), ["the model"])
    assert len(store.loaded) <= len(store.params.models)
    assert len(store.choices) <= 3 * len(store.params.models)
    assert all(store.loaded[key] is model for key, model in loaded.items())
