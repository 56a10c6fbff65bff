"""The HTML report: what an experiment measured, as one file that needs nothing else.

    results dict → tables.py (numbers as text) ┐
                 → figures.py (inline SVG)     ├→ pages.py (what goes where) → templates/ → one .html file
                 → captions.py (plain words)   ┘

Pages are made from the plain dicts of report.json, so that a saved report can be drawn again.
"""

from .write import write_comparison, write_report

__all__ = ["write_comparison", "write_report"]
