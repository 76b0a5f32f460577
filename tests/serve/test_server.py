"""The endpoints: answers, errors, the order of requests, and limits."""

import argparse
import asyncio
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from papertrail.core.errors import MachineError
from papertrail.inference.documents import find_citations
from papertrail.serve import limits, server
from papertrail.serve.model_store import ModelStore
from papertrail.serve.queue import BatchQueue, Question, Reply
from tests.fixtures.tiny_server import SCORE, TONE, StubModels, make_tiny_app, serve

TEXT = "See Table 1 and Figure 2."
PAPER = {"title": "A title", "abstract": "An abstract"}
ENTRY = {"id": "b0", "title": "A title"}
TWO = [ENTRY, {"id": "b1", "title": "Another"}]


@pytest.fixture
def models() -> StubModels:
    return StubModels()


@pytest.fixture
def address(models: StubModels) -> Iterator[str]:
    with serve(make_tiny_app(models)) as address:
        yield address


def post(address: str, command: str, **body: Any) -> requests.Response:
    return requests.post(f"{address}/api/{command}", json=body, timeout=60)


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end, "the condition was not reached within 30 seconds"
        time.sleep(0.01)


def waiting(address: str) -> int:
    count: int = requests.get(f"{address}/api/health", timeout=10).json()["waiting"]
    return count


