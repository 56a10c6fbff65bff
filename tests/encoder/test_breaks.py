"""Laws of breaks: hand-checked sentences in many languages, and never a cut between a letter and its marks."""

import doctest
import unicodedata
from itertools import pairwise
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsieve.encoder import breaks
from bitsieve.encoder.breaks import CLAUSE_END, WORD_END, sentence_ends, splits_cluster

# A bar stands where a sentence ends.
SENTENCES = {
    "plain": "One came.| Two went!| Did three stay?| Nobody knows",
    "title": "Dr. Smith met Mrs. Jones at St. Mary's.| They left.",
    "initials": "J. S. Bach and W. A. Mozart never met.| George W. Bush was no composer.",
    "dotted": "The U.S. Army came, e.g. This one.| It left at 5 p.m. for Rome.",
    "numbers": "It weighs 3.14 kg or 1,000.5 lb.| It was 1990.| 25 people came to No. 5.",
    "year": "It began in 1990.| It ended in 2001.",
    "list": "1. Introduction to codes\n\n|2. Their use",
    "small letter": '"Stop!" he said.| Yahoo! was a company... and is.| Really?',
    "quotes": "“Who is it?”| “It is I.”| (He was late.)| ‘No.’| She left.",
    "many marks": "What?!| No...| Well… maybe…| Yes!!!| Good.",
    "address": "See www.example.com/a.html?b=c.d and mail me@example.org today.| Thanks.",
    "blank line": "A heading\n\n|and text that goes on\nin the next line\n \t\n|a third",
    "windows lines": "A heading\r\n\r\n|and text",
    "separator": "A heading\u2029|and text",
    "german": "Am 3. Oktober 1990 kam bzw. Ging Prof. Dr. Müller nach St. Gallen.| Im 19. Jahrhundert nicht.",
    "french": "M. Dupont et Mme. Durand sont là.| Où est-il ?| « Ici. »| Bien sûr !",
    "spanish": "La Sra. Gómez llegó.| ¿Dónde está?| ¡Aquí!",
    "russian": "В 1799 году в г. Москве родился А. С. Пушкин.| Он умер в 1837.",
    "greek": "Ήρθε ο Γιάννης.| Έφυγε η Μαρία.",
    "georgian": "თბილისი დედაქალაქია.| ის დიდია.",
    "chinese": "北京是中国的首都。|人口超过两千万！|真的吗？|是的……当然。|“你好。”|他走了。",
    "chinese numbers": "圆周率约为3.14。|2020年是闰年。",
    "japanese": "東京は日本の首都です。|「本当ですか？」|はい！",
    "hindi": "दिल्ली भारत की राजधानी है।| यह बड़ी है॥| क्या सच है?| हाँ",
    "bengali": "ঢাকা বাংলাদেশের রাজধানী।|এটি বড়।",
    "arabic": "القاهرة عاصمة مصر.| هل هي كبيرة؟| نعم!",
    "urdu": "لاہور ایک شہر ہے۔| یہ بڑا ہے۔",
    "tamil": "சென்னை ஒரு நகரம்.| அது பெரியது.| இது சிறிய.| ஆம்",
    "armenian": "Երևանը մայրաքաղաքն է։| Այն մեծ է։",
    "amharic": "አዲስ አበባ ዋና ከተማ ናት።| ትልቅ ናት።",
    "burmese": "ရန်ကုန်သည် မြို့ကြီးဖြစ်သည်။| နေပြည်တော်သည် မြို့တော်ဖြစ်သည်။",
}

CLUSTERS = {
    "accent": "e\u0301",
    "many accents": "e\u0301\u0302\u0303\u0304",
    "keycap": "1\ufe0f\u20e3",
    "family": "👩\u200d👩\u200d👧\u200d👦",
    "skin": "👍🏽",
    "flag": "🇩🇪",
    "flag of England": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "vowel sign": "कि",
    "conjunct": "क्ष",
    "hangul": "\u1112\u1161\u11ab",
    "dakuten": "か\u3099",
}


@pytest.mark.parametrize("marked", SENTENCES.values(), ids=SENTENCES)
def test_sentences_end_where_a_reader_ends_them(marked: str) -> None:
    sentences = marked.split("|")
    text = "".join(sentences)
    cuts = [0, *sentence_ends(text)]
    found = [text[start:end].strip() for start, end in pairwise(cuts)]
    assert found == [sentence.strip() for sentence in sentences]


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)
def test_a_cluster_is_cut_nowhere_inside_and_on_both_sides(cluster: str) -> None:
    text = f"a{cluster * 3}b"
    allowed = [at for at in range(1, len(text)) if not splits_cluster(text, at)]
    assert allowed == [1 + len(cluster) * times for times in range(4)]


@given(st.text())
def test_sentence_ends_rise_to_the_end_of_the_text(text: str) -> None:
    ends = sentence_ends(text)
    assert all(a < b for a, b in pairwise([0, *ends]))
    assert ends[-1:] == ([len(text)] if text else [])


@given(st.text(alphabet="aB1 .!?。！\n\"'”)\u0301\ufe0f👍🏽", max_size=60))
def test_no_sentence_begins_with_a_mark_of_the_one_before(text: str) -> None:
    for end in sentence_ends(text)[:-1]:
        rest = text[end:].lstrip()
        begins_line = text[: len(text) - len(rest)].endswith("\n")
        assert begins_line or not rest or unicodedata.category(rest[0]) != "Mn"


def test_clauses_and_words_end_behind_their_last_character() -> None:
    text = "one, two: 10:30 — 1,000; 三，四\nfive"
    assert [text[: match.end()] for match in CLAUSE_END.finditer(text)] == [
        "one,",
        "one, two:",
        "one, two: 10:30 —",
        "one, two: 10:30 — 1,000;",
        "one, two: 10:30 — 1,000; 三，",
        "one, two: 10:30 — 1,000; 三，四\n",
    ]
    assert [match.end() for match in WORD_END.finditer("one  two\tthree\n")] == [3, 8, 14]


@pytest.mark.parametrize("piece", [".", ". ", '."', "A. ", "\n \n", "(", "\n ", "？"], ids=repr)
def test_the_time_for_odd_texts_grows_with_their_length(piece: str) -> None:
    text = piece * 30_000
    started = perf_counter()
    sentence_ends(text)
    assert perf_counter() - started < 2, "a quadratic pattern takes far longer"


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(breaks).failed == 0
