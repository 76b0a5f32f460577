"""Counts of what a reader read and dropped."""

from papertrail.core.records import Counts


def test_leakage_checks_count_labels_and_leaks() -> None:
    counts = Counts()
    for leaks in (True, False, True):
        counts.add_leakage_check("title_in_context", leaks)
    assert counts.labels == {"title_in_context": 3}
    assert counts.leaked == {"title_in_context": 2}


def test_a_check_without_leaks_is_listed() -> None:
    counts = Counts()
    counts.add_leakage_check("year_in_context", False)
    assert dict(counts.leaked) == {"year_in_context": 0}


def test_counts_of_two_readers_add_up() -> None:
    first, second = Counts(), Counts()
    first.read["papers"] += 2
    second.read["papers"] += 3
    second.dropped["no title"] += 1
    second.add_leakage_check("title_in_context", True)
    first.add(second)
    assert first.read == {"papers": 5}
    assert first.dropped == {"no title": 1}
    assert (first.labels, first.leaked) == ({"title_in_context": 1}, {"title_in_context": 1})
