"""Reading of forms and rendering of pages."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from papertrail.data.formats.s2orc import to_nfc
from papertrail.serve import limits
from papertrail.serve.errors import ErrorResponse
from papertrail.serve.pages.marks import list_types, mark

TEMPLATES = Path(__file__).parent
REPORT = TEMPLATES.parents[1] / "report/templates"  # shared CSS
FIELDS = 10  # maximum per form; no form here has as many
ENVIRONMENT = Environment(  # autoescape, because pages show text from users and papers
    loader=FileSystemLoader([TEMPLATES, REPORT]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals.update(limits=limits, mark=mark, list_types=list_types)
STYLE = ENVIRONMENT.get_template("style.css.jinja").render() + "\n"


def render(name: str, error: ErrorResponse | None, **values: Any) -> Response:
    """Render a page; an error decides its status."""
    text = ENVIRONMENT.get_template(f"{name}.html.jinja").render(error=error, **values) + "\n"
    return HTMLResponse(text, error.status if error else 200, error.headers if error else None)


async def read_form(request: Request, *names: str) -> list[str]:
    r"""Return fields of a form without files, stripped, in NFC, with line ends \n; a missing field is empty.

    Raises:
        HTTPException: The request is not such a form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, f"expected a form, application/x-www-form-urlencoded (got {kind or 'nothing'})")
    try:
        fields = parse_qs((await request.body()).decode("ascii"), max_num_fields=FIELDS, errors="strict")
    except ValueError as error:  # not UTF-8, or too many fields
        raise HTTPException(400, f"the form cannot be read ({error})") from None
    return [to_nfc(fields.get(name, [""])[0]).replace("\r\n", "\n").strip() for name in names]


def check_field(name: str, value: str, most: int) -> ErrorResponse | None:
    """Return an error if a field is empty or longer than `most` characters."""
    if not value:
        return ErrorResponse(422, f"the {name} is empty; fill it in")
    if len(value) > most:
        return ErrorResponse(422, f"the {name} has {len(value):,} characters, the maximum is {most:,}; shorten it")
    return None
