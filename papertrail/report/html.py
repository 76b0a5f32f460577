"""The report as one HTML page without scripts or requests."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from papertrail.report import charts
from papertrail.report.names import metric_name, system_name
from papertrail.report.sections import Section
from papertrail.report.tables import Effect

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
    environment.filters |= {"metric_name": metric_name, "system_name": system_name, "limits": find_limits}
    return environment.get_template("report.html.jinja").render(sections=sections, area=charts) + "\n"


def find_limits(effects: Sequence[Effect]) -> tuple[float, float]:
    """Return the ends of a scale for the intervals of some differences; it contains 0."""
    ends = [effect.numbers[end] for effect in effects for end in ("low", "high")]
    return min(0.0, *ends), max(0.0, *ends)
