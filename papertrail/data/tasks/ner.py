"""Entity mentions: which words of a sentence mention a citation, a figure or a table; in CoNLL data, an entity.

Format s2orc: sentences of the body text of the 250 ACL papers (MIT licence), labelled by the parser that read the PDFs,
not by people: 11,354 citations, 1,886 figures and tables in about 50,000 sentences. Scores measure how well a model
learns the parser's decisions and compare with no published score.

Format conll: a file per split with the token in the first column and its tag in the last, or in those that `columns`
names; in any scheme of papertrail.data.formats.conll; rows have IOB2 tags. A sentence outside a document (many files
have no -DOCSTART-) is a paper of one sentence. BC5CDR (Li et al., 2016; chemicals and diseases by human annotators,
under its own terms) in the copy of allenai/scibert has one type, `Entity`, and 500 documents per file: 3,942 / 3,949 /
4,139 sentences with 9,270 / 9,455 / 9,662 mentions, read as iob1, as for its published F1 (Beltagy et al., 2019: 0.867
by BERT-base-cased, 0.900 by SciBERT). Scores on typed copies do not compare.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papertrail.core.errors import ParamsError
from papertrail.core.params import Files, Fraction, Positive, Sizes, choose, strict
from papertrail.core.randomness import sample
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.formats.aclsum import read_split_papers
from papertrail.data.formats.conll import OUTER, Tagging, read_sentences
from papertrail.data.formats.conll import Columns as TokenAndTag
from papertrail.data.formats.s2orc import Paragraph
from papertrail.data.task import Command, LabelOrigin, Task
from papertrail.data.text import WORD, sentence_bounds

if TYPE_CHECKING:
    from datasets import Features

TYPES = {"BIBREF": "CITATION", "FIGREF": "FIGURE", "TABREF": "TABLE"}  # prefix of the parser's ids -> entity type


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """Tagged sentences of any format.

    Attributes:
        types: Entity types; mentions of other types are plain text.
        min_words: Minimum tokens of a sentence.
        train_mention_share: Share of the sampled training sentences that have a mention; null samples from all.
        examples: Sentences kept.
    """

    task: Literal["ner"]
    source: str
    types: Annotated[list[str], Field(min_length=1)]
    min_words: Positive
    train_mention_share: Fraction | None
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Papers(Tagged):
    """Body text of papers, tagged where the parser found a citation, a figure or a table."""

    format: Literal["s2orc"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Columns(Tagged):
    """A file per split; `tagging` is the scheme of its tags, `labels_by` who assigned them.

    Without `columns` the token is in the first column and its tag in the last.
    """

    format: Literal["conll"]
    files: Files
    tagging: Tagging
    labels_by: LabelOrigin
    columns: TokenAndTag | None = None


Settings = Annotated[Papers | Columns, Field(discriminator="format")]


def features(settings: Tagged) -> "Features":
    """Return the columns of a sentence; `starts` are the character offsets of its tokens in it."""
    from datasets import ClassLabel, Features, List, Value

    tags = ["O", *(f"{prefix}-{type_}" for type_ in settings.types for prefix in "BI")]
    return Features(
        id=Value("string"),
        paper=Value("string"),
        tokens=List(Value("string")),
        starts=List(Value("int32")),
        ner_tags=List(ClassLabel(names=tags)),
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Yield (split, sentence), sampled to settings.examples by (seed, id)."""
    if isinstance(settings, Columns):
        found = _read_columns(folder, settings, counts)
    else:
        found = _read_papers(folder, settings, counts)
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for split, row in found:
        if len(row["tokens"]) < settings.min_words:
            counts.dropped[f"sentences under {settings.min_words} words"] += 1
        else:
            rows[split].append(row)
    for split, kept in rows.items():
        chosen = _choose(kept, split, settings, seed)
        mentions = sum(row["id"] in chosen and any(tag != "O" for tag in row["ner_tags"]) for row in kept)
        counts.read[f"{split} sentences with a mention"] += mentions
        counts.dropped["sentences not sampled"] += len(kept) - len(chosen)
        yield from ((split, row) for row in kept if row["id"] in chosen)


