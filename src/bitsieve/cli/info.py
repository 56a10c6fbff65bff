"""`bitsieve info`: what runs here."""

from typing import Annotated

import typer


def info(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Print versions, the CPU, and which kernels search."""
    import os
    import platform

    import numpy as np

    from ..evaluation.machine import describe_machine
    from ..search import native
    from ..version import __version__
    from .console import print_json

    machine = describe_machine()
    kernels, available, reason = native.active(), native.available(), native.why_numpy()
    if as_json:
        known = {
            "bitsieve": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "system": machine["system"],
            "cpu": machine["cpu"],
            "cores": machine["cpus"],
            "kernels": kernels,
            "available": available,
            "native": not reason,
            "note": reason or None,
        }
        print_json(known)
        return
    typer.echo(f"bitsieve   {__version__}")
    typer.echo(f"Python     {platform.python_version()}, NumPy {np.__version__}")
    typer.echo(f"system     {machine['system']}")
    typer.echo(f"CPU        {machine['cpu']}, {machine['cpus']} cores")
    if reason:
        typer.echo(f"kernels    NumPy (slower): {reason}")
        return
    chosen = f", chosen by {native.VARIABLE}" if os.environ.get(native.VARIABLE) else ""
    typer.echo(f"kernels    {kernels}{chosen} (available: {', '.join(available)})")
