"""What a power cut may leave, at moments checked by hand."""

from power_cuts import Replay
from recording import Entry, Tree
from recording_vfs import Placed


def test_what_is_lost_at_a_hand_checked_moment() -> None:
    replay = Replay()
    ones, twos, threes = b"1" * 600, b"2" * 600, b"3" * 100
    for entry in (
        Entry("make folder", "a"),
        Entry("sync folder", "."),
        Entry("create", "a/x"),
        Entry("sync folder", "a"),
        Placed("write at", "a/x", data=ones),
        Entry("sync", "a/x"),
        Placed("write at", "a/x", data=threes, offset=0),
        Placed("write at", "a/x", data=twos, offset=600),
        Entry("rename", "a", target="b"),
    ):
        replay.do(entry)
    changed = threes + ones[100:]
    expected = [
        ("b", changed + twos),
        ("a", ones),  # all is lost
        ("b", ones + twos),  # each singly
        ("b", changed),
        ("a", changed + twos),
        ("a", changed),  # all others
        ("a", ones + twos),
        ("b", ones),
        ("b", changed + twos[:424]),  # the last write torn at byte 1,024 of the file
        ("a", ones + twos[:424]),
    ]
    states = [replay.tree(cut) for cut in replay.cuts()]
    assert sorted(map(sorted_items, states)) == sorted(
        [(name, None), (f"{name}/x", data)] for name, data in expected
    )


def sorted_items(tree: Tree) -> list[tuple[str, bytes | None]]:
    return sorted(tree.items())


def test_a_file_that_takes_the_place_of_a_removed_one_is_another() -> None:
    replay = Replay()
    for entry in (
        Entry("create", "x"),
        Entry("write", "x", data=b"1"),
        Entry("sync", "x"),
        Entry("sync folder", "."),
        Entry("remove", "x"),
        Entry("create", "x"),
        Entry("write", "x", data=b"2"),
    ):
        replay.do(entry)
    states = {replay.tree(cut).get("x") for cut in replay.cuts()}
    assert states == {b"1", b"2", b"", None}
