"""The report as one HTML page without scripts or requests."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from papertrail.report import charts
from papertrail.report.names import metric_name, system_name
from papertrail.report.sections import Section

TEMPLATES = Path(__file__).parent / "templates"


def to_html(sections: Sequence[Section]) -> str:
    """Return the page. Jinja escapes every value, because examples contain text of papers."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"metric_name": metric_name, "system_name": system_name}
    ends = [effect.numbers[end] for section in sections for effect in section.effects for end in ("low", "high")]
    limits = min(0, *ends), max(0, *ends)
    return environment.get_template("report.html.jinja").render(sections=sections, area=charts, limits=limits) + "\n"
