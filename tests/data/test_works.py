"""Spellings of one work, different works with similar titles, and papers whose mentions are unified."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from papertrail.core.params import Works
from papertrail.core.records import Counts
from papertrail.data.formats.s2orc import Entry, Paper
from papertrail.data.text import normalise_title
from papertrail.data.works import (
    Mention,
    collect_spellings,
    count_typos,
    map_works,
    unify_bibliographies,
    unify_works,
)

SETTINGS = Works(shingle_letters=6, overlap=0.6, max_years=2, letters_per_typo=5, min_words=3)


def merged(*mentions: Mention, settings: Works = SETTINGS) -> dict[str, str]:
    """Return normalised title -> that of its work, for merged spellings."""
    return map_works(collect_spellings(mentions), settings)


def are_one(first: str, second: str, year: int | None = 2010, other_year: int | None = 2010) -> bool:
    """Return whether two titles by one author are one work."""
    return len(merged(Mention(first, year, "Ito"), Mention(second, other_year, "Ito"))) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Counting river pebbles with self-supervised sieves", "Counting river pebbles with selfsupervised sieves"),
        ("Sieves: State-of-the-art pebble sorting", "Sieves: Stateof-the-art pebble sorting"),
        ("Minéraux de la vallée", "Mineraux de la vallee"),
        ("Minimum weight training for pebble sorting", "Minimum Weight Training in Pebble Sorting"),
        ("A grammar of wet pebbles", "Grammar of wet pebbles"),
        ("Classification of pebbles by their edges", "Classication of pebbles by their edges"),
        ("Modeling the pebbles of long valleys", "Modelling the pebbles of long valley"),
        ("Sieves for pebble-based construction work", "Sieves for pebbled based construction work"),
        ("PEBBERT: A robust sieve for wet pebbles", "A robust sieve for wet pebbles"),
        ("Dynamic river models. ICML", "Dynamic river models"),
        ("Talking to pebbles: I have a sieve", "Talking to pebbles: I have a sieve, do you have one too?"),
        ("The long valley project. COLING-ACL-2010", "The long valley project"),
        ("and Ada Adler. 2010b. Sorting the wet pebbles", "Sorting the wet pebbles"),
    ],
)
def test_spellings_of_one_work(first: str, second: str) -> None:
    assert are_one(first, second) and are_one(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The geometry of river pebbles, part I", "The geometry of river pebbles, part II"),
        ("The geometry of river pebbles", "The geometry of river pebbles: Part I"),
        ("Findings of the 2014 workshop on pebble sorting", "Findings of the 2015 workshop on pebble sorting"),
        ("Overview of the shared task 2016: pebble sorting", "Overview of the shared task 2017: pebble sorting"),
        ("Pebble task 4: sorting by edges", "Pebble task 5: sorting by edges"),
        ("Proceedings of the sixth pebble conference", "Proceedings of the seventh pebble conference"),
        ("Semi-supervised sorting of river pebbles", "Unsupervised sorting of river pebbles"),
        ("Supervised sorting of river pebbles", "Unsupervised sorting of river pebbles"),
        ("Autoregressive sorting of river pebbles", "Non-autoregressive sorting of river pebbles"),
        ("Evaluation of pebble sorting machines", "Further evaluation of pebble sorting machines"),
        ("Active learning for cross-valley pebble sorting", "Active learning for cross-river pebble sorting"),
        ("Spectral sorting of wet pebbles", "Experiments with spectral sorting of wet pebbles"),
        ("Pebble sorting with BERT in long valleys", "Pebble sorting with BART in long valleys"),
        ("Sorting pebbles by translation", "Sorting pebbles by transliteration"),
        ("Pebble sorting", "Pebble sorting: a survey of sieves"),
        ("Sieves for wet pebbles", "Sieves for wet pebbles 2"),
    ],
)
def test_different_works_with_similar_titles(first: str, second: str) -> None:
    assert not are_one(first, second) and not are_one(second, first)


def test_years_and_first_authors_exclude_if_they_are_known() -> None:
    one, other = "Sorting the pebbles of long valleys", "Sorting the pebble of long valleys"
    assert are_one(one, other, 2010, 2012) and not are_one(one, other, 2010, 2013)
    assert are_one(one, other, 2010, None)
    assert merged(Mention(one, 2010, "Ito"), Mention(other, 2010, "Adler")) == {}
    assert len(merged(Mention(one, 2010, "Ito"), Mention(other))) == 1
    assert len(merged(Mention(one, 2010, "Ada Ito"), Mention(other, 2010, "Ito"))) == 1


def test_a_subtitle_needs_a_known_author() -> None:
    one, other = Mention("Dynamic river models. ICML", 2010, "Ito"), Mention("Dynamic river models", 2010)
    assert merged(one, other) == {} and len(merged(one, replace(other, surname="Ito"))) == 1


def test_the_most_frequent_spelling_names_the_work() -> None:
    right, wrong, venue = "Sorting wet pebbles", "Sorting wet pebles", "Sorting wet pebbles. ICML"
    mentions = [Mention(title, 2010, "Ito") for title in (venue, wrong, right, right)]
    works = merged(*mentions)
    assert works == {normalise_title(title): normalise_title(right) for title in (venue, wrong)}
    assert merged(Mention(venue, 2010, "Ito"), Mention(right, 2010, "Ito")) == {
        normalise_title(venue): normalise_title(right)
    }


def test_the_order_of_the_mentions_does_not_matter() -> None:
    titles = [
        "Sorting wet pebbles of rivers",
        "Sorting wetpebbles of rivers",
        "Sorting the wet pebbles of rivers",
        "SIV: Sorting wet pebbles of rivers",
        "Rivers",
    ]
    mentions = [Mention(title, 2008 + number % 3, "Ito") for number, title in enumerate(titles * 2)]
    expected = merged(*mentions)
    assert len(expected) == 3 and len(set(expected.values())) == 1
    for seed in range(5):
        random.Random(seed).shuffle(mentions)
        assert merged(*mentions) == expected


def test_thresholds() -> None:
    first, second = Mention("Sorting wet pebbles", 2010, "Ito"), Mention("Sorting wet pepples", 2010, "Ito")
    assert merged(first, second, settings=replace(SETTINGS, letters_per_typo=3, overlap=0.1))
    assert not merged(first, second, settings=replace(SETTINGS, letters_per_typo=5, overlap=0.1))
    assert not merged(first, second, settings=replace(SETTINGS, letters_per_typo=3, overlap=0.9))


@pytest.mark.parametrize(
    ("one", "other", "typos"), [("", "", 0), ("a", "", 1), ("sieve", "sieves", 1), ("dervied", "derived", 2)]
)
def test_typos_are_counted(one: str, other: str, typos: int) -> None:
    assert count_typos(one, other) == count_typos(other, one) == typos


def make_paper(id_: str, title: str, works: Sequence[str]) -> Paper:
    """Return a paper that cites works of 2010 by Ito."""
    entries = {f"b{number}": Entry(f"b{number}", work, 2010, "", ("Ito",)) for number, work in enumerate(works)}
    return Paper(id_, title, "", (), entries)


def titles_of(papers: Sequence[Paper]) -> list[list[str]]:
    return [[entry.title for entry in paper.bibliography.values()] for paper in papers]


def test_mentions_in_all_splits_get_the_title_of_the_work() -> None:
    splits = {
        "train": [make_paper("P", "Rivers", ["Sorting wet-pebbles", "Sorting wet pebbles", "Valleys"])],
        "test": [make_paper("Q", "Sorting wetpebbles", ["Sorting wet pebbles", "sorting wet pebbles"])],
    }
    counts = Counts(works=SETTINGS)
    unified = unify_works(splits, counts)
    assert titles_of(unified["train"]) == [["Sorting wet-pebbles", "Sorting wet pebbles", "Valleys"]]
    assert normalise_title(unified["test"][0].title) == "sorting wet pebbles"
    assert counts.read == {"works with several spellings": 1, "spellings merged into another": 1}
    (row,) = counts.merges
    assert (row["work"], row["spelling"]) == ("Sorting wet pebbles", "Sorting wetpebbles")
    assert (row["work_mentions"], row["spelling_mentions"], row["work_years"]) == (4, 1, "2010")


def test_bibliographies_are_unified_one_by_one() -> None:
    papers = [make_paper("P", "", ["Sorting wetpebbles", "Valleys"]), make_paper("Q", "", ["Sorting wet pebbles"])]
    counts = Counts(works=SETTINGS)
    assert unify_bibliographies({"train": papers}, counts)["train"] == papers
    both = make_paper("R", "", ["Sorting wetpebbles", "Sorting wet pebbles"])
    assert titles_of(unify_bibliographies({"train": [both]}, counts)["train"]) == [["Sorting wet pebbles"] * 2]
    assert counts.read["spellings merged into another"] == 1


def test_without_thresholds_nothing_changes() -> None:
    splits = {"train": [make_paper("P", "", ["Sorting wetpebbles", "Sorting wet pebbles"])]}
    counts = Counts()
    assert unify_works(splits, counts) == splits and not counts.read and not counts.merges
