"""The HTML page of an advice: one file, nothing fetched, nothing unescaped, every figure with its numbers."""

import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from advice_numbers import advice, finalist, model_advice, usual, way

from bitsieve.advice import write_advice
from bitsieve.advice.figures import ticks_between
from bitsieve.errors import MissingExtraError

pytest.importorskip("matplotlib", reason="the page needs bitsieve[report]")
pytest.importorskip("jinja2", reason="the page needs bitsieve[report]")


def test_the_page_fetches_nothing_and_says_all_that_was_said(tmp_path: Path) -> None:
    ways = [way(), way("cells", 248, 0.05, 0.12), way("hamming", 256, 0.2), way("pivots", 192, 3.0)]
    made = advice(
        model_advice(ways, [finalist(i, one) for i, one in enumerate(ways)], best=1, model="a/model")
    )
    page = write_advice(made, tmp_path / "deep" / "advice.html").read_text(encoding="utf-8")
    assert page.count("<svg") == page.count("<details>") == 3
    assert not re.search(r"""(src|href)=["'](?!#)""", page)
    assert "<script" not in page
    assert "had no part in the choice; at least 95%" in page
    assert "<code>bitsieve search INDEX &#34;…&#34; --probe-margin 0.12</code>" in page
    read = html.unescape(re.sub(r"</?code>", "`", page))
    for sentence in made.models[0].text:
        assert sentence in read
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_names_are_escaped_and_models_have_parts_of_their_own(tmp_path: Path) -> None:
    one, other = (
        replace(usual(), model="a/<b>one", embed_ms=8.0),
        replace(usual(), model="a/other", embed_ms=9.0),
    )
    page = write_advice(advice(one, other, name="<i>x</i>"), tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<i>" not in page.replace("<i></i>", "").replace('<i class="on"></i>', "")
    assert "&lt;b&gt;one" in page
    assert page.count("<svg") == 6
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("low", [0.004, 0.0123, 0.05, 0.6, 1.1, 4.4, 62.0, 7_700.0])
@pytest.mark.parametrize("times", [1.6, 2.5, 10.0, 300.0, 1e5])
def test_a_logarithmic_axis_has_ticks_enough_and_not_too_many(low: float, times: float) -> None:
    ticks = ticks_between(low, low * times)
    assert 3 - (times < 2) <= len(ticks) <= 15
    assert ticks == sorted(set(ticks))
    assert low <= ticks[0] <= ticks[-1] <= low * times


@pytest.mark.parametrize("ways", [[], [way(chosen=None)]], ids=["nothing", "not-enough"])
def test_an_advice_against_codes_has_a_page_too(tmp_path: Path, ways: list) -> None:
    page = write_advice(advice(model_advice(ways, [], best=None)), tmp_path / "a.html").read_text(
        encoding="utf-8"
    )
    assert "Within 32 bytes a vector no codes keep 95%" in page


def test_a_page_without_what_draws_it_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bitsieve\[report\]'"):
        write_advice(advice(usual()), tmp_path / "a.html")


def test_json_keeps_an_advice_with_its_format() -> None:
    facts = json.loads(json.dumps(advice(usual()).to_dict()))
    assert (facts["format"], facts["format_version"]) == ("bitsieve-advice", 1)
    first = facts["models"][0]
    assert first["ways"][0]["points"][1] == {
        "effort": 140, "recall": {"value": 0.965, "low": 0.95, "high": 0.975}, "low": 0.955, "ms": 0.12,
    }  # fmt: skip
    assert first["finalists"][0]["way"] == 0
    assert first["text"][0].startswith("Take 192 bits")


def test_measuring_needs_nothing_that_draws() -> None:
    code = "import sys, bitsieve.advice; print([m for m in ('matplotlib', 'jinja2', 'fastembed') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
