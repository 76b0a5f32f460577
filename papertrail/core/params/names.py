"""Look-up of names with a suggestion for misspelt ones."""

from difflib import get_close_matches

from papertrail.core.errors import ParamsError


def choose(kind: str, name: str, known: list[str]) -> str:
    """Return a name if it is known.

    Raises:
        ParamsError: It is unknown; the message suggests the nearest known name.
    """
    if name in known:
        return name
    raise ParamsError(f"unknown {kind} '{name}'{suggest(name, known)} (known: {', '.join(known)})")


def suggest(name: str, known: list[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, or an empty string."""
    near = get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
