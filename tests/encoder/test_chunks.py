"""Laws of passages: nothing is lost, nothing is too long, and they end where sentences do."""

from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from bitsieve.encoder import Encoder
from bitsieve.encoder.breaks import sentence_ends, splits_cluster
from bitsieve.encoder.chunks import Chunking, Span, split
from bitsieve.encoder.runtime import Runtime
from bitsieve.errors import InputError, TextError

ENGLISH = (
    "Dr. Smith lived in the U.S. for 3.14 years. He wrote to Mrs. Jones every week! Did she answer? "
    "Nobody knows, e.g. because the letters burned.\n\nThe house is still there. It has a red door. "
)
CHINESE = "北京是中国的首都，人口超过两千万。上海在长江口！你去过吗？我没有去过，但是我的朋友住在那里。"
LIMIT = 24
ODD_TEXTS = {
    "one word": "a" * 10_000,
    "points": "." * 10_000,
    "marks": "?!" * 5_000,
    "families": "👩\u200d👩\u200d👧" * 500,
    "accents": "e\u0301" * 5_000,
    "one letter": "e" + "\u0301" * 5_000,
}

PIECES = [
    *(" ", " ", "\n", "\n\n", "\t", "\u3000", "\u200b", "\0"),
    *(".", ". ", "! ", "?", ", ", "; ", "。", "，", "…", "-", "(", '"'),
    *("a", "the", "River", "Elbe", "unaffable", "Dr.", "3.14", "x" * 120, "[SEP]"),
    *("北京", "人口", "ก", "ภาษาไทย", "한국어", "क्षि", "\u1112\u1161\u11ab", "ﷺ"),
    *("e\u0301", "🇩🇪", "👩\u200d👩\u200d👧", "👍🏽", "1\ufe0f\u20e3", "Z" + "\u0351" * 9),
]
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=120).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=60).map(" ".join),
    st.text(max_size=200),
    st.text(alphabet=st.characters(categories=["Lo", "Mn", "Mc", "So", "Po", "Zs"]), max_size=200),
).filter(str.strip)
SLOWER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def passages(encoder: Encoder, text: str, **chunking: int) -> list[str]:
    (spans,) = encoder.split([text], Chunking(**chunking))
    return [text[start:stop] for start, stop in spans]


def assert_whole(text: str, spans: list[Span]) -> None:
    """In order, without space around them, and each other character in exactly one."""
    assert all(a < b <= c < d for (a, b), (c, d) in pairwise(spans))
    for start, stop in spans:
        assert text[start:stop] == text[start:stop].strip() != ""
    gaps = [0, *(place for span in spans for place in span), len(text)]
    assert not "".join(text[a:b] for a, b in zip(gaps[::2], gaps[1::2], strict=True)).strip()


def assert_short(encoder: Encoder, tokenizer: Tokenizer, text: str, spans: list[Span], limit: int) -> None:
    prefix = encoder.model.passage_prefix
    for start, stop in spans:
        assert len(tokenizer.encode(prefix + text[start:stop])) <= limit


