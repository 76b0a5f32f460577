"""CoNLL columns in every tagging scheme, and broken files."""

from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import validate
from papertrail.core.records import Counts
from papertrail.data.formats.conll import Columns, Tagging, read_sentences

Sentence = tuple[int | str | None, list[str], list[str]]
Mentions = list[tuple[int, str]]  # number of tokens and type; "" is plain text
TYPES = ["A", "B"]


def read(folder: Path, text: str, tagging: Tagging = "iob2", counts: Counts | None = None) -> list[Sentence]:
    """Return the sentences of a file with this text."""
    (folder / "a.txt").write_bytes(text.encode())
    return list(read_sentences(folder / "a.txt", tagging, TYPES, Counts() if counts is None else counts))


def write_tags(mentions: Mentions, tagging: str) -> list[str]:
    """Return the tags of mentions by the definition of each scheme."""
    tags: list[str] = []
    for size, kind in mentions:
        if not kind:
            tags += ["O"] * size
        elif tagging in ("bioes", "bilou"):
            last, unit = ("L", "U") if tagging == "bilou" else ("E", "S")
            letters = unit if size == 1 else f"B{'I' * (size - 2)}{last}"
            tags += [f"{letter}-{kind}" for letter in letters]
        else:
            begins = tagging == "iob2" or (tags and tags[-1][2:] == kind)
            tags += [f"{letter}-{kind}" for letter in ("B" if begins else "I") + "I" * (size - 1)]
    return tags


def test_sentences_and_documents(tmp_path: Path) -> None:
    text = "-DOCSTART- O\n\nOld NN B-A\nsalt NN I-A\n. . O\n\n\nNo O\n\n-DOCSTART-\n\nTea B-A\nmilk B-B"
    counts = Counts()
    assert read(tmp_path, text, counts=counts) == [
        (1, ["Old", "salt", "."], ["B-A", "I-A", "O"]),
        (1, ["No"], ["O"]),
        (2, ["Tea", "milk"], ["B-A", "B-B"]),
    ]
    assert (+counts.read, +counts.dropped) == ({"documents": 2}, {})


def test_document_ids_and_documents_without_sentences(tmp_path: Path) -> None:
    text = "-DOCSTART- (11)\n\n-DOCSTART-\t(PMC 7)\n\na O\n\n-DOCSTART- -X- O O\nb O\n-DOCSTART- (12)\n"
    counts = Counts()
    assert [document for document, _, _ in read(tmp_path, text, counts=counts)] == ["PMC 7", 3]
    assert counts.read["documents"] == 4
    assert counts.dropped["documents without a sentence"] == 2


