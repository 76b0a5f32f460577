"""Answers for people, by the form of the answer: tables, ranked lists, and texts with mentions marked."""

import os
import re
import sys
import textwrap
from collections.abc import Callable
from typing import Any

from tabulate import tabulate

from papertrail.inference.snippets import shorten

Answer = dict[str, Any]
WIDTH = 100  # characters per line
CELL = 60  # characters of a text in a table
OTHERS = 3  # other labels shown beside the predicted one
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal would interpret them
COLOURS = ("44;97", "42;30", "45;97", "46;30", "43;30", "41;97")  # background;foreground, one per type in turn


def use_colour() -> bool:
    """Return whether standard output is a terminal and NO_COLOR (https://no-color.org) is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def show_model(facts: dict[str, Any]) -> str:
    """Return a line about the model; `facts` comes from papertrail.inference.load.about."""
    scores = "; ".join(
        f"{score['name']} {score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}] on {score['view']}"
        for score in facts["scores"]
    )
    revision = f"; revision {facts['revision']}" if facts["revision"] else ""
    cautions = "".join(f"\ncaution: {caution}" for caution in facts["cautions"])
    return f"{facts['run']}, {facts['chosen']}; {scores or 'not evaluated'}{revision}{cautions}"


def show_labels(subjects: list[Answer], answers: list[Answer]) -> str:
    """Return a row per text: label, probability, threshold if there is one, and the next labels."""
    with_threshold = any(answer["threshold"] is not None for answer in answers)
    rows = []
    for subject, answer in zip(subjects, answers, strict=True):
        values = answer["probabilities"]
        others = sorted((name for name in values if name != answer["label"]), key=lambda name: -values[name])
        row = [answer["label"], f"{values[answer['label']]:.3f}"]
        if with_threshold:
            row.append(f"{list(values)[1]} from {answer['threshold']:.3f}")
        row.append(", ".join(f"{name} {values[name]:.3f}" for name in others[:OTHERS]))
        rows.append([*row, cell(next(iter(subject.values())))])
    headers = ["label", "probability", *(["threshold"] if with_threshold else []), "others", "text"]
    return tabulate(rows, headers, disable_numparse=True) + "\n"


def show_entities(subjects: list[Answer], answers: list[Answer]) -> str:
    """Return each text with its mentions marked, then a row per mention."""
    blocks = []
    for answer in answers:
        rows = [
            [found["start"], found["end"], found["type"], f"{found['probability']:.3f}", cell(found["text"])]
            for found in answer["entities"]
        ]
        table = tabulate(rows, ["start", "end", "type", "probability", "text"], disable_numparse=True)
        marked = mark(answer["text"], answer["entities"], use_colour())
        blocks.append(f"{marked}\n\n{table if rows else 'no mention'}\n")
    return "\n".join(blocks)


def mark(text: str, entities: list[Answer], colour: bool) -> str:
    """Return a text with its mentions coloured, or as `[TYPE mention]`."""
    kinds = sorted({found["type"] for found in entities})
    parts, end = [], 0
    for found in entities:
        parts.append(CONTROL.sub("", text[end : found["start"]]))
        inside = CONTROL.sub("", text[found["start"] : found["end"]])
        code = COLOURS[kinds.index(found["type"]) % len(COLOURS)]
        parts.append(f"\x1b[{code}m{inside}\x1b[0m" if colour else f"[{found['type']} {inside}]")
        end = found["end"]
    legend = "".join(f"  \x1b[{COLOURS[i % len(COLOURS)]}m{kind}\x1b[0m" for i, kind in enumerate(kinds))
    body = "".join([*parts, CONTROL.sub("", text[end:])]).rstrip("\n")
    return f"{body}\n\n{legend.strip()}" if colour and kinds else body


def show_links(subjects: list[Answer], answers: list[Answer]) -> str:
    """Return the highest ranked entries of each citation."""
    blocks = []
    for subject, answer in zip(subjects, answers, strict=True):
        threshold = "no threshold" if answer["threshold"] is None else f"threshold {answer['threshold']:.3f}"
        left_out = f"; {answer['entries_left_out']} entries without a title" if answer["entries_left_out"] else ""
        blocks.append(f"{heading(subject)}: {len(answer['citations'])} citations, {threshold}{left_out}\n")
        for citation in answer["citations"]:
            target = f", the file says {one_line(citation['target'])}" if citation["target"] else ""
            place = f"{citation['file']}:{citation['line']}" if "line" in citation else citation["start"]
            title = f"{one_line(citation['text'])} at {place}{target}"
            blocks.append(f"{title}\n{entry_table(citation['ranked'])}\n")
    return "\n".join(blocks)


def entry_table(entries: list[Answer]) -> str:
    """Return a row per entry of a bibliography."""
    rows = [
        [
            f"{entry['probability']:.3f}",
            {None: "", True: "yes", False: "no"}[entry["above_threshold"]],
            cell(entry["id"]),
            entry["year"] or "",
            cell(entry["title"]),
        ]
        for entry in entries
    ]
    return tabulate(rows, ["probability", "above threshold", "entry", "year", "title"], disable_numparse=True)


def show_summaries(subjects: list[Answer], answers: list[Answer]) -> str:
    """Return each summary, and how much of the text the model read; of an extract its sentences and their numbers."""
    blocks = []
    for subject, answer in zip(subjects, answers, strict=True):
        read = f"{answer['tokens_read']} tokens read, {answer['tokens_cut']} cut, {answer['tokens']} written"
        if answer["sentences"] is not None:
            lines = (f"{found['position'] + 1}. {one_line(found['text'])}" for found in answer["sentences"])
            body = "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in lines)
            note = f"{len(answer['sentences'])} sentences of the text, {answer['tokens_read']} tokens read, no title"
            blocks.append(f"{heading(subject)}: {note}\n{body}\n")
            continue
        blocks.append(f"{heading(subject)}: {read}\n{textwrap.fill(one_line(answer['summary']), WIDTH)}\n")
    return "\n".join(blocks)


def show_hits(subjects: list[Answer], answers: list[Answer]) -> str:
    """Return the ranked papers of each query, and those of the untuned model if there are any."""
    blocks = []
    for subject, answer in zip(subjects, answers, strict=True):
        subject = {"paper": answer["paper"]["title"]} if "paper" in answer else subject
        by = "" if answer["system"] == "model" else f"{answer['system']}, with "
        title = f"{cell(next(iter(subject.values())))}, by {by}cosine similarity\n"
        if "untuned" in answer:
            lists = (("fine-tuned", answer["hits"]), ("untuned", answer["untuned"]))
            blocks.append(title + "".join(f"\n{name}\n{''.join(map(show_hit, hits))}" for name, hits in lists))
        else:
            blocks.append(title + "".join(map(show_hit, answer["hits"])))
    return "\n".join(blocks)


def show_hit(hit: Answer) -> str:
    """Return rank, cosine similarity, title and year of a paper, and the beginning of its abstract."""
    year = f" ({hit['year']})" if hit["year"] else ""
    first = f"{hit['rank']}. {hit['cosine_similarity']:.3f}  {one_line(hit['title'])}{year}\n"
    abstract = shorten(one_line(hit["abstract"]), 3 * WIDTH)
    return first + textwrap.indent(textwrap.fill(abstract, WIDTH - 10), " " * 10) + ("\n" if abstract else "")


def heading(subject: Answer) -> str:
    """Return the name of the file that an answer is about, or the beginning of its text."""
    return one_line(subject["file"]) if "file" in subject else cell(next(iter(subject.values())))


def one_line(text: str) -> str:
    """Return a text on one line, without characters that a terminal would interpret."""
    return " ".join(CONTROL.sub(" ", text).split())


def cell(text: str) -> str:
    """Return the beginning of a text, for a cell of a table."""
    return shorten(one_line(text), CELL)


SHOW: dict[str, Callable[[list[Answer], list[Answer]], str]] = {  # by form of answer
    "labels": show_labels,
    "entities": show_entities,
    "links": show_links,
    "hits": show_hits,
    "summary": show_summaries,
}