def error_of(response: requests.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert error["status"] == response.status_code
    return error["status"], error["message"]


# --- answers ---


@pytest.mark.parametrize(
    ("command", "body", "inputs", "hits"),
    [
        ("entities", {"texts": [TEXT, "b"]}, [TEXT, "b"], 0),
        ("intent", {"texts": [TEXT]}, [TEXT], 0),
        ("category", {"papers": [{"title": "t"}, PAPER]}, [{"title": "t", "abstract": ""}, PAPER], 0),
        ("interest", {"papers": [PAPER]}, [PAPER], 0),
        ("summarize", {"text": TEXT}, [TEXT], 0),
        ("search", {"queries": ["a", "b"], "hits": 3}, ["a", "b"], 3),
        ("similar", {"papers": ["a"], "hits": 2}, ["a"], 2),
    ],
)
def test_each_endpoint_asks_its_model_and_names_it(
    address: str, models: StubModels, command: str, body: dict[str, Any], inputs: list[Any], hits: int
) -> None:
    response = post(address, command, run="tiny", **body)
    assert response.status_code == 200
    assert models.batches == [(Question(command=command, model="tiny", hits=hits), inputs)]
    reply = response.json()
    assert len(reply["answers"]) == len(inputs)
    assert reply["model"]["run"] == "tiny"
    assert reply["model"]["scores"] == [SCORE]


def test_the_command_of_a_new_task_has_an_endpoint() -> None:
    models = StubModels({"tone": TONE})
    with serve(make_tiny_app(models)) as address:
        assert post(address, "tone", texts=["Nice."]).json()["answers"][0]["label"] == "approach"
        described = requests.get(f"{address}/openapi.json", timeout=10).json()["paths"]["/api/tone"]["post"]
    assert models.batches == [(Question(command="tone", model=None, hits=0), ["Nice."])]
    assert (described["summary"], described["description"]) == ("Tone", "the tone of a sentence")
    assert described["requestBody"]["content"]["application/json"]["schema"]["examples"] == [{"texts": ["Nice."]}]


def test_citations_are_found_or_come_with_the_request(address: str, models: StubModels) -> None:
    text = "As shown [1] before (Lee, 2020)."
    found = post(address, "link", text=text, bibliography=[ENTRY], hits=1).json()["answers"][0]["citations"]
    assert [citation["text"] for citation in found] == ["[1]", "(Lee, 2020)"]
    spans = [{"start": 3, "end": 8}]
    response = post(address, "link", text=text, bibliography=[ENTRY], citations=spans, hits=1)
    assert [citation["text"] for citation in response.json()["answers"][0]["citations"]] == ["shown"]


@pytest.mark.parametrize("piece", ["a", "a'", "\\cite[", "cite", "(a 1999 ", "aa bb & ", "(", "[1,"])
def test_finding_citations_takes_linear_time(piece: str) -> None:
    text = "\\" + piece * (limits.TEXT_CHARACTERS // len(piece))  # quadratic time would be minutes
    assert find_citations(text) == []


def test_health_and_version_and_description(address: str) -> None:
    health = requests.get(f"{address}/api/health", timeout=10).json()
    assert (health["status"], health["waiting"]) == ("ok", 0)
    assert [(model["run"], model["here"]) for model in health["models"]] == [("tiny", True), ("gone", False)]
    assert requests.get(f"{address}/api/version", timeout=10).json() == {"revision": "abc"}
    described = requests.get(f"{address}/openapi.json", timeout=10).json()
    texts = described["components"]["schemas"]["Texts"]["properties"]["texts"]
    assert (texts["maxItems"], texts["items"]["maxLength"]) == (limits.TEXTS, limits.TEXT_CHARACTERS)
    for path, operations in described["paths"].items():
        if "post" in operations:
            schema = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
            for body in schema["examples"]:
                assert requests.post(address + path, json=body, timeout=60).status_code == 200
    for path in ("/docs", "/redoc"):  # they would load scripts from other sites
        assert requests.get(address + path, timeout=10).status_code == 404


# --- errors ---


@pytest.mark.parametrize(
    ("command", "body", "status", "message"),
    [
        ("intent", {"texts": [TEXT], "run": "tinny"}, 404, "unknown model 'tinny' (known: tiny)"),
        ("intent", {"texts": [TEXT], "run": "../../etc"}, 404, "unknown model '../../etc' (known: tiny)"),
        ("intent", {"texts": [TEXT], "run": "gone"}, 503, "`dvc repro finetune@gone` trains it"),
        ("similar", {"papers": ["unknown"], "hits": 1}, 404, "no paper 'unknown'"),
        ("intent", {"texts": ["wrong"]}, 422, "input 1 is wrong; give another"),
        ("intent", {"texts": []}, 422, "body.texts: "),
        ("intent", {"texts": [" \n"]}, 422, "body.texts.0: "),
        ("intent", {"texts": ["a"] * (limits.TEXTS + 1)}, 422, f"at most {limits.TEXTS} items"),
        ("intent", {"texts": ["a" * (limits.TEXT_CHARACTERS + 1)]}, 422, f"at most {limits.TEXT_CHARACTERS} char"),
        ("intent", {"texts": [1]}, 422, "body.texts.0: input should be a valid string (got 1)"),
        ("intent", {"texts": [TEXT], "file": "/etc/passwd"}, 422, "body.file: extra inputs are not permitted"),
        ("search", {"queries": ["a"], "hits": limits.HITS + 1}, 422, "body.hits: "),
        ("search", {"queries": ["a"], "hits": "3"}, 422, "body.hits: "),
        ("link", {"text": "[1]", "bibliography": [ENTRY, ENTRY], "hits": 1}, 422, "duplicate id 'b0'"),
        ("link", {"text": "none", "bibliography": [ENTRY], "hits": 1}, 422, "no citation was found"),
        (
            "link",
            {"text": "[1] " * 1001, "bibliography": TWO, "hits": 1},
            422,
            "1,001 citations times 2 entries are 2,00",
        ),
        ("nix", {}, 404, "Not Found"),
    ],
)
def test_errors_are_json_with_status_and_message(
    address: str, command: str, body: dict[str, Any], status: int, message: str
) -> None:
    found = error_of(post(address, command, **body))
    assert found[0] == status
    assert message in found[1]


def test_an_internal_error_is_not_shown_and_stops_nothing(address: str) -> None:
    status, message = error_of(post(address, "intent", texts=["broken"]))
    assert (status, "secret" in message) == (500, False)
    assert post(address, "intent", texts=[TEXT]).status_code == 200


def test_broken_json_and_other_methods_and_types_are_refused(address: str) -> None:
    url = f"{address}/api/intent"
    kinds = {"Content-Type": "application/json"}
    expected = "body: not valid JSON (Expecting property name enclosed in double quotes at character 2)"
    assert error_of(requests.post(url, data=b"{", headers=kinds, timeout=10)) == (400, expected)
    for body, reason in (
        (b'{"texts": ["\xff"]}', "can't decode byte 0xff"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
        (b"9" * 5_000, "Exceeds the limit (4300 digits)"),
    ):
        status, message = error_of(requests.post(url, data=body, headers=kinds, timeout=10))
        assert (status, "body: not JSON in UTF-8" in message, reason in message) == (400, True, True), message
    for headers in ({"Content-Type": "text/plain"}, {}):  # another site may send these without a preflight request
        error = error_of(requests.post(url, data=b'{"texts": ["a"]}', headers=headers, timeout=10))
        got = headers.get("Content-Type", "")
        assert error == (415, f"Content-Type: expected application/json (got '{got}')")
    refused = requests.get(url, timeout=10)
    assert (error_of(refused)[0], refused.headers["Allow"]) == (405, "POST")


def test_a_large_body_is_refused_before_it_is_read(address: str, models: StubModels) -> None:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/api/intent")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", f"{limits.BODY_BYTES + 1}")
    connection.endheaders()  # without a body: the response does not wait for it
    response = connection.getresponse()
    assert response.status == 413
    assert f"{limits.BODY_BYTES:,}" in json.load(response)["error"]["message"]
    connection.close()
    chunks = (b"x" * 10_000 for _ in range(limits.BODY_BYTES // 10_000 + 5))  # without Content-Length
    kinds = {"Content-Type": "application/json"}
    assert error_of(requests.post(f"{address}/api/intent", data=chunks, headers=kinds, timeout=30))[0] == 413
    assert models.batches == []


def test_other_hosts_and_forms_of_other_sites_are_refused(address: str) -> None:
    assert error_of(requests.get(f"{address}/api/version", headers={"Host": "evil.example"}, timeout=10))[0] == 400
    for host in ("localhost:1", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
        assert requests.get(f"{address}/api/version", headers={"Host": host}, timeout=10).status_code == 200
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert requests.post(f"{address}/read", data={"text": "a"}, headers=foreign, timeout=10).status_code == 403


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "Address already in use"),
        ("192.0.2.1", "Cannot assign requested address"),  # reserved for documentation: no machine has it
        ("nö..host", "encoding of hostname failed"),
    ],
)
def test_an_unavailable_address_is_an_error_before_libraries_are_imported(
    repo: Path, host: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo)
    monkeypatch.setattr(server, "configure", lambda _: None)
    monkeypatch.setattr(ModelStore, "warm_up", lambda _: pytest.fail("libraries were imported"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MachineError, match=f"port {port} of {host} is unavailable .*{reason}.* with --port"):
            server.run(argparse.Namespace(host=host, port=port))


# --- many at once ---


def test_fifty_requests_at_once_get_their_own_answers_in_batches_of_one_thread(
    address: str, models: StubModels
) -> None:
    texts = [f"text {number}, Table {number}" for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda text: post(address, "entities", texts=[text, TEXT]).json(), texts))
    assert [reply["answers"][0]["text"] for reply in replies] == texts
    alone = post(address, "entities", texts=[texts[7]]).json()
    assert replies[7]["answers"][0] == alone["answers"][0]
    assert len(models.threads) == 1
    assert len(models.batches) < 50
    assert max(len(inputs) for _, inputs in models.batches) <= limits.BATCH_TEXTS


async def ask_at_once(queue: BatchQueue, requests: list[tuple[str, list[Any]]]) -> tuple[list[int], list[Reply]]:
    """Send all requests at once; return the order of the replies, and the replies."""
    done: list[int] = []

    async def ask(number: int) -> Reply:
        command, inputs = requests[number]
        reply = await queue.ask(Question(command=command, model=None), inputs)
        done.append(number)
        return reply

    serving = asyncio.create_task(queue.serve())
    replies = await asyncio.gather(*map(ask, range(len(requests))))
    serving.cancel()
    return done, replies


def test_a_batch_has_consecutive_requests_with_one_question(models: StubModels) -> None:
    sent = [("intent", ["a"]), ("intent", ["b", "c"]), ("entities", ["d"]), ("intent", ["e"])]

    async def main() -> tuple[list[int], list[Reply]]:
        return await ask_at_once(BatchQueue(models), sent)

    done, replies = asyncio.run(main())
    assert [inputs for _, inputs in models.batches] == [["a", "b", "c"], ["d"], ["e"]]
    assert done == [0, 1, 2, 3]
    assert [answer["input"] for answer in replies[1].answers] == ["b", "c"]


def test_batches_have_a_maximum_size(models: StubModels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BATCH_TEXTS", 3)

    async def main() -> tuple[list[int], list[Reply]]:
        return await ask_at_once(BatchQueue(models), [("intent", ["a"] * size) for size in (2, 1, 1, 5)])

    asyncio.run(main())
    assert [len(inputs) for _, inputs in models.batches] == [3, 1, 5]


def test_only_the_sender_of_a_wrong_input_gets_the_error(address: str, models: StubModels) -> None:
    models.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(post, address, "intent", texts=["a"])]
        assert models.started.wait(30)
        sent += [pool.submit(post, address, "intent", texts=[text]) for text in ("b", "wrong", "c")]
        wait_until(lambda: waiting(address) == 3)
        models.gate.set()
        assert [response.result().status_code for response in sent] == [200, 200, 422, 200]


def test_a_full_queue_refuses_and_says_when_to_retry(
    address: str, models: StubModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WAITING", 2)
    models.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(post, address, "intent", texts=["a"])]
        assert models.started.wait(30)
        sent += [pool.submit(post, address, "intent", texts=["b"]) for _ in range(2)]
        wait_until(lambda: waiting(address) == 2)
        refused = post(address, "intent", texts=["c"])
        models.gate.set()
        assert [response.result().status_code for response in sent] == [200, 200, 200]
    assert error_of(refused)[0] == 503
    assert refused.headers["Retry-After"] == f"{limits.RETRY_SECONDS}"


def test_a_late_answer_is_an_error(address: str, models: StubModels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.2)
    models.gate.clear()
    status, message = error_of(post(address, "intent", texts=["started"]))
    assert (status, "the model was loaded" in message) == (504, True)
    assert error_of(post(address, "intent", texts=["waiting"]))[0] == 504
    models.gate.set()
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 60)
    assert post(address, "intent", texts=["c"]).status_code == 200
    assert [inputs for _, inputs in models.batches] == [["started"], ["c"]]  # a request that timed out is not started


def test_a_request_that_timed_out_leaves_the_queue(
    address: str, models: StubModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(limits, "WAITING", 1)
    models.gate.clear()
    assert error_of(post(address, "intent", texts=["started"]))[0] == 504
    assert error_of(post(address, "intent", texts=["timed out"]))[0] == 504
    assert waiting(address) == 0
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 60)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(post, address, "intent", texts=["alive"])
        try:
            wait_until(lambda: waiting(address) == 1 or sent.done())
        finally:
            models.gate.set()
        assert sent.result().status_code == 200


def test_a_slow_sender_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.2)
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/api/intent")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "10")
    connection.endheaders()
    assert connection.getresponse().status == 504
    connection.close()