@pytest.mark.parametrize(
    ("tagging", "tags", "expected", "rewritten"),
    [
        ("iob1", "I-A O I-A I-A B-A I-B", "B-A O B-A I-A B-A B-B", 3),
        ("iob1", "B-A I-A I-A O I-A", "B-A I-A I-A O B-A", 1),  # as in BC5CDR
        ("iob1", "B-A B-A", "B-A B-A", 0),
        ("bioes", "S-A B-A I-A E-A S-B", "B-A B-A I-A I-A B-B", 3),
        ("bioes", "U-A B-A I-A L-A O", "B-A B-A I-A I-A O", 2),
    ],
)
def test_schemes_by_hand(tmp_path: Path, tagging: Tagging, tags: str, expected: str, rewritten: int) -> None:
    counts = Counts()
    text = "".join(f"word {tag}\n" for tag in tags.split())
    ((_, _, converted),) = read(tmp_path, text, tagging, counts)
    assert converted == expected.split()
    assert counts.read["tags rewritten to IOB2"] == rewritten


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one folder for all examples."""
    return tmp_path_factory.mktemp("conll")


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "A", "B"])), min_size=1, max_size=8))
def test_every_scheme_gives_the_same_mentions(folder: Path, mentions: Mentions) -> None:
    expected = write_tags(mentions, "iob2")
    for tagging in ("iob2", "iob1", "bioes", "bilou"):
        text = "".join(f"word {tag}\n" for tag in write_tags(mentions, tagging))
        ((_, _, tags),) = read(folder, text, "bioes" if tagging == "bilou" else tagging)  # type: ignore[arg-type]
        assert tags == expected


@given(st.lists(st.sampled_from(["O", "I-A", "B-A", "I-B", "B-B"]), min_size=1, max_size=8))
def test_iob1_is_read_as_conlleval_does(folder: Path, tags: list[str]) -> None:
    ((_, _, converted),) = read(folder, "".join(f"word {tag}\n" for tag in tags), "iob1")
    assert get_entities(converted) == get_entities(tags)  # seqeval's default is the reading of conlleval


@pytest.mark.parametrize("text", ["a O\r\nb B-A\r\n\r\nc O\r\n", "a\tO\nb\tB-A\n\nc\tO", "\ufeffa O\nb B-A\n \nc O\n"])
def test_line_ends_and_separators(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == [(None, ["a", "b"], ["O", "B-A"]), (None, ["c"], ["O"])]


@pytest.mark.parametrize("separator", ["\t", " "])
def test_other_white_space_is_part_of_the_token(tmp_path: Path, separator: str) -> None:
    tokens = ["10\u00a0mg", "\u2009x", "a\u3000b\x85", "a b"][: 4 if separator == "\t" else 3]
    text = "".join(f"{token}{separator}NN{separator}O\n" for token in tokens)
    assert read(tmp_path, f"{text}\u00a0 \t\nc O\n") == [(None, tokens, ["O"] * len(tokens)), (None, ["c"], ["O"])]


@pytest.mark.parametrize("text", ["", "\n\n", "-DOCSTART-\n"])
def test_no_sentences(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a O\n\tO\n", 2, "expected a token and its tag, got '\tO'"),
        ("a\tO\n\u00a0\tO\n", 2, "expected a token and its tag, got '\u00a0\tO'"),
        ("a\tO\nb\t\n", 2, "expected a token and its tag, got 'b'"),
        ("a O\n\nb O\nc B-C\n", 4, "type 'C' is not in types ['A', 'B']"),
        ("a O\nb\n", 2, "expected a token and its tag, got 'b'"),
        ("a O\nb I-A\n", 2, "tag 'I-A' after 'O' is not IOB2"),
        ("a B-B\nb I-A\n", 2, "tag 'I-A' after 'B-B' is not IOB2"),
        ("a B-A\n\nb I-A\n", 3, "tag 'I-A' after 'O' is not IOB2"),
        ("a B-A\nb E-A\n", 2, "tag 'E-A' after 'B-A' is not IOB2"),
        ("a B\n", 1, "tag 'B' after 'O' is not IOB2"),
        ("a OTHER\n", 1, "tag 'OTHER' after 'O' is not IOB2"),
    ],
)
def test_broken_line(tmp_path: Path, text: str, line: int, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'a.txt'}:{line}: {expected}")


@pytest.mark.parametrize(
    ("tags", "line", "expected"),
    [
        ("E-A", 1, "tag 'E-A' after 'O'"),
        ("O I-A", 2, "tag 'I-A' after 'O'"),
        ("B-A I-B", 2, "tag 'I-B' after 'B-A'"),
        ("B-A E-A E-A", 3, "tag 'E-A' after 'E-A'"),
        ("S-A L-A", 2, "tag 'L-A' after 'S-A'"),
        ("B-A O", 2, "tag 'O' after 'B-A'"),
        ("B-A S-A", 2, "tag 'S-A' after 'B-A'"),
        ("B-A I-A", 3, "the end of a sentence after 'I-A'"),
        ("M-A", 1, "tag 'M-A' after 'O'"),
    ],
)
def test_broken_bioes(tmp_path: Path, tags: str, line: int, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "".join(f"word {tag}\n" for tag in tags.split()) + "\nmore O\n", "bioes")
    assert str(caught.value).startswith(f"{tmp_path / 'a.txt'}:{line}: {expected} is not BIOES; correct the line, or")


@pytest.mark.parametrize("tag", ["S-A", "I", "I-", "-A"])
def test_broken_iob1(tmp_path: Path, tag: str) -> None:
    with pytest.raises(DataError, match=f"a.txt:2: tag '{tag}' after 'O' is not IOB1"):
        read(tmp_path, f"a O\nb {tag}\n", "iob1")


@pytest.mark.parametrize(("name", "mentions"), [("train", 9270), ("dev", 9455), ("test", 9662)])
def test_bc5cdr(repo: Path, name: str, mentions: int) -> None:
    file = repo / "../shared/data/bc5cdr" / f"{name}.txt"
    if not file.is_file():
        pytest.skip(f"{file}: the file is missing")
    counts = Counts()
    sentences = list(read_sentences(file, "iob1", ["Entity"], counts))
    assert len(sentences) == {"train": 3942, "dev": 3949, "test": 4139}[name]
    assert counts.read["documents"] == len({document for document, _, _ in sentences}) == 500
    assert +counts.dropped == {}
    raw = [line.split("\t")[3] for line in file.read_text(encoding="utf-8").split("\n") if "\t" in line]
    converted = [tag for _, _, tags in sentences for tag in tags]
    assert len(converted) == len(raw)
    assert counts.read["tags rewritten to IOB2"] == sum(a != b for a, b in zip(converted, raw, strict=True)) > 0
    raw_sentences = [list(group) for is_tag, group in groupby(_tags(file), key=bool) if is_tag]
    assert len(get_entities([tags for _, _, tags in sentences])) == len(get_entities(raw_sentences)) == mentions


def _tags(file: Path) -> list[str]:
    """Return the tags of a file, and "" between sentences; documents are ignored."""
    return [line.split("\t")[3] if "\t" in line else "" for line in file.read_text(encoding="utf-8").split("\n")]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: no such file"):
        list(read_sentences(tmp_path / "a.txt", "iob2", TYPES, Counts()))


def test_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Größe O\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.txt:1: not UTF-8"):
        list(read_sentences(tmp_path / "a.txt", "iob2", TYPES, Counts()))


def read_columns(folder: Path, text: str, token: int, tag: int, counts: Counts | None = None) -> list[Sentence]:
    (folder / "a.txt").write_text(text, encoding="utf-8")
    columns = Columns(token=token, tag=tag)
    return list(read_sentences(folder / "a.txt", "iob2", TYPES, Counts() if counts is None else counts, columns))


@pytest.mark.parametrize(("token", "tag"), [(2, 3), (-3, -2), (2, -2)])
def test_token_and_tag_in_other_columns(tmp_path: Path, token: int, tag: int) -> None:
    text = "#\thttp://example.org [2010]\n1\tOld\tB-A\tO\n2\t# 5\tI-A\tB-X\n\n# again\n1\tTea\tO\tO\n"
    counts = Counts()
    assert read_columns(tmp_path, text, token, tag, counts) == [
        (None, ["Old", "# 5"], ["B-A", "I-A"]),
        (None, ["Tea"], ["O"]),
    ]
    assert counts.read["comments"] == 2


def test_a_hash_is_a_token_in_the_first_column(tmp_path: Path) -> None:
    assert read(tmp_path, "# O\na O\n") == [(None, ["#", "a"], ["O", "O"])]


def test_a_line_without_the_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt:2: expected a token and its tag in columns 2 and 4, got '2 b O'"):
        read_columns(tmp_path, "1 a X O\n2 b O\n", 2, 4)


def test_there_is_no_column_zero() -> None:
    with pytest.raises(ParamsError, match=r"x: token: columns count from 1, or from -1 for the last \(got 0\)"):
        validate(Columns, {"token": 0, "tag": 2}, "x")


@pytest.mark.parametrize(
    "numbers",
    [
        ["1 2 3", "1 2"],
        ["0 1 2", "0", "0 1"],
        ["1", "2", "3 4"],  # through the file
        ["1-1 1-2", "2-1 2-2 2-3"],  # sentence and token
        ["1 2-3 2 3", "1 2"],  # as in CoNLL-U: one word of the tokens 2 and 3
        ["1 2 2.1 3"],  # and a token that is not written
    ],
)
@pytest.mark.parametrize("separator", [" ", "\t"])
def test_running_numbers_are_no_tokens(tmp_path: Path, numbers: list[str], separator: str) -> None:
    rows = [[f"{number}{separator}word{separator}O\n" for number in line.split()] for line in numbers]
    with pytest.raises(DataError, match=r"a\.txt: the tokens of column 1 are running numbers .* set `columns`"):
        read(tmp_path, "\n".join("".join(row) for row in rows))
    assert len(read_columns(tmp_path, "\n".join("".join(row) for row in rows), 2, 3)) == len(numbers)


@pytest.mark.parametrize("tokens", ["1 2 x", "7 9", "3", "1", "2010 2012 2015"])
def test_numbers_may_be_tokens(tmp_path: Path, tokens: str) -> None:
    text = "".join(f"{token} O\n" for token in tokens.split())
    assert read(tmp_path, text) == [(None, tokens.split(), ["O"] * len(tokens.split()))]


def test_the_field_case_of_an_index_column(repo: Path) -> None:
    folder = repo / "../shared/data/field/n02"
    if not folder.is_dir():
        pytest.skip(f"{folder}: the files are missing")
    for name in ("index_first.conll", "index_train.conll", "index_dev.conll", "index_test.conll"):
        with pytest.raises(DataError, match=f"{name}: the tokens of column 1 are running numbers"):
            list(read_sentences(folder / name, "iob2", ["PER", "METHOD"], Counts()))
    columns = Columns(token=2, tag=3)
    counts = Counts()
    found = list(read_sentences(folder / "germeval.tsv", "iob2", ["PER", "LOC"], counts, columns))
    assert found == [
        (None, ["Ann", "Alder", "lebt", "in", "Ulm"], ["B-PER", "I-PER", "O", "O", "B-LOC"]),
        (None, ["Ben", "Birch"], ["B-PER", "I-PER"]),
    ]
    assert (counts.read["comments"], counts.dropped["empty tokens"]) == (2, 1)
    train = list(read_sentences(folder / "index_train.conll", "iob2", ["METHOD"], Counts(), Columns(token=2, tag=-1)))
    assert (train[0][1][:2], train[0][2][:2]) == (["frolor", "nuga"], ["O", "O"])


def test_comments_where_the_token_is_first(tmp_path: Path) -> None:
    comments = ["# sent_id = 7", "# text = Vitamin O", "# newdoc", "# id 0a-1\tdomain=en"]
    counts = Counts()
    text = "\n".join([*comments, "Tea _ _ B-A", "# _ _ O", "#milk _ _ O", "# B-A"])
    ((_, tokens, tags),) = read(tmp_path, text, counts=counts)
    assert (tokens, tags) == (["Tea", "#", "#milk", "#"], ["B-A", "O", "O", "B-A"])
    assert counts.read["comments"] == 4
    assert read_columns(tmp_path, "# O x\n", 1, 2) == [(None, ["#"], ["O"])]


def test_spaces_beside_tabs_are_in_no_column(tmp_path: Path) -> None:
    assert read(tmp_path, "New York \t B-A\nwins\tO \n") == [(None, ["New York", "wins"], ["B-A", "O"])]


def test_ends_of_lines_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt:1: a carriage return within a line; convert the ends of lines"):
        read(tmp_path, "Tea\tB-A\rmilk\tO\r")


def test_tokens_are_in_one_unicode_form(tmp_path: Path) -> None:
    assert read(tmp_path, "caf\u0065\u0301 O\n") == [(None, ["café"], ["O"])]
