"""The endpoints: what they answer, what they refuse, in which order, and that nobody can ask for more than there is."""

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

from scholar.ask import limits, server
from scholar.ask.bibliography import find_citations
from scholar.ask.desk import Desk, Question, Reply
from scholar.ask.shelf import Shelf
from scholar.errors import MachineError
from tests.fixtures.tiny_server import SCORE, StandIn, make_tiny_app, serve

TEXT = "See Table 1 and Figure 2."
PAPER = {"title": "A title", "abstract": "An abstract"}
ENTRY = {"id": "b0", "title": "A title"}
TWO = [ENTRY, {"id": "b1", "title": "Another"}]


@pytest.fixture
def models() -> StandIn:
    return StandIn()


@pytest.fixture
def address(models: StandIn) -> Iterator[str]:
    with serve(make_tiny_app(models)) as address:
        yield address


def post(address: str, kind: str, **body: Any) -> requests.Response:
    return requests.post(f"{address}/api/{kind}", json=body, timeout=60)


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)


def waiting(address: str) -> int:
    told: int = requests.get(f"{address}/api/health", timeout=10).json()["waiting"]
    return told


def error_of(response: requests.Response) -> tuple[int, str]:
    told = response.json()["error"]
    assert told["status"] == response.status_code
    return told["status"], told["message"]


# --- what is answered ---


