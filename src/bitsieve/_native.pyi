"""The extension module that native/bindings.cpp makes. It is missing where there was no C++ compiler."""

from types import ModuleType

testing: ModuleType  # each kernel by itself, for tests/native

def available() -> list[str]:
    """Names of the kernels this machine can run, best first."""