@pytest.mark.parametrize("before", [b"", b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"])
@pytest.mark.parametrize("start", [b"", b"GET /api/version HTTP/1.1\r\nHost:"])
def test_a_connection_without_complete_headers_is_closed(
    address: str, before: bytes, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 1)
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        if before:  # also a connection that is kept alive
            connection.sendall(before)
            assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
        connection.sendall(start)
        while connection.recv(10_000):  # the rest of the first response, then the end; otherwise this test times out
            pass


def test_the_server_stops_its_threads(models: StubModels) -> None:
    before = threading.active_count()
    with serve(make_tiny_app(models)) as address:
        assert post(address, "intent", texts=["a"]).status_code == 200
    wait_until(lambda: threading.active_count() <= before)


# --- the OpenAPI description ---

SETTINGS = """
seed = 1
[generation]
deterministic = true
max-examples = 5
[checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", "503"] # 503: model `gone`, whose name it reads in GET /api/health
[checks.negative_data_rejection]
expected-statuses = ["400", "404", "405", "413", "415", "422"] # 413: a text beyond the limit of the body
[[operations]]
include-path = "/api/link"
checks.positive_data_acceptance.enabled = false # no schema can express that an offset is inside a text
"""


@pytest.mark.fuzzed
def test_schemathesis_finds_nothing(address: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", "--no-color"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert "No issues found" in done.stdout
