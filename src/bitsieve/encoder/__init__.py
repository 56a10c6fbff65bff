"""Text → vectors: which model, where its files come from, batches, the cache on disk. Only here: FastEmbed."""

from .encoder import Encoder, EncodeStats, TruncationWarning
from .model import Model

__all__ = ["EncodeStats", "Encoder", "Model", "TruncationWarning"]
