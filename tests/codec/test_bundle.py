"""Laws of codecs on disk: read back exactly or not at all."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitsieve.codec import ITQ, PivotFilter
from bitsieve.errors import FormatError, InputError, NewerFormatError

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ITQ.load(GOLDEN / "itq-v1").save(tmp_path / "codec")
    return tmp_path / "codec"


def edit(folder: Path, *path: str, value: Any) -> None:
    description = json.loads((folder / "codec.json").read_text())
    inner = description
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (folder / "codec.json").write_text(json.dumps(description))


def test_golden_itq_of_version_1_gives_the_codes_it_gave_then() -> None:
    itq = ITQ.load(GOLDEN / "itq-v1")
    assert (itq.n_bits, itq.n_iter, itq.seed, itq.max_fit_rows, itq.n_fit_rows_) == (16, 20, 42, 100_000, 400)
    codes = itq.transform(np.load(GOLDEN / "itq-v1-vectors.npy"))
    np.testing.assert_array_equal(codes, np.load(GOLDEN / "itq-v1-codes.npy"))


def test_golden_pivots_of_version_1_give_the_distances_they_gave_then() -> None:
    distances = PivotFilter.load(GOLDEN / "pivots-v1").distances(np.load(GOLDEN / "itq-v1-vectors.npy"))
    np.testing.assert_allclose(distances, np.load(GOLDEN / "pivots-v1-distances.npy"), atol=1e-6)


def test_a_loaded_itq_is_the_saved_one_bit_for_bit(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((200, 24))
    itq = ITQ(16, 5, seed=3, max_fit_rows=None).fit(vectors)
    itq.save(tmp_path / "new" / "codec")
    loaded = ITQ.load(tmp_path / "new" / "codec")
    assert vars(loaded).keys() == vars(itq).keys()
    for name, value in vars(itq).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)


def test_description_names_every_file_and_states_the_conventions(folder: Path) -> None:
    description = json.loads((folder / "codec.json").read_text())
    assert description["format"] == "bitsieve-itq"
    assert description["format_version"] == 1
    assert {f"{name}.npy" for name in description["arrays"]} == {path.name for path in folder.glob("*.npy")}
    assert "components @ rotation" in description["conventions"]["bits"]
    assert "most significant" in description["conventions"]["bit_order"]


def test_an_existing_codec_is_replaced_only_on_request(folder: Path) -> None:
    other = ITQ(8, 2).fit(np.random.default_rng(0).standard_normal((50, 8)))
    with pytest.raises(InputError, match="overwrite=True"):
        other.save(folder)
    assert ITQ.load(folder).n_bits == 16
    other.save(folder, overwrite=True)
    assert ITQ.load(folder).n_bits == 8
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_overwriting_never_deletes_other_files(folder: Path, tmp_path: Path) -> None:
    itq = ITQ.load(folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        itq.save(folder, overwrite=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="no codec"):
        itq.save(tmp_path / "file", overwrite=True)
    assert (folder / "notes.txt").read_text() == (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.rename"])
def test_a_failed_save_leaves_the_old_codec_and_no_litter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    calls = 0
    original = os.fsync if failing == "os.fsync" else Path.rename

    def fail_once(*arguments: Any) -> Any:
        # The second sync is of the second file; the second rename is the new codec's into its place.
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        return original(*arguments)

    edit(folder, "bitsieve_version", value="old")
    before = (folder / "codec.json").read_text()
    itq = ITQ.load(folder)
    with monkeypatch.context() as patch:
        patch.setattr(failing, fail_once)
        with pytest.raises(OSError, match="No space"):
            itq.save(folder, overwrite=True)
    assert (folder / "codec.json").read_text() == before
    assert ITQ.load(folder).n_bits == 16
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_one_changed_byte_is_found_in_every_array(folder: Path) -> None:
    for path in folder.glob("*.npy"):
        data = path.read_bytes()
        for position in (0, len(data) - 1):
            changed = bytearray(data)
            changed[position] ^= 1
            path.write_bytes(changed)
            with pytest.raises(FormatError, match=f"{path.name} has sha256"):
                ITQ.load(folder)
        path.write_bytes(data)
    ITQ.load(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "rotation.npy").unlink()
    with pytest.raises(FormatError, match=r"rotation\.npy cannot be read"):
        ITQ.load(folder)
    (folder / "codec.json").unlink()
    with pytest.raises(FormatError, match=r"codec\.json cannot be read"):
        ITQ.load(folder)
    with pytest.raises(FormatError):
        ITQ.load(folder / "nowhere")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": "bitsieve-itq"}'])
def test_a_description_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / "codec.json").write_bytes(content)
    with pytest.raises(FormatError):
        ITQ.load(folder)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), "bitsieve-pivots", "expected 'bitsieve-itq'"),
        (("format_version",), "1", "format version '1'"),
        (("parameters",), {"n_bits": 16}, "parameters"),
        (("parameters", "n_bits"), 24, r"\(d, n_bits\)"),
        (("parameters", "n_bits"), "16", "n_bits"),
        (("parameters", "n_fit_rows"), None, "n_fit_rows"),
        (("parameters", "extra"), 1, "extra"),
        (("arrays",), None, "arrays"),
        (("arrays", "mean"), None, r"mean\.npy"),
        (("arrays", "mean", "shape"), [31], r"mean\.npy holds float32 of shape \(32,\)"),
        (("arrays", "mean", "dtype"), "float64", r"mean\.npy holds float32"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    folder: Path, path: tuple[str, ...], value: Any, message: str
) -> None:
    edit(folder, *path, value=value)
    with pytest.raises(FormatError, match=message):
        ITQ.load(folder)


def test_a_newer_version_says_what_to_upgrade_to(folder: Path) -> None:
    edit(folder, "format_version", value=2)
    edit(folder, "bitsieve_version", value="7.0")
    with pytest.raises(NewerFormatError, match=r"upgrade to bitsieve 7\.0"):
        ITQ.load(folder)


def test_pivots_of_an_unknown_metric_are_refused(tmp_path: Path) -> None:
    PivotFilter.load(GOLDEN / "pivots-v1").save(tmp_path / "pivots")
    edit(tmp_path / "pivots", "parameters", "metric", value="euclidean")
    with pytest.raises(FormatError, match="metric"):
        PivotFilter.load(tmp_path / "pivots")


def test_numpy_integers_are_saved_as_numbers(tmp_path: Path) -> None:
    vectors = np.load(GOLDEN / "itq-v1-vectors.npy")
    ITQ(np.int64(16), n_iter=np.int32(2), seed=np.int64(3)).fit(vectors).save(tmp_path / "codec")
    assert ITQ.load(tmp_path / "codec").seed == 3
