"""Rankings and judgements in the formats of TREC, for trec_eval, ir_measures and other tools.

Columns are separated by spaces, so white space and `%` in an id that has white space are percent-encoded.
"""

from urllib.parse import quote

from papertrail.metrics.ranking import Rankings, Relevance


def to_trec_run(rankings: Rankings, tag: str) -> str:
    """Return lines of `query Q0 document rank score tag`, the queries in the order of `rankings`.

    The score is the number of ranks that are left, from the length of the ranking down to 1. It has no ties, which
    tools would break in their own order.
    """
    lines = [
        f"{_encode(query)} Q0 {_encode(document)} {rank} {len(ranked) + 1 - rank} {_encode(tag)}\n"
        for query, ranked in rankings.items()
        for rank, document in enumerate(ranked, start=1)
    ]
    return "".join(lines)


def to_trec_qrels(qrels: Relevance) -> str:
    """Return lines of `query 0 document gain`."""
    lines = [
        f"{_encode(query)} 0 {_encode(document)} {gain}\n"
        for query, gains in qrels.items()
        for document, gain in gains.items()
    ]
    return "".join(lines)


def _encode(id_: str) -> str:
    if len(id_.split()) == 1 and id_ == id_.strip():
        return id_
    return "".join(quote(sign) if sign.isspace() or sign == "%" else sign for sign in id_)
