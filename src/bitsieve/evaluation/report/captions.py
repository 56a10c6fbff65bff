"""What to see in each figure, in plain words made from its numbers."""

from collections.abc import Mapping
from typing import Any

from .figures import searches_of
from .numbers import milliseconds, number, percent, seconds

Report = Mapping[str, Any]


def recall_caption(report: Report) -> str:
    """How much Hamming distance must be given to find what asymmetric scoring finds."""
    recalls = {(p["scoring"], p["n_candidates"]): p["recall"]["value"] for p in report["recall"]}
    depths = sorted({depth for _, depth in recalls})
    at = headline_depths(report)[0]
    reached = recalls["asymmetric", at]
    text = f"{at:,} candidates with asymmetric scoring hold {percent(reached)} of the true {report['protocol']['k']}"
    as_many = [depth for depth in depths if recalls["hamming", depth] >= reached]
    if recalls["hamming", at] >= reached:
        text += f"; so do as many by Hamming distance ({percent(recalls['hamming', at])})."
    elif as_many:
        text += f"; Hamming distance finds {percent(recalls['hamming', at])} and needs {as_many[0]:,} to draw level."
    return f"{text} Bands are 95% intervals over {report['protocol']['n_queries']:,} queries."


def headline_depths(report: Report) -> list[int]:
    """100, 500 and 1,000 candidates, as far as a small corpus has so many; else its largest number."""
    measured = {point["n_candidates"] for point in report["recall"]}
    return [depth for depth in (100, 500, 1000) if depth in measured] or [max(measured)]


def pivot_caption(report: Report) -> str:
    """What the threshold that removes most at 95% recall does."""
    useful = [point for point in report["pivots"] if point["recall"]["value"] >= 0.95]
    text = "Each point is a threshold; up and to the right is better. "
    if not useful:
        return text + "None of these keeps 95% of the true neighbours."
    best = max(useful, key=lambda point: point["reduction"])
    return text + (
        f"At {best['threshold']:.2f} the filter removes {percent(best['reduction'])} of the corpus "
        f"and keeps {percent(best['recall']['value'])} of the true neighbours."
    )


def density_caption(report: Report) -> str:
    """How closely Hamming distance follows cosine."""
    rho = report["correlation"]["spearman"]
    return (
        f"{report['correlation']['n_pairs']:,} pairs of texts; the stronger a square’s colour, the more of them "
        f"lie there. The closer they keep to a falling line, the better codes order texts: Spearman {number(rho, 3)}, "
        f"where {number(-1)} is the same order and 0 is none."
    )


def combined_caption(report: Report) -> str:
    """What pivots before codes cost in recall."""
    rows = {
        (p["scoring"], p["n_candidates"], p["threshold"]): p["recall"]["value"] for p in report["combined"]
    }
    plain = {(p["scoring"], p["n_candidates"]): p["recall"]["value"] for p in report["recall"]}
    depths = sorted({depth for _, depth, _ in rows})
    depth = 500 if 500 in depths else depths[-1]
    threshold = min((t for _, _, t in rows), key=lambda t: abs(t - 0.20))
    text = (
        f"Pivots at {threshold:.2f}, then {depth:,} candidates by asymmetric codes, find "
        f"{percent(rows['asymmetric', depth, threshold])} of the true neighbours"
    )
    if ("asymmetric", depth) in plain:
        text += f"; the codes alone (“off”) {percent(plain['asymmetric', depth])}"
    return f"{text}. What pivots lose, no number of candidates brings back."


def angular_text(report: Report) -> str:
    """What the lossless filter removes."""
    angular = report["angular"]
    return (
        "On the angle between vectors the triangle inequality holds, so that a pivot filter can lose nothing. "
        f"At the angle of each query's true neighbour number {report['protocol']['k']} "
        f"({number(angular['mean_radius'], 2)} radians on average) it keeps {percent(angular['recall'])} of the true "
        f"neighbours and removes {percent(angular['reduction'])} of the corpus; "
        f"{percent(angular['best_reduction'])} for the query it serves best."
    )


def variance_caption(report: Report) -> str:
    """What the codec's bits hold, and what 90% would take."""
    codec = report["codec"]
    shares = {int(bits): share for bits, share in codec["explained_variance_by_bits"].items()}
    text = (
        f"The first {codec['n_bits']} of {report['model']['dimension']} components hold "
        f"{percent(codec['explained_variance'])} of the variance"
    )
    enough = [bits for bits, share in shares.items() if share >= 0.9]
    return f"{text}; 90% takes {min(enough)}." if enough else f"{text}."


def error_caption(report: Report) -> str:
    """What the rotation's iterations bring."""
    errors = report["codec"]["quantization_error"]
    text = (
        f"Rotating the axes brings the vectors nearer to their codes: {number(errors[0], 4)} after the first "
        f"iteration, {number(errors[-1], 4)} after the last"
    )
    if len(errors) > 10 and errors[0] > errors[-1]:
        share = (errors[0] - errors[9]) / (errors[0] - errors[-1])
        text += f"; {percent(share, 0)} of that is won by the tenth"
    return text + "."


def time_caption(report: Report) -> str:
    """Where the time goes, of the run and of a query."""
    slowest = max(report["seconds"], key=lambda name: report["seconds"][name])
    text = f"The longest step is {slowest}, {seconds(report['seconds'][slowest])}. "
    totals = {
        way: sum(stage["ms_per_query"] for stage in stages.values())
        for way, stages in searches_of(report).items()
    }
    text += (
        f"A query takes {milliseconds(totals['codes only'])} through the codes alone "
        f"and {milliseconds(totals['pivots first'])} with pivots first."
    )
    if report["encoding"]["n_cached"]:
        text += f" Of the vectors, {report['encoding']['n_cached']:,} came from the cache."
    return text