def _choose(rows: list[Row], split: str, settings: Tagged, seed: int) -> set[str]:
    """Return the ids of the sampled rows; if one kind of training sentence is too rare, the other fills up.

    Raises:
        ParamsError: A share of mentions is set without a number of training sentences.
    """
    size, share = settings.examples.of(split), settings.train_mention_share
    if split != "train" or share is None:
        return sample((row["id"] for row in rows), size, seed, "ner")
    if size is None:
        raise ParamsError("params.yaml: datasets: train_mention_share needs a size in examples.train; set one to null")
    mentioning = [row["id"] for row in rows if any(tag != "O" for tag in row["ner_tags"])]
    plain = {row["id"] for row in rows} - set(mentioning)
    wanted = min(max(round(size * share), size - len(plain)), len(mentioning))
    return sample(mentioning, wanted, seed, "ner") | sample(plain, size - wanted, seed, "ner")


def _read_papers(folder: Path, settings: Papers, counts: Counts) -> Iterator[tuple[str, Row]]:
    for type_ in settings.types:
        choose("entity type", type_, sorted(TYPES.values()))
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    for split, papers in splits.items():
        for paper in papers:
            for number, paragraph in enumerate(paper.body):
                for sentence, row in enumerate(tag_sentences(paragraph, settings.types)):
                    counts.read["sentences"] += 1
                    yield split, {"id": f"{paper.id}/{number}/{sentence}", "paper": paper.id, **row}


def tag_sentences(paragraph: Paragraph, types: list[str]) -> Iterator[Row]:
    """Yield the tokens, their offsets and their IOB2 tags of each sentence."""
    spans = [(span.start, span.end, "CITATION") for span in paragraph.citations]  # also unresolved ones
    spans += [(s.start, s.end, TYPES.get(s.target[:6], "")) for s in paragraph.references if s.target]
    spans = [span for span in spans if span[2] in types]
    for start, end in sentence_bounds(paragraph.text, [span[:2] for span in spans]):
        tokens, starts, tags = [], [], []
        previous = None  # mention of the token before
        for match in WORD.finditer(paragraph.text, start, end):
            mention = next((span for span in spans if span[0] < match.end() and match.start() < span[1]), None)
            tokens.append(match.group())
            starts.append(match.start() - start)
            tags.append("O" if mention is None else f"{'I' if mention is previous else 'B'}-{mention[2]}")
            previous = mention
        yield {"tokens": tokens, "starts": starts, "ner_tags": tags}


def _read_columns(folder: Path, settings: Columns, counts: Counts) -> Iterator[tuple[str, Row]]:
    for split in SPLITS:
        file, columns = folder / settings.files.of(split), settings.columns or OUTER
        sentences = read_sentences(file, settings.tagging, settings.types, counts, columns)
        for number, (document, tokens, tags) in enumerate(sentences):
            counts.read["sentences"] += 1
            starts = [sum(len(token) + 1 for token in tokens[:position]) for position in range(len(tokens))]
            if document is None:
                paper = f"{split}/sentence/{number}"
            elif isinstance(document, str):
                paper = document
            else:
                paper = f"{split}/{document}"  # each file numbers its documents from 1
            row = {"id": f"{split}/{number}", "paper": paper, "tokens": tokens, "starts": starts, "ner_tags": tags}
            yield split, row


TASK = Task(
    title="Entity mentions",
    headlines=("f1",),
    settings=Settings,
    features=features,
    label_origin="parser",
    read=read,
    group="paper",
    text="tokens",
    commands=(
        Command(
            name="entities",
            title="Entity mentions",
            help="find mentions in texts of any length, with their character offsets",
            example="papertrail entities --file paper.txt",
            input="text",
            answer="entities",
            examples=("We translate with attention (Bahdanau et al., 2015); Table 2 shows the scores.",),
        ),
    ),
)
