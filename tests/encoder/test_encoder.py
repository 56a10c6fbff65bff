"""Laws of the encoder: a text's vector is its own, whatever stands beside it."""

import dataclasses
import os
import subprocess
import sys
import warnings
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

from bitsieve.arrays import FloatArray
from bitsieve.encoder import Encoder, EncodeStats, TruncationWarning
from bitsieve.errors import InputError, TextError

TEXTS = [
    "Marie Curie discovered polonium and radium.",
    "a cat",
    "The river Elbe rises in the Czech Republic and flows into the North Sea near Cuxhaven. " * 4,
    "How do I reset my password?",
    "Die Katze schläft auf dem Sofa.",
    "12 ÷ 4 = 3",
    "Photosynthesis turns light into chemical energy; chlorophyll makes leaves green.",
    "x",
    "東京は日本の首都です。",
    "In 1969 two people walked on the Moon while a third circled it.",
]
ODD_TEXTS = {
    "nul": "before\0after",
    "only a nul": "\0",
    "emoji": "👩‍👩‍👧‍👦 🇩🇪 👍🏽",
    "right to left": "שלום עולם, مرحبا بالعالم",
    "combining": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "one long word": "a" * 10_000,
    "zero width": "\u200b",
    "newlines": "\n\n a \r\n b \t c \n",
    "unassigned": "\U000e0001\uffff",
}


