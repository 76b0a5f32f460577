"""Works in bibliographies: several spellings of one title are one work, and so one document, candidate or row.

Titles are one work if their letters and digits are equal, whatever the spaces, hyphens and accents. Else they must have
most of their shingles in common, a first author's surname and years close to each other (what is unknown excludes
nothing), and differ word by word only in typos, plural endings and words such as "of"; or one has more before or after
punctuation, such as a name, a subtitle or a venue. A number, "unsupervised" or another word of content makes another
work. The result does not depend on the order of the mentions.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from itertools import pairwise

from papertrail.core.params import Works
from papertrail.core.records import Counts, Row
from papertrail.data.formats.s2orc import Paper
from papertrail.data.text import normalise_title, squash

FUNCTION_WORDS = frozenset(["a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "the", "to", "with"])
# words for one of several works
PARTS = frozenset(["part", "volume", "vol", "chapter", "edition", "version", "release", "i", "ii", "iii", "iv", "v"])
AFTER_NAME = re.compile(r"[:.)]")  # between what one title has more and the rest
BEFORE_SUBTITLE = re.compile(r"[:.,;?!(]")
YEAR_LABEL = re.compile(r"(\d{4})[a-z]?")
ENDING = 2  # letters of a plural or similar ending, and the most typos in a word
Change = tuple[str, int, int, int, int]  # of difflib


@dataclass(frozen=True, slots=True)
class Mention:
    """A work as a bibliography or a paper names it; year None and surname "" are unknown."""

    title: str
    year: int | None = None
    surname: str = ""


@dataclass(slots=True)
class Spelling:
    """All mentions with one normalised title."""

    titles: Counter[str] = field(default_factory=Counter)
    years: set[int] = field(default_factory=set)
    surnames: set[str] = field(default_factory=set)  # words of the names of first authors

    @property
    def title(self) -> str:
        """The most frequent form of the title; of equally frequent ones the first by letters."""
        return min(self.titles, key=lambda title: (-self.titles[title], title))


def unify_works(splits: Mapping[str, Sequence[Paper]], counts: Counts) -> dict[str, list[Paper]]:
    """Return papers in which every mention of a work has the same normalised title.

    Args:
        splits: Papers by split; works are matched across all of them.
        counts: Has the thresholds, None changes nothing; receives the merges.
    """
    every = [paper for papers in splits.values() for paper in papers]
    titles = _new_titles(every, counts)
    return {split: [_rename(paper, titles) for paper in papers] for split, papers in splits.items()}


def unify_bibliographies(splits: Mapping[str, Sequence[Paper]], counts: Counts) -> dict[str, list[Paper]]:
    """Return papers in each of which every mention of a work has the same normalised title; see `unify_works`."""
    return {
        split: [_rename(paper, _new_titles([paper], counts)) for paper in papers] for split, papers in splits.items()
    }


def _new_titles(papers: Iterable[Paper], counts: Counts) -> dict[str, str]:
    """Return normalised title -> title of its work, for the spellings that are merged into another; record them."""
    if counts.works is None:
        return {}
    spellings = collect_spellings(mention for paper in papers for mention in _mentions_of(paper))
    works = map_works(spellings, counts.works)
    counts.read["works with several spellings"] += len(set(works.values()))
    counts.read["spellings merged into another"] += len(works)
    counts.merges.extend(_describe(key, work, spellings) for key, work in sorted(works.items()))
    return {key: spellings[work].title for key, work in works.items()}


def _mentions_of(paper: Paper) -> Iterator[Mention]:
    yield Mention(paper.title)
    for entry in paper.bibliography.values():
        yield Mention(entry.title, entry.year, entry.authors[0] if entry.authors else "")


def _rename(paper: Paper, titles: Mapping[str, str]) -> Paper:
    entries = {
        key: replace(entry, title=titles.get(normalise_title(entry.title), entry.title))
        for key, entry in paper.bibliography.items()
    }
    return replace(paper, title=titles.get(normalise_title(paper.title), paper.title), bibliography=entries)


def _describe(key: str, work: str, spellings: Mapping[str, Spelling]) -> Row:
    """Return a row of the list of merges, for people."""
    row: Row = {}
    for name, spelling in (("work", spellings[work]), ("spelling", spellings[key])):
        row |= {
            name: spelling.title,
            f"{name}_mentions": spelling.titles.total(),
            f"{name}_years": " ".join(map(str, sorted(spelling.years))),
            f"{name}_surnames": " ".join(sorted(spelling.surnames)),
        }
    return row


def collect_spellings(mentions: Iterable[Mention]) -> dict[str, Spelling]:
    """Return normalised title -> its mentions, sorted by title; mentions without a title are left out."""
    spellings: defaultdict[str, Spelling] = defaultdict(Spelling)
    for mention in mentions:
        if key := normalise_title(mention.title):
            spelling = spellings[key]
            spelling.titles[mention.title] += 1
            spelling.surnames |= {squash(word) for word in re.findall(r"\w\w+", mention.surname)}
            if mention.year is not None:
                spelling.years.add(mention.year)
    return dict(sorted(spellings.items()))


def map_works(spellings: Mapping[str, Spelling], settings: Works) -> dict[str, str]:
    """Return normalised title -> that of its work, for the spellings that are merged into another.

    A work has the title that is mentioned most; of equally frequent ones the shortest, with the most words.

    Args:
        spellings: Mentions by normalised title, sorted by title.
        settings: Thresholds.
    """
    first: dict[str, str] = {}  # letters and digits -> first title
    root = {key: first.setdefault(squash(key), key) for key in spellings}  # of a union-find structure
    for one, other in _candidates(list(spellings), settings):
        if _find(root, one) != _find(root, other) and is_same_work(one, other, spellings, settings):
            low, high = sorted((_find(root, one), _find(root, other)))
            root[high] = low
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key in spellings:
        groups[_find(root, key)].append(key)
    works: dict[str, str] = {}
    for keys in groups.values():
        best = min(keys, key=lambda k: (-spellings[k].titles.total(), len(squash(k)), -len(k), k))
        works |= {key: best for key in keys if key != best}
    return works


def _find(root: dict[str, str], key: str) -> str:
    while root[key] != key:
        key = root[key]
    return key


def _candidates(keys: list[str], settings: Works) -> Iterator[tuple[str, str]]:
    """Yield pairs of titles, in order, of which the shorter has most of its shingles in the other."""
    import numpy as np

    from papertrail.data.leakage import Shingles

    shingles = Shingles(keys, settings.shingle_letters)
    shared = shingles.shared_by(keys)[0].tocoo()
    shorter = np.minimum(shingles.lengths[shared.row], shingles.lengths[shared.col])
    found = (shared.row < shared.col) & (shared.data >= settings.overlap * shorter)
    for one, other in sorted(zip(shared.row[found].tolist(), shared.col[found].tolist(), strict=True)):
        yield keys[one], keys[other]


def is_same_work(one: str, other: str, spellings: Mapping[str, Spelling], settings: Works) -> bool:
    """Return whether two normalised titles with equal or similar letters are spellings of one work."""
    first, second = spellings[one], spellings[other]
    if first.surnames and second.surnames and not first.surnames & second.surnames:
        return False
    gaps = [abs(a - b) for a in first.years for b in second.years]
    if gaps and min(gaps) > settings.max_years:
        return False
    words, others = one.split(), other.split()
    changes = [c for c in SequenceMatcher(None, words, others, autojunk=False).get_opcodes() if c[0] != "equal"]
    content = [c for c in changes if not _is_spelling(words[c[1] : c[2]], others[c[3] : c[4]], settings)]
    if not content:
        return True
    known = bool(first.surnames and second.surnames)
    return known and len(content) == 1 and _is_extension(content[0], first, second, settings)


def _is_spelling(words: Sequence[str], others: Sequence[str], settings: Works) -> bool:
    """Return whether two runs of words differ only in function words, hyphens, typos or an ending."""
    one, other = "".join(words), "".join(others)
    if FUNCTION_WORDS.issuperset([*words, *others]) or one == other:
        return True
    short, long = sorted((one, other), key=len)
    if not short or short[0] != long[0] or re.search(r"\d", one + other):
        return False
    if long.startswith(short) and len(long) - len(short) <= ENDING and len(short) + 1 >= settings.letters_per_typo:
        return True
    return count_typos(one, other) <= min(ENDING, len(short) // settings.letters_per_typo)


def count_typos(one: str, other: str) -> int:
    """Return the number of letters to insert, delete or replace (Levenshtein, 1966)."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, start=1):
        costs = [above + (letter != beside) for (above, _), beside in zip(pairwise(row), other, strict=True)]
        following = [number]
        for cost, above in zip(costs, row[1:], strict=True):
            following.append(min(cost, above + 1, following[-1] + 1))
        row = following
    return row[-1]


def _is_extension(change: Change, first: Spelling, second: Spelling, settings: Works) -> bool:
    """Return whether one title is the other with more before or after punctuation; a number must be its year."""
    _, start, end, other_start, other_end = change
    if start != end and other_start != other_end:
        return False
    long, start, end = (first, start, end) if end > start else (second, other_start, other_end)
    words = normalise_title(long.title).split()
    added, years = words[start:end], first.years | second.years
    labels = [YEAR_LABEL.fullmatch(word) for word in added if re.search(r"\d", word)]
    numbered = any(label is None or int(label[1]) not in years for label in labels)
    if numbered or PARTS & set(added) or len(words) - len(added) < settings.min_words:
        return False
    gaps = [re.split(r"\w+", title.lower()) for title in long.titles]  # the text before each word and after the last
    if start == 0:
        return any(AFTER_NAME.search(gap[end]) for gap in gaps)
    return end == len(words) and any(BEFORE_SUBTITLE.search(gap[start]) for gap in gaps)
