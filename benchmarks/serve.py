"""`python -m benchmarks.serve`: what batches do for the server, and whether its memory grows.

Two servers of this repository's models run on 127.0.0.1, one of them with batches of one text. Clients that send a
sentence as soon as they have their answer ask first one server, then the other, in turns, so that a busy machine slows
both; everything lands in benchmarks/serve.json.
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

from scholar.ask import limits
from scholar.errors import DataError, MachineError, run
from scholar.params import load_params

TURNS = 10  # of each server; the memory of the first is where growth is measured from
CLIENTS = 16  # that wait for an answer at any time
SECONDS_TO_START = 120  # torch is loaded first
log = logging.getLogger(__name__)


class Served:
    """A server in a process of its own."""

    def __init__(self, batch: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        command = [sys.executable, "-m", "benchmarks.serve", "--serve", f"{self.port}", "--batch", f"{batch}"]
        self.process = subprocess.Popen(command)
        self.milliseconds: list[float] = []
        self.seconds = 0.0
        self.memory_mib: list[float] = []  # resident, after each turn

    def wait(self) -> None:
        """Until it answers.

        Raises:
            MachineError: it ended, or takes too long.
        """
        for _ in range(SECONDS_TO_START * 2):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.5)
        raise MachineError(f"the server did not start in {SECONDS_TO_START} seconds; its messages stand above")

    def turn(self, sentences: list[str]) -> None:
        """Let all clients send these, each its share, and add up what it took."""
        started = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            shares = pool.map(self._send, [sentences[client::CLIENTS] for client in range(CLIENTS)])
            self.milliseconds += [took for share in shares for took in share]
        self.seconds += time.perf_counter() - started
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        self.memory_mib.append(int(line.split()[1]) / 1024)

    def _send(self, sentences: list[str]) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limits.REQUEST_SECONDS)
        took = []
        for sentence in sentences:
            started = time.perf_counter()
            body = json.dumps({"texts": [sentence]})
            connection.request("POST", "/api/intent", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            told = response.read()
            if response.status != 200:
                raise DataError(f"POST /api/intent: {response.status} {told.decode()[:300]}")
            took.append(1000 * (time.perf_counter() - started))
        connection.close()
        return took

    def told(self) -> dict[str, Any]:
        """What was measured."""
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
    """Start both servers and ask them in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="requests to the server with batches")
    parser.add_argument("--single", type=int, default=2_000, help="requests to the one without")
    parser.add_argument("--serve", type=int, help="only a server, on this port")
    parser.add_argument("--batch", type=int, default=limits.BATCH_TEXTS, help="texts answered together, with --serve")
    arguments = parser.parse_args()
    if arguments.serve:
        from scholar.ask import server

        limits.BATCH_TEXTS = arguments.batch
        server.main("127.0.0.1", arguments.serve)
        return
    from scholar.records import read_rows, write_json  # numpy comes with it, which a server loads after its caps

    data = next(run.data for run in load_params().runs.values() if run.task == "citation_intent")
    rows = read_rows(Path("data/prepared/citation_intent", data, "test.parquet"))["text"]
    sentences = [rows[number % len(rows)] for number in range(max(arguments.count, arguments.single))]
    servers = {"batched": Served(limits.BATCH_TEXTS), "one_at_a_time": Served(1)}
    try:
        for served in servers.values():
            served.wait()
            served._send(sentences[:1])  # the model is loaded now
        for turn in range(TURNS):
            for served, count in zip(servers.values(), (arguments.count, arguments.single), strict=True):
                size = count // TURNS
                served.turn(sentences[turn * size : (turn + 1) * size])
            log.info("turn %d of %d", turn + 1, TURNS)
    finally:
        for served in servers.values():
            served.process.terminate()
            served.process.wait()
    batched, single = (served.told() for served in servers.values())
    ratios = {
        "requests_per_second_of_one_at_a_time": batched["requests_per_second"] / single["requests_per_second"],
        "p95_ms_of_one_at_a_time": batched["p95_ms"] / single["p95_ms"],
        "memory_last_of_first_turn": batched["memory_mib_after_last_turn"] / batched["memory_mib_after_first_turn"],
    }
    results = {"clients": CLIENTS, "batched": batched | ratios, "one_at_a_time": single}
    write_json(results, Path("benchmarks/serve.json"))


if __name__ == "__main__":
    run(main)