def cosines(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.einsum("nd,nd->n", a, b)


def assert_unit(vectors: FloatArray, n: int, d: int = 384) -> None:
    assert vectors.shape == (n, d)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.fixture(params=["minilm", "bge", "e5"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return request.getfixturevalue(request.param)


class TestVectors:
    def test_are_unit_rows_of_float32(self, encoder: Encoder) -> None:
        assert_unit(encoder.encode_passages(TEXTS), len(TEXTS))
        assert_unit(encoder.encode_queries(TEXTS[:2]), 2)

    @pytest.mark.parametrize(
        ("name", "pooling"), [("minilm", PoolingType.MEAN), ("bge", PoolingType.CLS)], ids=["minilm", "bge"]
    )
    def test_are_those_of_fastembed_itself(
        self, name: str, pooling: PoolingType, models: Path, request: pytest.FixtureRequest
    ) -> None:
        encoder: Encoder = request.getfixturevalue(name)
        folder = models / ("bge-small-en-v1.5" if name == "bge" else "all-MiniLM-L6-v2-int8")
        TextEmbedding.add_custom_model(
            f"reference/{name}", pooling, True, ModelSource(hf="none"), dim=384, model_file="model.onnx"
        )
        fastembed = TextEmbedding(f"reference/{name}", specific_model_path=str(folder), threads=2)
        expected = np.array(list(fastembed.embed(TEXTS)), dtype=np.float32)
        assert cosines(encoder.encode_passages(TEXTS), expected).min() >= 0.99999

    def test_do_not_depend_on_neighbours_order_or_duplicates(self, encoder: Encoder) -> None:
        together = encoder.encode_passages(TEXTS)
        alone = np.vstack([encoder.encode_passages([text]) for text in TEXTS])
        np.testing.assert_allclose(together, alone, atol=2e-6)
        order = np.random.default_rng(0).integers(len(TEXTS), size=2 * len(TEXTS))
        again = encoder.encode_passages([TEXTS[row] for row in order])
        np.testing.assert_allclose(again, together[order], atol=2e-6)

    def test_of_a_model_quantized_per_call_are_exactly_equal_beside_anything(self, e5: Encoder) -> None:
        assert e5.model.one_text_a_call
        np.testing.assert_array_equal(
            e5.encode_passages(TEXTS)[[3]], e5.encode_passages([TEXTS[3], "z" * 50, TEXTS[2] * 3])[[0]]
        )

    @pytest.mark.parametrize("name", ["all-MiniLM-L6-v2-int8", "e5-small-v2-int8"])
    def test_do_not_depend_on_threads(self, name: str, models: Path) -> None:
        one, two = (
            Encoder(str(models / name), threads=threads, cache=False).encode_passages(TEXTS)
            for threads in (1, 2)
        )
        assert cosines(one, two).min() >= 0.99999

    def test_of_like_texts_are_near(self, encoder: Encoder) -> None:
        query = encoder.encode_queries(["Who found radium?"])
        assert int(np.argmax(encoder.encode_passages(TEXTS) @ query[0])) == 0

    @pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
    def test_of_odd_texts_are_unit_rows(self, minilm: Encoder, text: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)
            assert_unit(minilm.encode_passages([text]), 1)

    def test_of_a_megabyte_are_there_in_seconds(self, minilm: Encoder) -> None:
        started = perf_counter()
        with pytest.warns(TruncationWarning):
            assert_unit(minilm.encode_passages(["many words " * 90_000]), 1)
        assert perf_counter() - started < 10

    def test_of_no_texts_have_no_rows(self, minilm: Encoder) -> None:
        assert_unit(minilm.encode_passages([]), 0)
        assert_unit(minilm.encode_queries(()), 0)
        assert minilm.stats == EncodeStats(0, 0, 0, 0, minilm.stats.seconds)


class TestTexts:
    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ("", "text 1 is empty or blank: leave such texts out"),
            (" \n\t\u3000", "text 1 is empty or blank"),
            (None, "text 1 is NoneType, expected str: None"),
            (b"bytes", "text 1 is bytes, expected str"),
            (float("nan"), "text 1 is float, expected str: nan"),
            ("a\udc80b", "text 1 holds a lone surrogate at character 1: decode its source again"),
        ],
        ids=["empty", "blank", "none", "bytes", "nan", "surrogate"],
    )
    def test_that_cannot_be_embedded_are_named_before_any_is(
        self, minilm: Encoder, bad: Any, message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(minilm, "_runtime", None)
        for encode in (minilm.encode_passages, minilm.encode_queries):
            with pytest.raises(TextError, match=message):
                encode(["fine", bad, "fine too"])

    @pytest.mark.parametrize("texts", ["one text", b"one text", None, 3], ids=repr)
    def test_come_as_a_list(self, minilm: Encoder, texts: Any) -> None:
        with pytest.raises(TextError, match=r"expected a list of texts, got one \w+: pass \[text\]"):
            minilm.encode_passages(texts)

    def test_may_come_from_any_iterable(self, minilm: Encoder) -> None:
        expected = minilm.encode_passages(TEXTS[:2])
        for texts in (tuple(TEXTS[:2]), np.array(TEXTS[:2]), iter(TEXTS[:2])):
            np.testing.assert_array_equal(minilm.encode_passages(texts), expected)


class TestPrefixes:
    def test_tell_queries_from_passages(self, e5: Encoder) -> None:
        assert (e5.model.query_prefix, e5.model.passage_prefix) == ("query: ", "passage: ")
        assert cosines(e5.encode_queries(TEXTS), e5.encode_passages(TEXTS)).max() < 0.9999

    def test_are_put_before_the_text(self, e5: Encoder, models: Path) -> None:
        bare = Encoder(str(models / "e5-small-v2-int8"), query_prefix="", passage_prefix="", cache=False)
        texts = TEXTS[:3]
        np.testing.assert_array_equal(
            e5.encode_queries(texts), bare.encode_passages([f"query: {text}" for text in texts])
        )
        np.testing.assert_array_equal(
            e5.encode_passages(texts), bare.encode_queries([f"passage: {text}" for text in texts])
        )

    def test_of_models_without_any_change_nothing(self, minilm: Encoder, bge: Encoder) -> None:
        for encoder in (minilm, bge):
            np.testing.assert_array_equal(
                encoder.encode_queries(TEXTS[:2]), encoder.encode_passages(TEXTS[:2])
            )


class TestLimit:
    LONG = "The quick brown fox jumps over the lazy dog. " * 40

    def test_cuts_counts_and_warns(self, minilm: Encoder) -> None:
        with pytest.warns(
            TruncationWarning, match="1 of 2 texts are longer than 256 tokens and were cut"
        ) as w:
            vectors = minilm.encode_passages([self.LONG, "short"])
        assert minilm.stats.n_truncated == 1
        assert Path(w[0].filename).name == Path(__file__).name
        with pytest.warns(TruncationWarning):
            longer = minilm.encode_passages([self.LONG + "And now for something completely different."])
        np.testing.assert_allclose(longer, vectors[:1], atol=1e-6)

    def test_counts_the_special_tokens(self, models: Path) -> None:
        encoder = Encoder(str(models / "all-MiniLM-L6-v2-int8"), max_tokens=5, cache=False)
        encoder.encode_passages(["one two three"])
        assert encoder.stats.n_truncated == 0
        with pytest.warns(TruncationWarning, match="longer than 5 tokens"):
            encoder.encode_passages(["one two three four"])
        assert encoder.model.max_tokens == 5

    @pytest.mark.parametrize("max_tokens", [0, 2, 257, 3.5, True, "8"], ids=repr)
    def test_is_a_whole_number_that_the_model_takes(self, models: Path, max_tokens: Any) -> None:
        with pytest.raises(InputError, match=r"max_tokens .*(at least 3|256 at most)"):
            Encoder(str(models / "all-MiniLM-L6-v2-int8"), max_tokens=max_tokens)

    def test_cuts_by_tokens_with_the_prefix_on(self, e5: Encoder) -> None:
        words = " ".join(["cat"] * 508)
        e5.encode_passages([words])  # [CLS] passage : … [SEP]
        with pytest.warns(TruncationWarning):
            e5.encode_passages([words + " cat"])


class TestModel:
    def test_describes_everything_that_made_the_vectors(self, e5: Encoder, models: Path) -> None:
        model = e5.model
        assert model.to_dict() == {
            "name": "intfloat/e5-small-v2",
            "weights": "int8, activations quantized per call",
            "dimension": 384,
            "pooling": "mean",
            "max_tokens": 512,
            "query_prefix": "query: ",
            "passage_prefix": "passage: ",
            "licence": "MIT",
            "files": {
                "model.onnx": "7d9092cb25f2bd1c023b7e8d2aa459044a02030ac880e5a59fdaf27af69f1ded",
                "tokenizer.json": "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
            },
            "size_bytes": (models / "e5-small-v2-int8" / "model.onnx").stat().st_size,
            "source": "folder e5-small-v2-int8",
            "one_text_a_call": True,
            "fingerprint": model.fingerprint,
        }

    @pytest.mark.parametrize(
        "change",
        [
            {"pooling": "cls"},
            {"max_tokens": 100},
            {"dimension": 383},
            {"files": {"model.onnx": "0" * 64, "tokenizer.json": "1" * 64}},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_fingerprint_and_digest_change_with_what_makes_vectors(
        self, e5: Encoder, change: dict[str, Any]
    ) -> None:
        other = dataclasses.replace(e5.model, **change)
        assert other.fingerprint != e5.model.fingerprint
        assert other.vectors_digest != e5.model.vectors_digest

    @pytest.mark.parametrize("prefix", ["query_prefix", "passage_prefix"])
    def test_only_the_fingerprint_changes_with_a_prefix(self, e5: Encoder, prefix: str) -> None:
        other = dataclasses.replace(e5.model, **{prefix: "other: "})
        assert other.fingerprint != e5.model.fingerprint
        assert other.vectors_digest == e5.model.vectors_digest

    def test_swapped_prefixes_are_another_fingerprint(self, e5: Encoder) -> None:
        swapped = dataclasses.replace(e5.model, query_prefix="passage: ", passage_prefix="query: ")
        assert swapped.fingerprint != e5.model.fingerprint

    def test_fingerprint_is_not_of_where_the_files_lie(self, e5: Encoder) -> None:
        moved = dataclasses.replace(e5.model, source="elsewhere", licence="", weights="")
        assert moved.fingerprint == e5.model.fingerprint

    def test_what_the_caller_asks_for_is_what_is_used(self, models: Path, minilm: Encoder) -> None:
        encoder = Encoder(
            models / "all-MiniLM-L6-v2-int8", pooling="cls", query_prefix="q: ", max_tokens=200, cache=False
        )
        model = encoder.model
        assert (model.pooling, model.query_prefix, model.passage_prefix) == ("cls", "q: ", "")
        assert model.max_tokens == 200
        assert cosines(encoder.encode_passages(TEXTS), minilm.encode_passages(TEXTS)).max() < 0.999

    def test_an_unknown_pooling_or_thread_count_is_refused(self) -> None:
        with pytest.raises(InputError, match="pooling must be one of cls, mean, got 'max'"):
            Encoder(pooling="max")
        with pytest.raises(InputError, match="threads must be a whole number of at least 1, got 0"):
            Encoder(threads=0)


class TestProgress:
    @pytest.mark.parametrize("cached", [False, True], ids=["embedded", "from the cache"])
    def test_rises_and_ends_with_all_of_them(self, models: Path, tmp_path: Path, cached: bool) -> None:
        encoder = Encoder(models / "all-MiniLM-L6-v2-int8", cache=tmp_path)
        texts = [f"{text} {n}" for n in range(6) for text in TEXTS[:4]] + TEXTS[:4] * 5
        if cached:
            encoder.encode_passages(texts)
        calls: list[tuple[int, int]] = []
        encoder.encode_passages(texts, progress=lambda *call: calls.append(call))
        done = [call[0] for call in calls]
        assert done == sorted(done)
        assert done[0] > 0
        assert calls[-1] == (len(texts), len(texts))
        assert {call[1] for call in calls} == {len(texts)}
        assert encoder.stats.n_cached == (len(texts) if cached else 0)

    def test_goes_on_from_window_to_window(self, minilm: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bitsieve.encoder.encoder.WINDOW", 4)
        calls: list[tuple[int, int]] = []
        expected = minilm.encode_passages(TEXTS)
        vectors = minilm.encode_passages(TEXTS, progress=lambda *call: calls.append(call))
        assert calls[-1] == (len(TEXTS), len(TEXTS))
        assert [call[0] for call in calls] == sorted({call[0] for call in calls})
        np.testing.assert_allclose(vectors, expected, atol=2e-6)


def test_loading_a_model_leaves_no_telemetry_behind(models: Path, tmp_path: Path) -> None:
    code = "import sys; from bitsieve import Encoder; Encoder(sys.argv[1], cache=False).encode_queries(['a cat'])"
    env = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", code, str(models / "all-MiniLM-L6-v2-int8")]
    subprocess.run(command, env=env, check=True, capture_output=True)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
