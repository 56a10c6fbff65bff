"""Text → vectors: which model, where its files come from, batches, the cache on disk. Only here: FastEmbed."""

import os

from .chunks import Chunking
from .encoder import Encoder, EncodeStats, TruncationWarning
from .model import Model
from .settings import files_here

__all__ = ["Chunking", "EncodeStats", "Encoder", "Model", "TruncationWarning", "files_here"]

# onnxruntime's wheels queue usage events in the user's cache folder unless told not to before they are imported,
# which happens when a model is loaded. Whoever wants them sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
