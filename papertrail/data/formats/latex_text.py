r"""LaTeX fragments, such as fields of BibTeX, as plain text: accents, symbols and braces.

The table of symbols is that of pylatexenc. Its converter is not used: it takes `%` for a comment, which is data in a
field, needs 0.4 ms per title, and recurses into nested groups. This converter reads each character once.
"""

import re
import unicodedata
from functools import cache

ACCENTS = {  # command -> combining character
    **{"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", ".": "\u0307", '"': "\u0308"},
    **{"u": "\u0306", "r": "\u030a", "H": "\u030b", "v": "\u030c", "k": "\u0328", "c": "\u0327", "b": "\u0331"},
    **{"d": "\u0323", "t": "\u0361"},
}
SIGNS = {  # the character after a backslash -> text; any other character stands for itself
    **dict.fromkeys(" ,;:\t\r\n", " "),
    **dict.fromkeys("!-/@", ""),
    **dict.fromkeys("()[]", "$"),
    "\\": "\n",
}
NAMES = {
    "LaTeX": "LaTeX",
    "TeX": "TeX",
    "BibTeX": "BibTeX",
    "par": "\n\n",
    "newline": "\n",
    "newblock": " ",
    "quad": " ",
}
DROPPED = ("href", "textcolor", "label", "color", "hspace", "vspace", "bibinfo", "bibfield")  # first argument: no text
LIGATURES = (("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("~", " "))
ACCENTED = re.compile(r"\s*+(?:\{\s*+\\?([^\W\d_])\s*+\}|\\([ij])(?![a-zA-Z])\s?|([^\W\d_]))")
ARGUMENT = re.compile(r"\s*+\{[^{}]{0,1000}\}")
TOKEN = re.compile(r"\\([a-zA-Z@]+)\*?[ \t\r\n]*|\\(.)|(\$[^$]*\$)|[{}]|([^\\${}]+)|([$\\])", re.DOTALL)


@cache
def symbol(name: str) -> str:
    r"""Return the text of a command, such as \alpha or \ss; empty if it stands for no text of its own."""
    from pylatexenc.latex2text import get_default_latex_context_db

    if name in NAMES:
        return NAMES[name]
    spec = get_default_latex_context_db().get_macro_spec(name)
    text = None if spec is None else spec.simplify_repl
    return text if isinstance(text, str) and not re.search("[%<]", text) else ""


def read_accent(sign: str, text: str, position: int) -> tuple[str, int] | None:
    r"""Return the accented letter after an accent command such as \" and its end; None if there is no letter."""
    found = ACCENTED.match(text, position) if sign in ACCENTS else None
    if found is None:
        return None
    letter = found[found.lastindex or 0]
    return unicodedata.normalize("NFC", letter + ACCENTS[sign]), found.end()


def replace_ligatures(text: str) -> str:
    """Return a text with dashes and quotes of TeX as characters."""
    if "-" in text or "`" in text or "'" in text or "~" in text:
        for written, sign in LIGATURES:
            text = text.replace(written, sign)
    return text


def decode_latex(text: str) -> str:
    r"""Return a fragment of LaTeX as plain text in NFC.

    Braces are removed, accents and symbols become characters, of other commands the arguments stay. Formulas stay as
    they are written. `%` is a percent sign, with and without a backslash.
    """
    if not re.search(r"[\\{}~]|--|``|''", text):
        return unicodedata.normalize("NFC", text)
    parts, position = [], 0
    while found := TOKEN.match(text, position):
        name, sign, formula, plain, single = found.groups()
        position = found.end()
        accent = read_accent(name or sign, text, position) if name or sign else None
        if accent is not None:
            part, position = accent
        elif name:
            part = symbol(name)
            argument = ARGUMENT.match(text, position) if name in DROPPED else None
            position = argument.end() if argument else position
        elif sign:
            part = SIGNS.get(sign, sign)
        else:
            part = formula or single or (replace_ligatures(plain) if plain else "")
        parts.append(part)
    return unicodedata.normalize("NFC", "".join(parts))
