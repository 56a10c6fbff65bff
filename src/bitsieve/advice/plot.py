"""Curves drawn in characters: milliseconds across, recall upwards, the closer to 1 the finer."""

from collections.abc import Iterable
from math import floor, log10

from ..evaluation.report.numbers import milliseconds, percent

LINES = (0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Recalls of the lines; a point is drawn on the highest that it reaches."""

MARGIN = 7


def draw_points(points: Iterable[tuple[float, float, str]], width: int) -> list[str]:
    """Lines of text, at most `width` characters each.

    points: milliseconds, recall, one character. Of points in one place the last is drawn.
    """
    shown = [point for point in points if point[1] >= LINES[0]]
    if not shown:
        return []
    low, high = (log10(pick(ms for ms, _, _ in shown)) for pick in (min, max))
    columns = width - MARGIN - 1
    rows = {line: [" "] * columns for line in LINES}
    for ms, recall, sign in shown:
        line = max(line for line in LINES if recall >= line)
        column = floor((log10(ms) - low) / (high - low or 1) * (columns - 1))
        rows[line][column] = sign
    drawn = [
        f"{percent(line, 1 if line > 0.99 else 0):>{MARGIN - 1}} │{''.join(row).rstrip()}"
        for line, row in sorted(rows.items(), reverse=True)
    ]
    ends = milliseconds(10**low), f"{milliseconds(10**high)} a query"
    axis = f"{'':>{MARGIN}}└{'─' * columns}"[:width]
    return [*drawn, axis, f"{'':>{MARGIN + 1}}{ends[0]}{ends[1]:>{columns - len(ends[0])}}"]
