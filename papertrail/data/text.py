"""Text helpers that readers, tasks and inference share. Light: no numpy, so that the command line starts fast."""

import math
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import regex
from sentencex import get_sentence_boundaries, segment

WORD = re.compile(r"\w+|[^\w\s]")  # a token: a run of letters and digits, or a single punctuation mark
WORDS = regex.compile(r"[\w\p{N}][\w\p{N}\p{M}]*")  # as re's \w+, but a vowel sign or an accent does not end a word
SCRIPTS = (  # scripts without spaces between words
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Javanese}\p{Tai_Le}"
    r"\p{New_Tai_Lue}\p{Tai_Tham}\p{Balinese}\p{Yi}"
)
UNSPACED = regex.compile(rf"[{SCRIPTS}]\p{{M}}*\p{{P}}*")  # a character of them, with its marks and punctuation
NOT_PLAIN = regex.compile(rf"[\p{{M}}{SCRIPTS}]")  # a sign that ends a \w+ of re, or a letter that is a word
LETTER = r"[\p{L}\p{N}]"
TOKEN = regex.compile(
    rf"(?V1)[{LETTER}&&[{SCRIPTS}]]\p{{M}}*|[{LETTER}--[{SCRIPTS}]][[\p{{L}}\p{{N}}\p{{M}}]--[{SCRIPTS}]]*"
)
NO_NUMBER = frozenset({"", "nan", "<na>"})  # how programs write a missing id, in lower case
NO_VALUE = NO_NUMBER | {"null", "none", "#n/a"}  # of a cell in a table, which has no type
WIDE_SPACE = re.compile(r"[^\S\x00-\x7f]")  # white space that has several bytes in UTF-8
YEAR = re.compile(r"\b((?:1[5-9]|20)\d\d)[a-z]?\b")  # 2019, 2019a


def nfc(text: str) -> str:
    """Return a text in Unicode's form NFC, in which an accented letter is one character wherever there is one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def nfc_json(value: Any) -> Any:
    """Return a JSON value with every text in form NFC, keys included."""
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, list):
        return [nfc_json(item) for item in value]
    return {nfc(key): nfc_json(item) for key, item in value.items()} if isinstance(value, dict) else value


def to_id(value: object) -> str | None:
    """Return the one spelling of an id: 0, 0.0, "0" and "0.0" are "0"; None if the value is missing.

    Missing are null, NaN, and a text that is blank or a spelling of NaN.

    Raises:
        TypeError: The value is neither a text nor a number.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"expected a text or a number, got {value!r:.60}")
    text = nfc(value.strip()) if isinstance(value, str) else str(int(value) if value == int(value) else value)
    if text.lower() in NO_NUMBER:
        return None
    return text[:-2] if re.fullmatch(r"-?[0-9]+\.0", text) else text


def tokenize(text: str) -> list[str]:
    """Return the words and numbers of a text in lower case, in any script.

    Of ASCII text these are the runs of letters and digits; in a script without spaces each letter is a token.
    """
    return [str(token) for token in TOKEN.findall(nfc(text.lower()))]


def split_words(text: str) -> list[str]:
    """Return the words between spaces; in a script without spaces each character is a word."""
    return text.split() if text.isascii() else str(UNSPACED.sub(r" \g<0> ", text)).split()


def count_words(text: str) -> int:
    """Return the number of words; see `split_words`."""
    return len(split_words(text))


def squash(text: str) -> str:
    """Return the letters and digits of a text, without case, accents, spaces and punctuation.

    Copies of a text from different publishers or parsers have the same result.
    """
    return "".join(sign for sign in unicodedata.normalize("NFKD", text).casefold() if sign.isalnum())


@lru_cache(maxsize=10_000)  # the titles of a bibliography are normalised once per citation of the paper
def normalise_title(title: str) -> str:
    """Return the words and numbers of a title in lower case, joined by spaces; the id of a cited work."""
    return " ".join(WORDS.findall(nfc(title).lower()))


def find_year(text: object) -> int | None:
    """Return the first year from 1500 to 2099 in a text or number; None if there is none."""
    found = YEAR.search(str(text))
    return int(found[1]) if found else None


def _with_plain_spaces(text: str) -> str:
    """Return a text of the same length for sentencex, which stops the process at a wide space before a full stop."""
    return WIDE_SPACE.sub(" ", text)


def sentence_bounds(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the [start, end) characters of each sentence.

    Args:
        text: Any text.
        spans: [start, end) of mentions; a sentence boundary inside one of them is ignored.
    """
    start = 0
    for boundary in get_sentence_boundaries("en", _with_plain_spaces(text)):
        end = boundary["end_index"]
        if not any(first < end < last for first, last in spans):
            yield start, end
            start = end
    if start < len(text):
        yield start, len(text)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text with single spaces; blank ones are left out."""
    return [
        joined for sentence in segment("en", _with_plain_spaces(text)) if (joined := " ".join(str(sentence).split()))
    ]
