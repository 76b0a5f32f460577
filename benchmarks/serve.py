"""Batching and memory growth of the server: `python -m benchmarks.serve` writes benchmarks/serve.json.

Two servers of this repository's models run on 127.0.0.1, one of them with batches of one text. Clients send their next
sentence when they have an answer. The servers take turns, so that a busy machine slows both.
"""

import argparse
import http.client
import json
import logging
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from papertrail.core.artifacts import write_json
from papertrail.core.errors import DataError, MachineError
from papertrail.core.params import load_params
from papertrail.core.process import run_cli
from papertrail.data.prepared import split_file
from papertrail.inference.task_commands import load_commands
from papertrail.serve import limits

MODEL = "intent-base"  # its test sentences are sent to the command of its task
TURNS = 10  # of each server; growth of memory is measured from the first
CLIENTS = 16  # concurrent requests
SECONDS_TO_START = 120  # the server imports torch first
log = logging.getLogger(__name__)


class Served:
    """A server in a new process, and its measurements."""

    def __init__(self, batch: int, path: str) -> None:
        self.path = path
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        command = [sys.executable, "-m", "benchmarks.serve", "--serve", f"{self.port}", "--batch", f"{batch}"]
        self.process = subprocess.Popen(command)
        self.milliseconds: list[float] = []
        self.seconds = 0.0
        self.memory_mib: list[float] = []  # resident, after each turn

    def wait(self) -> None:
        """Wait until the server accepts connections.

        Raises:
            MachineError: It ended or takes too long.
        """
        for _ in range(SECONDS_TO_START * 2):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.5)
        raise MachineError(f"the server did not start in {SECONDS_TO_START} seconds; see its messages above")

    def turn(self, sentences: list[str]) -> None:
        """Let the clients send the sentences, and add the times."""
        started = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            shares = pool.map(self.send, [sentences[client::CLIENTS] for client in range(CLIENTS)])
            self.milliseconds += [duration for share in shares for duration in share]
        self.seconds += time.perf_counter() - started
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        self.memory_mib.append(int(line.split()[1]) / 1024)

    def send(self, sentences: list[str]) -> list[float]:
        """Send sentences one after the other; return the milliseconds of each."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limits.REQUEST_SECONDS)
        durations = []
        for sentence in sentences:
            started = time.perf_counter()
            body = json.dumps({"texts": [sentence]})
            connection.request("POST", self.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise DataError(f"POST {self.path}: {response.status} {content.decode()[:300]}")
            durations.append(1000 * (time.perf_counter() - started))
        connection.close()
        return durations

    def results(self) -> dict[str, Any]:
        """Return the measurements."""
        ordered = statistics.quantiles(self.milliseconds, n=20, method="inclusive")
        return {
            "requests": len(self.milliseconds),
            "requests_per_second": len(self.milliseconds) / self.seconds,
            "p50_ms": ordered[9],
            "p95_ms": ordered[18],
            "memory_mib_after_first_turn": self.memory_mib[0],
            "memory_mib_after_last_turn": self.memory_mib[-1],
            "memory_mib_by_turn": self.memory_mib,
        }


def main() -> None:
    """Start both servers and measure them in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="requests to the server with batches")
    parser.add_argument("--single", type=int, default=2_000, help="requests to the server without batches")
    parser.add_argument("--serve", type=int, help="run a server on this port only")
    parser.add_argument("--batch", type=int, default=limits.BATCH_TEXTS, help="texts per batch, with --serve")
    arguments = parser.parse_args()
    if arguments.serve:
        from papertrail.serve import server

        limits.BATCH_TEXTS = arguments.batch
        server.run(argparse.Namespace(host="127.0.0.1", port=arguments.serve))
        return
    batched, single = measure(arguments.count, arguments.single)
    ratios = {
        "requests_per_second_of_one_at_a_time": batched["requests_per_second"] / single["requests_per_second"],
        "p95_ms_of_one_at_a_time": batched["p95_ms"] / single["p95_ms"],
        "memory_last_of_first_turn": batched["memory_mib_after_last_turn"] / batched["memory_mib_after_first_turn"],
    }
    results = {"clients": CLIENTS, "batched": batched | ratios, "one_at_a_time": single}
    write_json(results, Path("benchmarks/serve.json"))


def measure(*counts: int) -> list[dict[str, Any]]:
    """Return the measurements of a server with batches and of one without, after so many requests to each."""
    from papertrail.core.parquet import read_rows  # numpy comes with it, which a server imports after its caps

    model = load_params().models[MODEL]
    command = next(name for name, command in load_commands().items() if command.task == model.task)
    rows = read_rows(split_file(model.task, model.dataset, "test"))["text"]
    sentences = [rows[number % len(rows)] for number in range(max(counts))]
    servers = [Served(batch, f"/api/{command}") for batch in (limits.BATCH_TEXTS, 1)]
    try:
        for served in servers:
            served.wait()
            served.send(sentences[:1])  # loads the model
        for turn in range(TURNS):
            for served, count in zip(servers, counts, strict=True):
                size = count // TURNS
                served.turn(sentences[turn * size : (turn + 1) * size])
            log.info("turn %d of %d", turn + 1, TURNS)
    finally:
        for served in servers:
            served.process.terminate()
            served.process.wait()
    return [served.results() for served in servers]


if __name__ == "__main__":
    run_cli(main)
