"""The server on real models, tiny ones that have learnt nothing: every endpoint and page, batches, missing models."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from scholar.ask.desk import Question
from scholar.ask.server import make_app
from scholar.ask.shelf import Shelf
from scholar.errors import ParamsError, ScholarError
from scholar.params import load_params
from scholar.records import write_json
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
def shelf(folder: Path) -> Shelf:
    return Shelf(write_models(folder), folder)


@pytest.fixture(scope="module")
def address(shelf: Shelf) -> Iterator[str]:
    with serve(make_app(shelf.answer, shelf.list_models, shelf.revision, "127.0.0.1")) as address:
        yield address


def post(address: str, kind: str, body: dict[str, Any]) -> requests.Response:
    return requests.post(f"{address}/api/{kind}", json=body, timeout=120)


def test_every_endpoint_answers_each_input(address: str) -> None:
    for kind, body in BODIES.items():
        response = post(address, kind, body)
        assert response.status_code == 200, response.text
        given = next((body[name] for name in ("texts", "papers", "queries") if name in body), [body])
        assert len(response.json()["answers"]) == len(given)
    assert response.json()["answers"][0]["paper"]["id"] == "topic00"
    assert len(response.json()["answers"][0]["hits"]) == 3


def test_the_best_on_validation_answers_with_its_test_score(address: str) -> None:
    told = post(address, "entities", BODIES["entities"]).json()["model"]
    assert (told["run"], told["scores"][0]["value"], told["scores"][0]["low"]) == ("ner-second", 0.7, 0.6)
    assert post(address, "entities", BODIES["entities"] | {"run": "ner-first"}).json()["model"]["run"] == "ner-first"
    for run, why in (("ner-second", "asked for"), (None, "the best of 2"), ("ner-second", "asked for")):
        chosen = post(address, "entities", BODIES["entities"] | {"run": run}).json()["model"]["chosen"]
        assert chosen.startswith(why)
    refused = post(address, "entities", BODIES["entities"] | {"run": "ner-secnd"})
    assert refused.status_code == 404
    assert "did you mean 'ner-second'?" in refused.json()["error"]["message"]


def test_fifty_at_once_are_told_what_each_alone_is_told(address: str) -> None:
    bodies = [{"texts": [f"we show {'the model ' * number}"]} for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        together = list(pool.map(lambda body: post(address, "intent", body).json()["answers"], bodies))
    for body, (answer,) in zip(bodies[::7], together[::7], strict=True):
        (alone,) = post(address, "intent", body).json()["answers"]
        assert answer["label"] == alone["label"]
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)  # padded otherwise


def test_pages_show_what_models_answer(address: str) -> None:
    forms = [
        ("/read", {"title": "the model", "text": TEXT}, "Intent of each sentence"),
        ("/read", {"text": TEXT, "action": "summarize"}, "Summary"),
        ("/link", {"text": TEXT, "bibliography": "the model\nthe data"}, "1 citation"),
    ]
    for path, form, heading in forms:
        response = requests.post(address + path, data=form, timeout=120)
        assert response.status_code == 200
        assert f">{heading}</h2>" in response.text
        assert 'role="alert"' not in response.text
    assert requests.get(f"{address}/search?q=model", timeout=60).text.count("similar papers</a>") == 10
    assert "Papers near" in requests.get(f"{address}/similar?paper=topic00", timeout=60).text
    unknown = requests.get(f"{address}/similar?paper=nothing", timeout=60)
    assert (unknown.status_code, "no paper &#39;nothing&#39;" in unknown.text) == (404, True)


def test_a_missing_model_is_told_and_the_rest_works(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "models/interest")
    (tmp_path / "data/index/papers/manifest.json").unlink()
    shelf = Shelf(load_params(tmp_path / "params.yaml"), tmp_path)
    with serve(make_app(shelf.answer, shelf.list_models, shelf.revision, "127.0.0.1")) as address:
        page = requests.post(f"{address}/read", data={"title": "the model", "text": TEXT}, timeout=120)
        assert page.status_code == 200
        assert "`dvc repro finetune@interest` trains it" in page.text
        assert page.text.count("Answered by") == 3
        assert "`dvc repro finetune@interest` trains it" in requests.get(address, timeout=60).text
        refused = requests.get(f"{address}/search?q=model", timeout=60)
        assert (refused.status_code, "`dvc repro index` builds" in refused.text) == (503, True)
        assert post(address, "interest", BODIES["interest"]).status_code == 503


def test_a_model_that_could_not_be_loaded_at_first_is_the_same_later(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    shelf = Shelf(load_params(tmp_path / "params.yaml"), tmp_path)
    question = Question(kind="entities", run=None)
    away = (tmp_path / "models/ner-second").rename(tmp_path / "away")
    with pytest.raises(ScholarError, match="ner-second: the model is not there"):
        shelf.answer(question, ["the model"])
    away.rename(tmp_path / "models/ner-second")
    write_json({"validation_score": 0.9}, tmp_path / "metrics/finetune/ner-first.json")
    assert shelf.answer(question, ["the model"]).about["run"] == "ner-second"


def test_it_serves_where_it_says_until_it_is_ended(folder: Path) -> None:
    process = start_python(folder, "-m", "scholar", "serve", "--port", "0")
    try:
        assert process.stderr is not None
        address = next(line.split()[0] for line in process.stderr if line.startswith("http://127.0.0.1:"))
        wait = Retry(total=100, backoff_factor=0.1, backoff_max=0.1)  # it listens right after it says so
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=wait))
            assert session.get(f"{address}/api/health", timeout=60).json()["status"] == "ok"
    finally:
        process.terminate()
        rest = process.communicate(timeout=60)
    assert (process.returncode, *rest) == (0, "", "")


def test_models_are_loaded_once_whatever_they_are_called(shelf: Shelf) -> None:
    for run in (None, "intent"):
        shelf.answer(Question(kind="intent", run=run), ["the model"])
    loaded = dict(shelf.loaded)
    for number in range(20):
        with pytest.raises(ParamsError, match="unknown model of task citation_intent"):
            shelf.answer(Question(kind="intent", run=f"made-up-{number}"), ["the model"])
    shelf.answer(Question(kind="similar", run="papers", hits=1), ["topic00"])
    shelf.answer(Question(kind="search", run="tiny-search", hits=1), ["the model"])
    assert len(shelf.loaded) <= len(shelf.params.trained)
    assert len(shelf.named) <= 3 * len(shelf.params.trained)
    assert all(shelf.loaded[key] is model for key, model in loaded.items())
