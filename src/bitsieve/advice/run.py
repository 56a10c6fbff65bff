"""An advice from samples: measure every way, let half of the queries choose, try what they chose on the other half."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..codec import ITQ, Cells
from ..evaluation.experiment import Clock
from ..evaluation.machine import describe_machine
from ..evaluation.measures import exact_neighbours
from ..search import Cascade, native
from .cells import cell_bits, fit_cells, measure_cells
from .codes import Pivots, fit_itq, fit_pivots, measure_codes
from .finalists import best_of, choose_finalists, try_finalists
from .front import pareto_front
from .results import Advice, ModelAdvice, Way
from .setup import Setup, bits_for
from .sources import Sample
from .trial import Search, Trial, search_by
from .words import is_worth, of_model, of_models

Progress = Callable[[str, int, int], None]
"""Called with what is being measured, how many steps are done, and how many there are."""


def advise(
    samples: Sequence[Sample], setup: Setup, *, name: str, command: str = "", progress: Progress | None = None
) -> Advice:
    """Measure every way to search the vectors of each sample, and recommend one.

    samples: of one corpus, by a model each. name: of the corpus, index or file.
    Raises: InputError for vectors that are not of norm 1, or that are all equal.
    """
    clock = Clock()
    confidence = 1 - (1 - setup.confidence) / len(samples)
    models = [_advise_one(sample, setup, confidence, clock, progress or _silent) for sample in samples]
    machine = {**describe_machine(), "kernels": native.active()}
    return Advice(name, setup, models, of_models(models, setup), machine, command, clock.seconds)


def _silent(step: str, done: int, total: int) -> None:
    pass


def _advise_one(
    sample: Sample, setup: Setup, confidence: float, clock: Clock, progress: Progress
) -> ModelAdvice:
    n, d = sample.vectors.shape
    bits, of_cells = bits_for(d, n), cell_bits(d, n)
    label = f"{sample.model.rsplit('/', 1)[-1]}: " if sample.model else ""
    total, done = len(bits) + len(of_cells) + 2, 0

    def step(what: str) -> None:
        nonlocal done
        progress(label + what, done, total)
        done += 1

    step("exact neighbours")
    with clock("exact neighbours"):
        truth = exact_neighbours(sample.queries, sample.vectors, setup.k)
    trial = Trial(setup, sample.vectors, sample.queries, truth)
    with clock("pivots"):
        fitted = Fitted(fit_pivots(trial))
    ways: list[Way] = []
    for n_bits in bits:
        step(f"{n_bits} bits")
        with clock(f"{n_bits} bits"):
            fitted.itqs[n_bits] = fit_itq(trial, n_bits)
            ways += measure_codes(trial, fitted.itqs[n_bits], fitted.pivots)
    for n_bits in of_cells:
        step(f"cells, {n_bits} bits")
        with clock(f"cells, {n_bits} bits"):
            fitted.cells[n_bits] = fit_cells(trial, n_bits)
            ways.append(measure_cells(trial, fitted.cells[n_bits]))
    step("the fastest, on other queries")
    with clock("finalists"):
        places = choose_finalists(ways, setup.budget_bytes)
        each = 1 - (1 - confidence) / max(1, len(places))
        finalists, exact_ms = try_finalists(trial, ways, places, lambda way: fitted.search(trial, way), each)
    best = best_of(ways, finalists, setup.budget_bytes)
    progress(label + "done", total, total)
    advice = ModelAdvice(
        model=sample.model,
        index=sample.index,
        dimension=d,
        n_total=sample.n_total,
        n_vectors=n,
        n_choosing=len(trial.queries[trial.choosing]),
        n_trying=len(trial.queries[trial.trying]),
        confidence=each,
        asked_by=sample.asked_by,
        digest=sample.digest,
        embed_ms=sample.embed_ms,
        exact_ms=exact_ms,
        ways=ways,
        front=pareto_front(ways),
        finalists=finalists,
        best=best,
        worth=best is not None and is_worth(exact_ms - finalists[best].ms, n, sample.n_total),
        text=[],
    )
    return replace(advice, text=of_model(advice, setup))


@dataclass(frozen=True, eq=False)
class Fitted:
    """What was learned, from which a way's cascade is built again."""

    pivots: Pivots | None
    itqs: dict[int, ITQ] = field(default_factory=dict)
    cells: dict[int, Cells] = field(default_factory=dict)

    def search(self, trial: Trial, way: Way) -> Search:
        """The search of a way."""
        if way.kind == "cells":
            cascade = Cascade(cells=self.cells[way.n_bits])
        else:
            pivots = self.pivots.filter if self.pivots is not None and way.kind == "pivots" else None
            cascade = Cascade(self.itqs[way.n_bits], pivots, corrections=way.corrections)
        cascade.build(trial.vectors)
        return search_by(cascade, trial.setup.k, way.kind, way.scoring, way.pivot_threshold)
