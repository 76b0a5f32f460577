"""What a browser sends from a form, and how pages are written."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from scholar.ask import limits
from scholar.ask.problems import Told

HERE = Path(__file__).parent
FIELDS = 10  # of a form, at most: more than any form here has
ENVIRONMENT = Environment(  # autoescape: whatever is shown was pasted by somebody or stood in a paper
    loader=FileSystemLoader([HERE, HERE.parents[1]]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals["limits"] = limits
STYLE = ENVIRONMENT.get_template("style.css.jinja").render() + "\n"


def render(name: str, told: Told | None, **values: Any) -> Response:
    """A page; `told` is what went wrong with it, and gives the status."""
    text = ENVIRONMENT.get_template(f"{name}.html.jinja").render(told=told, **values) + "\n"
    return HTMLResponse(text, told.status if told else 200, told.headers if told else None)


async def read_form(request: Request, *names: str) -> list[str]:
    """The fields of a form without files, stripped, with the line ends of text files; a missing one is empty.

    Raises:
        HTTPException: it is something else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, f"a form was expected, application/x-www-form-urlencoded (got {kind or 'nothing'})")
    try:
        fields = parse_qs((await request.body()).decode("ascii"), max_num_fields=FIELDS, errors="strict")
    except ValueError as error:  # not UTF-8, or too many fields
        raise HTTPException(400, f"not a form that can be read ({error})") from None
    return [fields.get(name, [""])[0].replace("\r\n", "\n").strip() for name in names]


def check(what: str, given: str, most: int) -> Told | None:
    """What is wrong with a text that somebody pasted: it is not there, or longer than `most` characters."""
    if not given:
        return Told(422, f"the {what} is empty; fill it in")
    if len(given) > most:
        return Told(422, f"the {what} has {len(given):,} characters, up to {most:,} are read; shorten it")
    return None