@pytest.mark.parametrize(
    ("kind", "body", "inputs", "hits"),
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
def test_each_endpoint_asks_its_model_and_tells_which_answered(
    address: str, models: StandIn, kind: str, body: dict[str, Any], inputs: list[Any], hits: int
) -> None:
    response = post(address, kind, run="tiny", **body)
    assert response.status_code == 200
    assert models.batches == [(Question(kind=kind, run="tiny", hits=hits), inputs)]
    told = response.json()
    assert len(told["answers"]) == len(inputs)
    assert told["model"]["run"] == "tiny"
    assert told["model"]["scores"] == [SCORE]


def test_citations_are_found_or_given(address: str, models: StandIn) -> None:
    text = "As shown [1] before (Lee, 2020)."
    found = post(address, "link", text=text, bibliography=[ENTRY], hits=1).json()["answers"][0]["citations"]
    assert [citation["text"] for citation in found] == ["[1]", "(Lee, 2020)"]
    spans = [{"start": 3, "end": 8}]
    given = post(address, "link", text=text, bibliography=[ENTRY], citations=spans, hits=1)
    assert [citation["text"] for citation in given.json()["answers"][0]["citations"]] == ["shown"]


@pytest.mark.parametrize("piece", ["a", "a'", "\\cite[", "cite", "(a 1999 ", "aa bb & ", "(", "[1,"])
def test_no_text_takes_long_to_find_citations_in(piece: str) -> None:
    text = "\\" + piece * (limits.TEXT_CHARACTERS // len(piece))  # minutes, where a search goes over the rest each time
    assert find_citations(text) == []


def test_health_and_version_and_description(address: str) -> None:
    health = requests.get(f"{address}/api/health", timeout=10).json()
    assert (health["status"], health["waiting"]) == ("ok", 0)
    assert [(model["run"], model["here"]) for model in health["models"]] == [("tiny", True), ("gone", False)]
    assert requests.get(f"{address}/api/version", timeout=10).json() == {"revision": "abc"}
    described = requests.get(f"{address}/openapi.json", timeout=10).json()
    asked = described["components"]["schemas"]["Texts"]["properties"]["texts"]
    assert (asked["maxItems"], asked["items"]["maxLength"]) == (limits.TEXTS, limits.TEXT_CHARACTERS)
    assert asked["examples"]
    for path in ("/docs", "/redoc"):  # they would load scripts from elsewhere
        assert requests.get(address + path, timeout=10).status_code == 404


# --- what is refused ---


@pytest.mark.parametrize(
    ("kind", "body", "status", "message"),
    [
        ("intent", {"texts": [TEXT], "run": "tinny"}, 404, "unknown model 'tinny' (known: tiny)"),
        ("intent", {"texts": [TEXT], "run": "../../etc"}, 404, "unknown model '../../etc' (known: tiny)"),
        ("intent", {"texts": [TEXT], "run": "gone"}, 503, "`dvc repro finetune@gone` trains it"),
        ("similar", {"papers": ["nobody's"], "hits": 1}, 404, "no paper 'nobody's'"),
        ("intent", {"texts": ["wrong"]}, 422, "input 1 is wrong; give another"),
        ("intent", {"texts": []}, 422, "body.texts: "),
        ("intent", {"texts": [" \n"]}, 422, "body.texts.0: "),
        ("intent", {"texts": ["a"] * (limits.TEXTS + 1)}, 422, f"at most {limits.TEXTS} items"),
        ("intent", {"texts": ["a" * (limits.TEXT_CHARACTERS + 1)]}, 422, f"at most {limits.TEXT_CHARACTERS} char"),
        ("intent", {"texts": [1]}, 422, "body.texts.0: input should be a valid string (got 1)"),
        ("intent", {"texts": [TEXT], "file": "/etc/passwd"}, 422, "body.file: extra inputs are not permitted"),
        ("search", {"queries": ["a"], "hits": limits.HITS + 1}, 422, "body.hits: "),
        ("search", {"queries": ["a"], "hits": "3"}, 422, "body.hits: "),
        ("link", {"text": "[1]", "bibliography": [ENTRY, ENTRY], "hits": 1}, 422, "id 'b0' stands twice"),
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
def test_errors_are_json_and_say_what_to_do(
    address: str, kind: str, body: dict[str, Any], status: int, message: str
) -> None:
    told, words = error_of(post(address, kind, **body))
    assert told == status
    assert message in words


def test_a_fault_of_the_server_tells_no_secret_and_ends_nothing(address: str) -> None:
    status, words = error_of(post(address, "intent", texts=["broken"]))
    assert (status, "secret" in words) == (500, False)
    assert post(address, "intent", texts=[TEXT]).status_code == 200


def test_broken_json_and_other_methods_and_types_are_refused(address: str) -> None:
    url = f"{address}/api/intent"
    kinds = {"Content-Type": "application/json"}
    told = error_of(requests.post(url, data=b"{", headers=kinds, timeout=10))
    words = "body: not valid JSON (Expecting property name enclosed in double quotes at character 2)"
    assert told == (400, words)
    for body, reason in (
        (b'{"texts": ["\xff"]}', "can't decode byte 0xff"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
        (b"9" * 5_000, "Exceeds the limit (4300 digits)"),
    ):
        status, words = error_of(requests.post(url, data=body, headers=kinds, timeout=10))
        assert (status, "body: not JSON in UTF-8" in words, reason in words) == (400, True, True), words
    for sent in ({"Content-Type": "text/plain"}, {}):  # what a page elsewhere may send without being asked
        status, words = error_of(requests.post(url, data=b'{"texts": ["a"]}', headers=sent, timeout=10))
        got = sent.get("Content-Type", "")
        assert (status, words) == (415, f"Content-Type: expected application/json (got '{got}')")
    refused = requests.get(url, timeout=10)
    assert (error_of(refused)[0], refused.headers["Allow"]) == (405, "POST")


def test_a_large_body_is_refused_before_it_is_read(address: str, models: StandIn) -> None:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/api/intent")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", f"{limits.BODY_BYTES + 1}")
    connection.endheaders()  # and nothing more: an answer comes all the same
    response = connection.getresponse()
    assert response.status == 413
    assert f"{limits.BODY_BYTES:,}" in json.load(response)["error"]["message"]
    connection.close()
    chunks = (b"x" * 10_000 for _ in range(limits.BODY_BYTES // 10_000 + 5))  # of unknown length in all
    kinds = {"Content-Type": "application/json"}
    assert error_of(requests.post(f"{address}/api/intent", data=chunks, headers=kinds, timeout=30))[0] == 413
    assert models.batches == []


def test_only_this_host_and_no_form_of_another_site(address: str) -> None:
    assert error_of(requests.get(f"{address}/api/version", headers={"Host": "evil.example"}, timeout=10))[0] == 400
    for host in ("localhost:1", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
        assert requests.get(f"{address}/api/version", headers={"Host": host}, timeout=10).status_code == 200
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert requests.post(f"{address}/read", data={"text": "a"}, headers=foreign, timeout=10).status_code == 403


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "Address already in use"),
        ("192.0.2.1", "Cannot assign requested address"),  # kept for documents: no machine has it
        ("nö..host", "encoding of hostname failed"),
    ],
)
def test_an_address_that_cannot_be_had_is_told_before_libraries_are_loaded(
    repo: Path, host: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo)
    monkeypatch.setattr(server, "configure", lambda _: None)
    monkeypatch.setattr(Shelf, "warm", lambda _: pytest.fail("libraries were loaded"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MachineError, match=f"port {port} of {host} cannot be taken .*{reason}.* with --port"):
            server.main(host, port)


# --- many at once ---


def test_fifty_at_once_get_their_own_answers_in_batches_of_one_thread(address: str, models: StandIn) -> None:
    texts = [f"text {number}, Table {number}" for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        answered = list(pool.map(lambda text: post(address, "entities", texts=[text, TEXT]).json(), texts))
    assert [told["answers"][0]["text"] for told in answered] == texts
    alone = post(address, "entities", texts=[texts[7]]).json()
    assert answered[7]["answers"][0] == alone["answers"][0]
    assert len(models.threads) == 1
    assert len(models.batches) < 50
    assert max(len(inputs) for _, inputs in models.batches) <= limits.BATCH_TEXTS


async def ask_in_turn(desk: Desk, asked: list[tuple[str, list[Any]]]) -> tuple[list[int], list[Reply]]:
    """Ask everything at once; the order in which answers came, and the answers."""
    done: list[int] = []

    async def one(number: int) -> Reply:
        kind, inputs = asked[number]
        reply = await desk.ask(Question(kind=kind, run=None), inputs)
        done.append(number)
        return reply

    serving = asyncio.create_task(desk.serve())
    replies = await asyncio.gather(*map(one, range(len(asked))))
    serving.cancel()
    return done, replies


def test_batches_are_neighbours_of_one_question_and_nobody_is_overtaken(models: StandIn) -> None:
    asked = [("intent", ["a"]), ("intent", ["b", "c"]), ("entities", ["d"]), ("intent", ["e"])]

    async def main() -> tuple[list[int], list[Reply]]:
        return await ask_in_turn(Desk(models), asked)

    done, replies = asyncio.run(main())
    assert [inputs for _, inputs in models.batches] == [["a", "b", "c"], ["d"], ["e"]]
    assert done == [0, 1, 2, 3]
    assert [answer["given"] for answer in replies[1].answers] == ["b", "c"]


def test_batches_have_an_end(models: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BATCH_TEXTS", 3)

    async def main() -> tuple[list[int], list[Reply]]:
        return await ask_in_turn(Desk(models), [("intent", ["a"] * size) for size in (2, 1, 1, 5)])

    asyncio.run(main())
    assert [len(inputs) for _, inputs in models.batches] == [3, 1, 5]


def test_a_refused_input_is_told_to_its_sender_alone(address: str, models: StandIn) -> None:
    models.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(post, address, "intent", texts=["a"])]
        assert models.begun.wait(30)
        asked += [pool.submit(post, address, "intent", texts=[text]) for text in ("b", "wrong", "c")]
        wait_until(lambda: waiting(address) == 3)
        models.gate.set()
        assert [response.result().status_code for response in asked] == [200, 200, 422, 200]


def test_a_full_queue_refuses_and_says_when_to_return(
    address: str, models: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WAITING", 2)
    models.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(post, address, "intent", texts=["a"])]
        assert models.begun.wait(30)
        asked += [pool.submit(post, address, "intent", texts=["b"]) for _ in range(2)]
        wait_until(lambda: waiting(address) == 2)
        refused = post(address, "intent", texts=["c"])
        models.gate.set()
        assert [response.result().status_code for response in asked] == [200, 200, 200]
    assert error_of(refused)[0] == 503
    assert refused.headers["Retry-After"] == f"{limits.RETRY_SECONDS}"


def test_a_late_answer_is_given_up(address: str, models: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.2)
    models.gate.clear()
    late, words = error_of(post(address, "intent", texts=["begun"]))
    assert (late, "the model was loaded" in words) == (504, True)
    assert error_of(post(address, "intent", texts=["waiting"]))[0] == 504
    models.gate.set()
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 60)
    assert post(address, "intent", texts=["c"]).status_code == 200
    assert [inputs for _, inputs in models.batches] == [["begun"], ["c"]]  # what nobody waits for is not begun


def test_what_is_given_up_takes_no_place_in_the_queue(
    address: str, models: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(limits, "WAITING", 1)
    models.gate.clear()
    assert error_of(post(address, "intent", texts=["begun"]))[0] == 504
    assert error_of(post(address, "intent", texts=["given up"]))[0] == 504
    assert waiting(address) == 0
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 60)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(post, address, "intent", texts=["alive"])
        try:
            wait_until(lambda: waiting(address) == 1 or asked.done())
        finally:
            models.gate.set()
        assert asked.result().status_code == 200


def test_a_slow_sender_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.2)
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/api/intent")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "10")
    connection.endheaders()
    assert connection.getresponse().status == 504
    connection.close()


@pytest.mark.parametrize("before", [b"", b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"])
@pytest.mark.parametrize("begun", [b"", b"GET /api/version HTTP/1.1\r\nHost:"])
def test_headers_that_never_end_are_given_up(
    address: str, before: bytes, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 1)
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        if before:  # a connection that is kept is no way around it
            connection.sendall(before)
            assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
        connection.sendall(begun)
        while connection.recv(10_000):  # the rest of the first answer; then it ends, or this test times out
            pass


def test_it_ends_while_requests_wait(models: StandIn) -> None:
    before = threading.active_count()
    with serve(make_tiny_app(models)) as address:
        assert post(address, "intent", texts=["a"]).status_code == 200
    wait_until(lambda: threading.active_count() <= before)


# --- against its own description ---

SETTINGS = """
seed = 1
[generation]
deterministic = true
max-examples = 5
[checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", "503"] # 503: run `gone`, which it reads in GET /api/health, is no fault
[checks.negative_data_rejection]
expected-statuses = ["400", "404", "405", "413", "415", "422"] # 413: longer than a text may be, and than a body may be
[[operations]]
include-path = "/api/link"
checks.positive_data_acceptance.enabled = false # no schema can say that an offset lies inside a text
"""


@pytest.mark.fuzzed
def test_schemathesis_finds_nothing(address: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", "--no-color"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert "No issues found" in done.stdout
