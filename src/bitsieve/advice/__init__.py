"""What codes are worth on your own vectors: every way to search measured, and a recommendation in plain words.

    sources.py    a corpus, an index or a file of vectors → a sample: what is searched, and who asks
    codes.py      ┐
    cells.py      ┴ the sample → ways: recall and milliseconds at every effort (trial.py measures, timing.py times)
    finalists.py  ways → the fastest of each family, tried on queries that had no part in choosing them
    words.py      the numbers → sentences;  having.py: the commands;  front.py: which points no other beats
    page.py       → HTML;  tables.py and plot.py → the terminal

Half of the queries choose and the other half tries what they chose: a bound taken where one has chosen is no bound.
"""

from .page import write_advice
from .results import Advice
from .run import advise
from .setup import Setup

__all__ = ["Advice", "Setup", "advise", "write_advice"]
