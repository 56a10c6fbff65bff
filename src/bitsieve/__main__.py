"""`python -m bitsieve` is `bitsieve`."""

from .cli import main

main()
