"""What an advice is asked for, and the efforts that are measured."""

from dataclasses import dataclass

from ..arrays import check_count
from ..errors import InputError
from ..recall import Plan
from ..recall.bounds import check_confidence

BITS = (64, 96, 128, 192, 256, 320, 384)
"""Bits a code, as far as the vectors have so many dimensions."""

E12 = (10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82)
"""Preferred numbers, each about a fifth more than the last: efforts between them would be no easier to tell apart."""

MOST_CANDIDATES = 10_000
"""Whoever needs more reranks a good part of the corpus."""

LEAST_VECTORS = 100


@dataclass(frozen=True)
class Setup:
    """What an advice is asked for.

    target_recall: of the true k, on average over queries. budget_bytes: of a vector, for what filters.
    n_queries: held out of the corpus, at most, where none are given. rows: searched in, at most; more are sampled.
    confidence: of all that is claimed about recall, together.
    Raises: InputError for a parameter out of range.
    """

    target_recall: float = 0.95
    budget_bytes: int = 32
    k: int = 10
    n_queries: int = 1_000
    rows: int = 100_000
    seed: int = 42
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.target_recall == 1:
            raise InputError(
                "target_recall must be below 1: no number of queries makes sure that codes lose nothing; exact search "
                "has 1, of codes ask for less, such as 0.99"
            )
        check_confidence(self.target_recall, "target_recall")
        check_confidence(self.confidence)
        check_count(self.budget_bytes, "budget_bytes")
        check_count(self.k, "k")
        check_count(self.n_queries, "n_queries", least=2)
        check_count(self.rows, "rows", least=LEAST_VECTORS)
        if check_count(self.seed, "seed", least=0) >= 2**32:
            raise InputError(f"seed must be below 2**32, got {self.seed}")


def bits_for(d: int, n: int) -> list[int]:
    """Bits that codes of n vectors of d dimensions can have.

    >>> bits_for(100, 1000), bits_for(48, 1000)
    ([64, 96], [48])
    """
    most = min(d, n) // 8 * 8
    return [bits for bits in BITS if bits <= most] or [most]


def candidate_numbers(k: int, n: int) -> list[int]:
    """Numbers of candidates from k to fewer than n.

    >>> candidate_numbers(10, 40)
    [10, 12, 15, 18, 22, 27, 33, 39]

    Raises: InputError where there are none.
    """
    numbers = [value * 10**power for power in range(4) for value in E12]
    numbers = [number for number in numbers if k <= number < n and number <= MOST_CANDIDATES]
    if not numbers:
        raise InputError(
            f"k={k} is too many to look for among {n:,} vectors: codes are measured with numbers of candidates between "
            f"the two, of at most {MOST_CANDIDATES:,}; take a smaller k"
        )
    return numbers


def cell_candidates(k: int) -> int:
    """Candidates of a search through cells: as many as it takes by default, or enough for a large k.

    >>> cell_candidates(10), cell_candidates(600)
    (500, 9600)
    """
    return max(Plan.n_candidates, 16 * k)


def probe_margins() -> list[float]:
    """Margins from 0.01 to 0.82, as cosines."""
    return [value * 10**power / 1000 for power in range(2) for value in E12]
