"""`bitsieve delete`, `compact`, `verify` and `backup`: keeping an index."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, IndexFolder, Where

if TYPE_CHECKING:
    from ..index import Index


def delete(
    index: IndexFolder,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID…", help="Of documents.", show_default=False)
    ] = None,
    where: Where = None,
) -> None:
    """Delete documents by their ids or by a condition.

    For example: bitsieve delete wiki.sieve --where '{"topic": "Arts"}'
    """
    from ..index import Index
    from .console import told

    if bool(ids) == (where is not None):
        raise typer.BadParameter("name ids, or give --where '{…}': one of the two")
    if where == {}:
        raise typer.BadParameter(
            f"{{}} matches every document: say which to delete, or, to be rid of all, remove the folder {index}"
        )
    with told("stopped"), Index.open(index, write=True) as opened:
        n = opened.delete(ids, where=where) if ids else opened.delete(where=where)
        n_left = len(opened)
    absent = len(set(ids or ())) - n if ids else 0
    note = f"; ids that are not in the index: {absent:,}" if absent else ""
    typer.echo(f"deleted: {n:,}{note}; documents left: {n_left:,}")


def compact(index: IndexFolder) -> None:
    """Write an index anew, without what was deleted, while readers go on."""
    from ..index import Index
    from .console import told, waiting

    with told("stopped"), Index.open(index, write=True) as opened:
        before = _size(opened)
        with waiting("compacting"):
            opened.compact()
        typer.echo(f"{index}: {before} before, {_size(opened)} now")


def verify(index: IndexFolder, as_json: AsJson = False) -> None:
    """Read everything and compare it with its checksums.

    Exit code 1 when something is damaged.
    """
    from ..index.inspection import verify_folder
    from .console import print_json, told, waiting

    with told("stopped"), waiting("reading everything"):
        findings = verify_folder(index)
    if as_json:
        print_json({"ok": not findings, "findings": [asdict(finding) for finding in findings]})
    elif not findings:
        typer.echo(f"{index}: everything is as it was written")
    else:
        for finding in findings:
            typer.echo(f"{finding.file}: {finding.problem}")
    if findings:
        raise typer.Exit(1)


def backup(
    index: IndexFolder,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A folder that is made.", show_default=False)
    ],
) -> None:
    """Copy an index, while readers and a writer go on.

    Nothing is at TARGET until all of it is there, checked. It is an index: restoring it is opening it.
    """
    from ..index import Index
    from .console import told, waiting

    with told("stopped"), Index.open(index) as opened, waiting("copying"):
        generation = opened.backup(target)
    with Index.open(target) as copy:
        typer.echo(f"{target}: generation {generation:,}, documents: {len(copy):,}, {_size(copy)}")


def _size(opened: "Index") -> str:
    found = opened.stats()
    return f"segments: {len(found.kinds):,}, {sum(found.bytes_.values()) / 1e6:,.1f} MB"
