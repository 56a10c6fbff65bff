"""From a result to a file: read the dict, check its format, fill the template, write."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import FormatError, MissingExtraError, NewerFormatError
from ..results import FORMAT_VERSION

if TYPE_CHECKING:
    from ..comparison import ComparisonReport
    from ..results import ExperimentReport

TEMPLATES = "bitsieve.evaluation.report"


def write_report(report: "ExperimentReport | Mapping[str, Any]", path: str | Path) -> Path:
    """Write an experiment as one HTML file: figures, tables, captions, no script, nothing fetched.

    report: a report, or what `json.load` reads from its report.json: both give the same page.
    Returns: the path written. An existing file is replaced only when the new one is complete.
    Raises: FormatError for another kind of dict; NewerFormatError for one of a later version;
        MissingExtraError without matplotlib or Jinja2.
    """
    facts = _plain(report, "bitsieve-experiment", FORMAT_VERSION)
    require_extra()
    from .pages import experiment_page

    return write_page("experiment.html.j2", experiment_page(facts), path)


def write_comparison(comparison: "ComparisonReport | Mapping[str, Any]", path: str | Path) -> Path:
    """Write experiments with several models side by side as one HTML file.

    comparison: a comparison, or what `json.load` reads from its comparison.json.
    Returns, raises: as `write_report`.
    """
    from ..comparison import FORMAT_VERSION as COMPARISON_VERSION

    facts = _plain(comparison, "bitsieve-comparison", COMPARISON_VERSION)
    facts["reports"] = [_plain(report, "bitsieve-experiment", FORMAT_VERSION) for report in facts["reports"]]
    require_extra()
    from .comparison_page import comparison_page

    return write_page("comparison.html.j2", comparison_page(facts), path)


def _plain(
    report: "ExperimentReport | ComparisonReport | Mapping[str, Any]", kind: str, newest: int
) -> dict[str, Any]:
    """The dict as JSON gives it back, numbers used as keys being strings, so that there is one form to draw."""
    found = report if isinstance(report, Mapping) else report.to_dict()
    if found.get("format") != kind:
        raise FormatError(f"expected a dict with format {kind!r}, got {found.get('format')!r}")
    if found.get("format_version", 0) > newest:
        raise NewerFormatError(
            f"this {kind} has format version {found['format_version']}, known here is {newest}: "
            "update bitsieve"
        )
    facts: dict[str, Any] = json.loads(json.dumps(dict(found)))
    return facts


def require_extra() -> None:
    """Raise MissingExtraError where matplotlib or Jinja2, which draw and fill pages, are not installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("the HTML report", "report") from error


def write_page(template: str, context: dict[str, Any], path: str | Path, *, package: str = TEMPLATES) -> Path:
    """Fill a template and write it; an existing file is replaced only when the new one is complete.

    package: that has the template in its folder `templates`; it may extend and import those here.
    Returns: the path written.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(TEMPLATES)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(context)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
