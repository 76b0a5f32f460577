"""Answers for people: tables, ranked lists, and texts with their mentions marked."""

import os
import re
import sys
import textwrap
from typing import Any

from tabulate import tabulate

from scholar.search import shorten as shorten_text
from scholar.search import show as show_hit

Answer = dict[str, Any]
WIDTH = 100  # characters a line
TEXT = 60  # characters of a text in a table
OTHERS = 3  # labels told beside the chosen one
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal would obey them
COLOURS = ("44;97", "42;30", "45;97", "46;30", "43;30", "41;97")  # background;letters, one per type in turn


def use_colour() -> bool:
    """Whether standard output is a terminal, and NO_COLOR (https://no-color.org) is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def show_model(told: dict[str, Any]) -> str:
    """A line on what answers, from `about`."""
    scores = "; ".join(
        f"{score['name']} {score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}] on {score['view']}"
        for score in told["scores"]
    )
    revision = f"; revision {told['revision']}" if told["revision"] else ""
    return f"{told['run']}, {told['chosen']}; {scores or 'not evaluated'}{revision}"


def show_labels(subjects: list[Answer], answers: list[Answer]) -> str:
    """A row per text: its label with the probability, the threshold if there is one, and the next labels."""
    with_threshold = any(answer["threshold"] is not None for answer in answers)
    rows = []
    for subject, answer in zip(subjects, answers, strict=True):
        given = answer["probabilities"]
        others = sorted((name for name in given if name != answer["label"]), key=lambda name: -given[name])
        row = [answer["label"], f"{given[answer['label']]:.3f}"]
        if with_threshold:
            row.append(f"{list(given)[1]} from {answer['threshold']:.3f}")
        row.append(", ".join(f"{name} {given[name]:.3f}" for name in others[:OTHERS]))
        rows.append([*row, shorten(next(iter(subject.values())))])
    headers = ["label", "probability", *(["threshold"] if with_threshold else []), "others", "text"]
    return tabulate(rows, headers, disable_numparse=True) + "\n"


def show_entities(answers: list[Answer]) -> str:
    """Each text with its mentions marked, then a row per mention."""
    blocks = []
    for answer in answers:
        rows = [
            [found["start"], found["end"], found["type"], f"{found['probability']:.3f}", shorten(found["text"])]
            for found in answer["entities"]
        ]
        table = tabulate(rows, ["start", "end", "type", "probability", "text"], disable_numparse=True)
        blocks.append(
            f"{mark(answer['text'], answer['entities'], use_colour())}\n\n{table if rows else 'no mention'}\n"
        )
    return "\n".join(blocks)


def mark(text: str, entities: list[Answer], colour: bool) -> str:
    """The text with its mentions on coloured ground, or as `[TYPE mention]`."""
    kinds = sorted({found["type"] for found in entities})
    parts, end = [], 0
    for found in entities:
        parts.append(CONTROL.sub("", text[end : found["start"]]))
        inside = CONTROL.sub("", text[found["start"] : found["end"]])
        code = COLOURS[kinds.index(found["type"]) % len(COLOURS)]
        shown = f"\x1b[{code}m{inside}\x1b[0m" if colour else f"[{found['type']} {inside}]"
        parts.append(shown)
        end = found["end"]
    legend = "".join(f"  \x1b[{COLOURS[i % len(COLOURS)]}m{kind}\x1b[0m" for i, kind in enumerate(kinds))
    body = "".join([*parts, CONTROL.sub("", text[end:])]).rstrip("\n")
    return f"{body}\n\n{legend.strip()}" if colour and kinds else body


def show_links(subjects: list[Answer], answers: list[Answer]) -> str:
    """Per citation its context and the entries that rank first."""
    blocks = []
    for subject, answer in zip(subjects, answers, strict=True):
        threshold = answer["threshold"]
        limit = "no threshold is known" if threshold is None else f"threshold {threshold:.3f}"
        left = f"; {answer['entries_left_out']} entries without a title" if answer["entries_left_out"] else ""
        blocks.append(f"{clean(subject['file'])}: {len(answer['citations'])} citations, {limit}{left}\n")
        for citation in answer["citations"]:
            rows = [
                [
                    f"{entry['probability']:.3f}",
                    {None: "", True: "yes", False: "no"}[entry["above_threshold"]],
                    shorten(entry["id"]),
                    entry["year"] or "",
                    shorten(entry["title"]),
                ]
                for entry in citation["ranked"]
            ]
            headers = ["probability", "above threshold", "entry", "year", "title"]
            target = f", the file says {clean(citation['target'])}" if citation["target"] else ""
            heading = f"{clean(citation['text'])} at {citation['start']}{target}"
            blocks.append(f"{heading}\n{tabulate(rows, headers, disable_numparse=True)}\n")
    return "\n".join(blocks)


def show_summaries(subjects: list[Answer], answers: list[Answer]) -> str:
    """Each summary, and how much of the text it was made from."""
    blocks = []
    for subject, answer in zip(subjects, answers, strict=True):
        read = f"{answer['tokens_read']} tokens read, {answer['tokens_cut']} cut, {answer['tokens']} written"
        blocks.append(f"{clean(subject['file'])}: {read}\n{textwrap.fill(clean(answer['summary']), WIDTH)}\n")
    return "\n".join(blocks)


def show_hits(answers: list[Answer]) -> str:
    """Ranked papers per query: rank, cosine similarity, title, year, beginning of the abstract."""
    blocks = []
    for answer in answers:
        asked = answer["query"] if "query" in answer else answer["paper"]["title"]
        hits = [
            show_hit(
                hit["rank"],
                {**hit, "title": clean(hit["title"]), "abstract": clean(hit["abstract"])},
                hit["cosine_similarity"],
            )
            for hit in answer["hits"]
        ]
        blocks.append(f"{shorten(asked)}, by cosine similarity\n{''.join(hits)}")
    return "\n".join(blocks)


def clean(text: str) -> str:
    """The text on one line, without signs that a terminal would obey."""
    return " ".join(CONTROL.sub(" ", text).split())


def shorten(text: str) -> str:
    """The beginning of a text, for a cell of a table."""
    return shorten_text(clean(text), TEXT)