@pytest.fixture(params=["minilm", "bge", "e5"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return request.getfixturevalue(request.param)


@pytest.fixture
def tokenizer(encoder: Encoder, models: Path) -> Tokenizer:
    """The model's own, read here: not the one that the code under test counts with."""
    folder = next(folder for folder in models.glob("*/") if encoder.model.source == f"folder {folder.name}")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@cache
def trained(kind: str) -> Tokenizer:
    """A tokenizer that looks beyond spaces: what a passage takes alone differs from what it takes in its text."""
    corpus = [ENGLISH, CHINESE, "unaffable river Elbe, the sea. " * 3]
    if kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer: Any = trainers.UnigramTrainer(
            vocab_size=150, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def runtime_with(tokenizer: Tokenizer) -> Runtime:
    runtime = object.__new__(Runtime)
    runtime._counter = tokenizer
    return runtime


class TestAnyText:
    @SLOWER
    @given(text=TEXTS, room=st.integers(0, 20))
    def test_is_cut_into_short_passages_that_lose_nothing(
        self, encoder: Encoder, tokenizer: Tokenizer, text: str, room: int
    ) -> None:
        (spans,) = encoder.split([text], Chunking(LIMIT + room))
        assert_whole(text, spans)
        assert_short(encoder, tokenizer, text, spans, LIMIT + room)

    @SLOWER
    @given(text=TEXTS)
    def test_that_fits_is_one_passage(self, encoder: Encoder, tokenizer: Tokenizer, text: str) -> None:
        stripped = text.strip()
        start = text.index(stripped)
        if len(tokenizer.encode(encoder.model.passage_prefix + stripped)) <= 60:
            assert encoder.split([text], Chunking(60)) == [[(start, start + len(stripped))]]

    @SLOWER
    @given(text=TEXTS, overlap=st.integers(0, 10))
    def test_overlaps_by_no_more_than_was_asked_for(
        self, encoder: Encoder, tokenizer: Tokenizer, text: str, overlap: int
    ) -> None:
        (spans,) = encoder.split([text], Chunking(LIMIT, overlap))
        assert_short(encoder, tokenizer, text, spans, LIMIT)
        assert all(a < c and b < d for (a, b), (c, d) in pairwise(spans)), "each begins and ends later"
        for (_, stop), (start, _) in pairwise(spans):
            shared = text[start:stop]
            assert len(tokenizer.encode(shared, add_special_tokens=False)) <= overlap
        new = [(max(start, before), stop) for (_, before), (start, stop) in pairwise([(0, 0), *spans])]
        kept = "".join(text[start:stop] for start, stop in new)
        assert "".join(kept.split()) == "".join(text.split())

    @SLOWER
    @given(texts=st.lists(TEXTS, max_size=5))
    def test_is_cut_alike_whatever_stands_beside_it(self, minilm: Encoder, texts: list[str]) -> None:
        together = minilm.split(texts, Chunking(LIMIT))
        assert together == [minilm.split([text], Chunking(LIMIT))[0] for text in texts]

    @SLOWER
    @given(text=TEXTS)
    def test_is_not_cut_between_a_letter_and_its_marks(self, minilm: Encoder, text: str) -> None:
        # None of the pieces has more marks than a passage has room for.
        (spans,) = minilm.split([text], Chunking(LIMIT))
        for start, _ in spans[1:]:
            assert not splits_cluster(text, start)

    @SLOWER
    @given(text=TEXTS, kind=st.sampled_from(["unigram", "bytes"]), prefix=st.sampled_from(["", "passage: "]))
    def test_is_cut_for_tokenizers_that_look_beyond_spaces(
        self, minilm: Encoder, text: str, kind: str, prefix: str
    ) -> None:
        tokenizer = trained(kind)
        model = replace(minilm.model, passage_prefix=prefix)
        limit = len(tokenizer.encode(prefix)) + 40
        (spans,) = split([text], Chunking(limit), runtime=runtime_with(tokenizer), model=model)
        assert_whole(text, spans)
        assert all(len(tokenizer.encode(prefix + text[start:stop])) <= limit for start, stop in spans)


class TestSentences:
    def test_fill_a_passage_until_the_next_does_not_fit(self, encoder: Encoder, tokenizer: Tokenizer) -> None:
        text = ENGLISH * 20
        (spans,) = encoder.split([text], Chunking(100))
        ends = sentence_ends(text)
        for start, stop in spans[:-1]:
            assert stop in ends
            longer = encoder.model.passage_prefix + text[start : ends[ends.index(stop) + 1]]
            assert len(tokenizer.encode(longer)) > 100

    def test_in_english(self, minilm: Encoder) -> None:
        assert passages(minilm, ENGLISH, max_tokens=26) == [
            "Dr. Smith lived in the U.S. for 3.14 years.",
            "He wrote to Mrs. Jones every week! Did she answer?",
            "Nobody knows, e.g. because the letters burned.\n\nThe house is still there. It has a red door.",
        ]

    def test_in_chinese(self, minilm: Encoder) -> None:
        assert passages(minilm, CHINESE, max_tokens=30) == [
            "北京是中国的首都，人口超过两千万。上海在长江口！",
            "你去过吗？我没有去过，但是我的朋友住在那里。",
        ]

    def test_that_are_too_long_are_cut_at_a_clause(self, minilm: Encoder) -> None:
        text = (
            "The river is very long and cold, the old town is near, and " + "the people there like fish " * 4
        )
        assert passages(minilm, text, max_tokens=20) == [
            "The river is very long and cold, the old town is near,",
            "and" + " the people there like fish" * 3 + " the people",
            "there like fish",
        ]

    def test_without_a_clause_are_cut_at_a_space(self, minilm: Encoder) -> None:
        assert passages(minilm, "fish " * 40, max_tokens=18) == [" ".join(["fish"] * 16)] * 2 + [
            " ".join(["fish"] * 8)
        ]

    def test_without_a_space_are_cut_between_tokens(self, minilm: Encoder) -> None:
        assert passages(minilm, "北" * 40, max_tokens=18) == ["北" * 16, "北" * 16, "北" * 8]

    def test_that_are_short_stand_alone_before_one_that_is_too_long(self, minilm: Encoder) -> None:
        assert passages(minilm, "Oh no. Yes! Now: " + "fish " * 40, max_tokens=18)[0] == "Oh no. Yes!"


class TestOverlap:
    def test_is_of_whole_sentences_where_they_fit(self, minilm: Encoder) -> None:
        text = (
            "One is here. Two is here. Three is here. Four is here. Five is here. Six is here. Seven is here."
        )
        assert passages(minilm, text, max_tokens=18, overlap=5) == [
            "One is here. Two is here. Three is here. Four is here.",
            "Four is here. Five is here. Six is here. Seven is here.",
        ]

    def test_leaves_room_for_the_next_sentence(self, minilm: Encoder) -> None:
        text = "One is here. Two is here. Three is here. Four is here. " + "Fish " * 13 + "swim."
        assert passages(minilm, text, max_tokens=18, overlap=5) == [
            "One is here. Two is here. Three is here. Four is here.",
            "Fish " * 13 + "swim.",
        ]

    def test_is_of_words_inside_a_long_sentence(self, minilm: Encoder) -> None:
        words = " ".join(["one two three four five six seven eight"] * 3)
        assert passages(minilm, words, max_tokens=18, overlap=3) == [
            "one two three four five six seven eight one two three four five six seven eight",
            "six seven eight one two three four five six seven eight",
        ]


class TestOddTexts:
    @pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
    def test_are_cut_into_short_passages(self, encoder: Encoder, tokenizer: Tokenizer, text: str) -> None:
        (spans,) = encoder.split([text], Chunking())
        assert_whole(text, spans)
        assert_short(encoder, tokenizer, text, spans, encoder.model.max_tokens)
        assert not any(splits_cluster(text, start) for start, _ in spans)

    def test_of_several_blocks_lose_nothing(self, encoder: Encoder, tokenizer: Tokenizer) -> None:
        text = ENGLISH * 200 + CHINESE * 200
        (spans,) = encoder.split([text], Chunking())
        assert_whole(text, spans)
        assert_short(encoder, tokenizer, text, spans, encoder.model.max_tokens)

    def test_of_letters_that_take_many_tokens_are_cut_between_them(self, minilm: Encoder) -> None:
        # Each takes eleven bytes, and so as many tokens; three fit.
        text = "👩\u200d👩" * 9
        spans = split([text], Chunking(40), runtime=runtime_with(trained("bytes")), model=minilm.model)[0]
        assert [stop - start for start, stop in spans] == [9, 9, 9]

    def test_with_a_letter_of_more_tokens_than_fit_are_cut_inside_it(self, minilm: Encoder) -> None:
        text = "e" + "\u0351" * 100
        tokenizer = trained("bytes")
        spans = split([text], Chunking(40), runtime=runtime_with(tokenizer), model=minilm.model)[0]
        assert_whole(text, spans)
        assert all(len(tokenizer.encode(text[start:stop])) <= 40 for start, stop in spans)


class TestEncodedPassages:
    def test_are_not_truncated(self, encoder: Encoder) -> None:
        text = ENGLISH * 30
        encoder.encode_passages(passages(encoder, text)[:2])
        assert encoder.stats.n_truncated == 0


class TestArguments:
    def test_no_texts_have_no_passages(self, minilm: Encoder) -> None:
        assert minilm.split([], Chunking()) == []

    @pytest.mark.parametrize("text", ["", " \n\u3000", 3, "\ud800"], ids=repr)
    def test_texts_that_cannot_be_embedded_are_refused(self, minilm: Encoder, text: Any) -> None:
        with pytest.raises(TextError, match="text 1 "):
            minilm.split(["a cat", text], Chunking())

    @pytest.mark.parametrize(
        "chunking", [{"max_tokens": 0}, {"max_tokens": "9"}, {"overlap": -1}, {"overlap": 0.5}]
    )
    def test_numbers_are_whole(self, chunking: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="whole number"):
            Chunking(**chunking)

    def test_passages_are_no_longer_than_the_model_takes(self, minilm: Encoder) -> None:
        with pytest.raises(InputError, match=r"max_tokens is 257, but .* takes 256 at most"):
            minilm.split(["a cat"], Chunking(257))

    def test_a_passage_has_room_beside_the_prefix(self, e5: Encoder) -> None:
        e5.split(["a cat"], Chunking(20))
        with pytest.raises(InputError, match=r"max_tokens is 19, .* take 4: pass at least 20"):
            e5.split(["a cat"], Chunking(19))

    def test_an_overlap_is_at_most_half_a_passage(self, minilm: Encoder) -> None:
        minilm.split(["a cat"], Chunking(42, overlap=20))
        with pytest.raises(InputError, match=r"overlap is 21, .* room for 40 tokens: pass 20 or less"):
            minilm.split(["a cat"], Chunking(42, overlap=21))
