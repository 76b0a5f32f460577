"""The beginning of long texts, for results."""

import textwrap

CUT = " ..."


def shorten(text: str, width: int) -> str:
    """Return the beginning of a text on one line, cut between words.

    A first word that is longer than the line is cut inside, such as a sentence in Chinese.

    Args:
        text: Any text.
        width: Maximum length of the result in characters.
    """
    short = textwrap.shorten(text, width, placeholder=CUT)
    return short if short != CUT.strip() else " ".join(text.split())[: width - len(CUT)] + CUT
