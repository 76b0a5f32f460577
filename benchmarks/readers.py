"""Seconds and memory of the readers of documents and bibliographies: 50 MB of text, 20,000 entries.

Usage: python -m benchmarks.readers
"""

import logging
import resource
import sys
import time
from collections.abc import Callable
from functools import partial

from papertrail.inference.bibliography import parse_bibliography
from papertrail.inference.documents import parse_document

BYTES, ENTRIES = 50_000_000, 20_000
KNOWN = [{"id": "key1", "title": "A title", "abstract": "", "year": 2020}]
PARAGRAPH = r"""We study \emph{trees} and their roots, following \citet{key1} and others \citep[see][p.~3]{key2, key3};
the \"{u}ber result is $x^2 + \alpha$ in Figure~\ref{fig:a}. % a comment
More words follow to make the line longer, with an \'{e} and a \textbf{bold} word, and so on to the end of it.

"""
PLAIN = "We study trees and their roots [3, 5], following Smith (2019) and others (Lee, 2020), in some words.\n\n"
BIBTEX = """@article{{k{0},
  title = {{Paper {0} on M{{\\"u}}hlen}}, author = {{A, B and C, D}}, year = {{2020}},
  abstract = {{We show many things {0} with $x^2$ and more \\emph{{text}}.}}
}}
"""
RIS = "TY  - JOUR\nID  - k{0}\nTI  - Paper {0}\nAB  - We show many things {0}, and more.\nPY  - 2020\nER  -\n"


def main() -> None:
    """Print a line per reader."""
    logging.disable(logging.WARNING)
    latex = "\\documentclass{article}\n\\begin{document}\n" + PARAGRAPH * (BYTES // len(PARAGRAPH)) + "\\end{document}"
    plain = PLAIN * (BYTES // len(PLAIN))
    measure("LaTeX, 50 MB", lambda: len(parse_document(latex, "x.tex", KNOWN)["citations"]))
    measure("plain text, 50 MB", lambda: len(parse_document(plain, "x.txt", KNOWN)["citations"]))
    for name, entry in (("BibTeX", BIBTEX), ("RIS", RIS)):
        content = "".join(entry.format(number) for number in range(ENTRIES))
        measure(f"{name}, 20,000 entries", partial(count_entries, content))


def count_entries(content: str) -> int:
    """Return the number of entries of a bibliography."""
    return len(parse_bibliography(content, "x"))


def measure(name: str, read: Callable[[], int]) -> None:
    """Print the seconds of a call, the peak memory so far, and what was found."""
    start = time.monotonic()
    found = read()
    seconds, memory = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"{name:25} {seconds:6.1f} s  {memory:6,} MiB peak  {found:,} found\n")


if __name__ == "__main__":
    main()
