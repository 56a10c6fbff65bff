"""Bytes on disk: segments that never change, and what is known about them."""
