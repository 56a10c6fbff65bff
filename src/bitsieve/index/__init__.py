"""The index on disk: the one part that knows all the others."""

from .hits import Hit, Hits
from .index import Index

__all__ = ["Hit", "Hits", "Index"]
