"""Matplotlib figures as inline SVG that follows the page: its fonts, its colours, light or dark.

Figures are drawn in placeholder colours, each of which becomes a CSS variable in the SVG text; the variables
have their values in templates/style.css. Text stays text.
"""

import re
import warnings
from collections.abc import Callable
from io import StringIO
from typing import Any

WIDTH = 400
"""Width of every figure in its own units. A 13-unit label is 10 px high on a phone, 15 px on a desk."""

INK, MUTED, GRID, CARD = "#010101", "#020202", "#030303", "#040404"
SERIES = ("#050501", "#050502", "#050503", "#050504")
HEAT = tuple(f"#06060{i}" for i in range(1, 8))
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--rule",
    CARD: "--card",
    **{colour: f"--series-{i}" for i, colour in enumerate(SERIES, 1)},
    **{colour: f"--heat-{i}" for i, colour in enumerate(HEAT, 1)},
}

STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a model may have a $ in its name
    "font.size": 13,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": MUTED,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "lines.linewidth": 2,
    "lines.markersize": 5.5,
    "figure.facecolor": "none",
}


def draw(paint: Callable[[Any], None], name: str, label: str, *, height: float = 300) -> str:
    """Have a figure painted and return it as an <svg> element for an HTML page.

    paint: called with an empty Matplotlib figure (no pyplot, so that nothing is left behind).
    name: prefix of the element's ids, another one for each figure of a page. label: what a screen reader says.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    out = StringIO()
    with rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # Only the browser has the fonts; what Matplotlib's own lacks is merely measured badly.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
        paint(figure)
        figure.savefig(out, format="svg", metadata={"Date": None})
    return _inline(out.getvalue(), name, label)


def _inline(text: str, name: str, label: str) -> str:
    """Take off what belongs to a file of its own, and make ids unique on the page."""
    from markupsafe import escape

    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.S)
    body = text[text.index("<svg") :]
    size = re.search(r'viewBox="([^"]+)"', body)
    body = body[body.index(">") + 1 :]
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = body.replace("url(#", f"url(#{name}-").replace('xlink:href="#', f'href="#{name}-')
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    # The page has fonts of its own, and hundredths of a unit are finer than any screen.
    body = re.sub(r" font-family: [^;\"]*;| transform=\"rotate\(-0 [^\"]*\"", "", body)
    body = re.sub(r' (?:d|x|y)="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), body)
    body = re.sub(r"<defs>\s*</defs>", "", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    box = size.group(1) if size else ""
    return f'<svg role="img" aria-label="{escape(label)}" viewBox="{box}">{body.strip()}'
