"""The recommendation in words, from invented numbers."""

import re
import shlex
from dataclasses import replace

import numpy as np
import pytest
from advice_numbers import SETUP, finalist, model_advice, point, usual, way
from typer.main import get_command

from bitsieve.advice.results import Held
from bitsieve.advice.setup import Setup
from bitsieve.advice.tables import rounded_down
from bitsieve.advice.words import is_worth, of_model, of_models
from bitsieve.cli import app
from bitsieve.errors import InputError
from bitsieve.evaluation.report.numbers import percent
from bitsieve.recall import lower_bound


def test_codes_that_save_much_are_recommended_with_bound_memory_and_how_to_have_them() -> None:
    text = of_model(usual(), SETUP)
    assert text[0] == (
        "Take 192 bits, 140 candidates, 24 bytes a vector: 0.12 ms a query, where exact search through 100,000 vectors "
        "takes 6.50 ms."
    )
    assert text[1] == (
        "Recall@10 was 96.1% on 500 queries that had no part in this choice; with 95% confidence it is at least 95%."
    )
    assert "Cascade(ITQ(192))" in text[2]
    assert "n_candidates=140" in text[2]
    assert "2.4 MB of memory" in text[3]
    assert "1,924 bytes a vector" in text[3]  # 384 + 4 + 4 · 384


def test_pivots_that_cost_more_than_they_save_are_named_with_both_times() -> None:
    assert (
        "Pivots cost more than they save here: at 0.17 they remove 40% of the corpus, and a query takes 3.50 ms with "
        "them and 0.12 ms without."
    ) in of_model(usual(), SETUP)


def test_pivots_that_save_time_are_named_with_the_bytes_they_take() -> None:
    ways = [way(ms=0.5), way("pivots", ms=0.2)]
    text = of_model(model_advice(ways, [finalist(0, ways[0]), finalist(1, ways[1])], best=0), SETUP)
    assert any(
        s.startswith("Pivots save time here") and "32 bytes a vector more, beyond the budget of 32" in s
        for s in text
    )


def test_that_there_are_no_pivots_is_said() -> None:
    ways = [way()]
    text = of_model(model_advice(ways, [finalist(0, ways[0])], best=0), SETUP)
    assert "Pivots were not tried: too few of the vectors differ to choose any." in text


def test_pivots_that_lose_the_target_are_said_to() -> None:
    ways = [way(), way("pivots", chosen=None)]
    text = of_model(model_advice(ways, [finalist(0, ways[0])], best=0), SETUP)
    assert "Pivots lose too much: behind them codes do not keep 95%." in text


def test_a_small_corpus_is_told_that_codes_are_not_worth_it_by_measured_times() -> None:
    ways = [way(ms=0.03, effort=70)]
    small = model_advice(
        ways, [finalist(0, ways[0])], best=0, exact_ms=0.48, n_vectors=10_000, n_total=11_000, embed_ms=8.0
    )
    assert not small.worth
    assert of_model(small, SETUP)[:2] == [
        "Codes are not worth it here: exact search through 10,000 vectors takes 0.48 ms a query, and codes would save "
        "0.45 ms of it; embedding the query takes 8.00 ms. An index as it comes will do, and can be asked for a "
        "recall: Index.create, then search with target_recall=0.95.",
        "If you take codes all the same, take 192 bits, 70 candidates, 24 bytes a vector: 0.030 ms.",
    ]
    of_texts = of_model(replace(small, model="a/model"), SETUP)[0]
    assert of_texts.endswith(
        '`bitsieve index CORPUS -o INDEX`, then `bitsieve search INDEX "…" --target-recall 0.95`.'
    )


def test_codes_slower_than_exact_search_are_not_worth_it() -> None:
    ways = [way(ms=0.6)]
    text = of_model(model_advice(ways, [finalist(0, ways[0])], best=0, exact_ms=0.5), SETUP)
    assert "no codes are faster" in text[0]


def test_what_codes_save_is_judged_by_all_vectors_there_are() -> None:
    assert not is_worth(0.5, 10_000, 10_000)
    assert is_worth(0.5, 10_000, 100_000)


def test_the_budget_is_kept_and_what_lies_beyond_is_named() -> None:
    ways = [way(n_bits=64, chosen=None), way(n_bits=384, effort=100)]
    text = of_model(model_advice(ways, [], best=None), SETUP)
    assert text[0].startswith(
        "Within 32 bytes a vector no codes keep 95% recall@10 for sure; 384 bits, 100 candidates do in 48 bytes "
        "(--budget-bytes)."
    )
    assert not any("--n-bits" in sentence for sentence in text)


def test_too_few_queries_to_be_sure_are_said_to_be() -> None:
    ways = [way(chosen=None)]
    text = of_model(model_advice(ways, [], best=None, n_choosing=20, n_trying=20, confidence=0.95), SETUP)
    assert "are too few to be sure of 95%" in text[0]


@pytest.mark.parametrize(
    ("n_choosing", "n_trying", "confidence", "fewest"),
    [(40, 200, 0.99, (40, 0.95)), (200, 40, 0.95, (40, 0.95)), (60, 60, 0.99, (60, 0.99))],
)
def test_too_few_queries_are_told_what_would_be_sure_of_both_halves_each_at_its_confidence(
    n_choosing: int, n_trying: int, confidence: float, fewest: tuple[int, float]
) -> None:
    few = model_advice(
        [way(chosen=None)], [], best=None, n_choosing=n_choosing, n_trying=n_trying, confidence=confidence
    )
    n, at = fewest
    sure = percent(rounded_down(lower_bound(np.ones(n), at)))
    assert f"had they found everything, no more than {sure} would be sure" in of_model(few, SETUP)[0]


def test_where_queries_are_too_few_nothing_is_blamed_on_the_budget() -> None:
    ways = [way(chosen=None), way("hamming", chosen=None), way("pivots", chosen=None)]
    few = model_advice(ways, [], best=None, n_choosing=1, n_trying=2)
    said = of_model(few, Setup(n_queries=3))
    assert said[0].startswith("1 query to choose and 2 to try are too few to be sure of 95%")
    assert "Ask more of them: --n-queries." in said[0]
    assert "Give more with --queries." in of_model(few, SETUP)[0]
    assert not any("budget" in sentence or "Pivots" in sentence for sentence in said)


def test_what_is_found_but_not_surely_is_not_called_out_of_reach() -> None:
    ways = [way(chosen=None), way("hamming", chosen=None, points=[point(100, 0.9, 0.1)])]
    text = of_model(model_advice(ways, [], best=None, n_choosing=100, n_trying=100), SETUP)
    assert (
        "Asymmetric: 99.2% was found within the budget, but 200 queries are too few to be sure of 95%."
        in text
    )
    assert "By Hamming distance: 95% is out of reach within the budget." in text


def test_a_budget_of_one_byte_is_one_byte() -> None:
    text = of_model(model_advice([way(chosen=None)], [], best=None), Setup(budget_bytes=1))
    assert text[0].startswith("Within 1 byte a vector no codes")


def test_a_target_of_all_is_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match="no number of queries makes sure"):
        Setup(target_recall=1)


def test_fewer_bytes_that_do_are_named() -> None:
    assert "Fewest bytes: 64 bits, 1,800 candidates, 8 bytes, 0.34 ms." in of_model(usual(), SETUP)


def test_cells_are_recommended_with_their_margin_and_plain_codes_beside_them() -> None:
    ways = [way(), way("cells", 248, 0.05, 0.12)]
    many = model_advice(ways, [finalist(0, ways[0]), finalist(1, ways[1])], best=1)
    text = of_model(many, SETUP)
    assert text[0].startswith(
        "Take 512 cells with codes of 248 bits, probe margin 0.12, 32 bytes a vector: 0.050 ms"
    )
    assert "An index of so many passages has such cells: search it with probe_margin=0.12." in text
    of_texts = of_model(replace(many, model="a/model"), SETUP)
    assert any('search it with `bitsieve search INDEX "…" --probe-margin 0.12`.' in s for s in of_texts)
    assert "Without cells: 192 bits, 140 candidates, 24 bytes, 0.12 ms." in text
    deep = of_model(many, Setup(k=60))
    assert (
        "An index of so many passages has such cells: search it with probe_margin=0.12, n_candidates=960."
        in deep
    )
    few = of_model(replace(many, n_total=30_000, n_vectors=29_000), SETUP)
    assert "That is Cascade(cells=Cells(512, n_bits=248)), searched with probe_margin=0.12." in few


def test_hamming_distance_is_named_where_it_wins() -> None:
    ways = [way("hamming", 256, 0.05, 470)]
    text = of_model(model_advice(ways, [finalist(0, ways[0])], best=0), SETUP)
    assert text[0].startswith("Take 256 bits, 470 candidates by Hamming distance, 32 bytes a vector")
    assert "scoring='hamming', n_candidates=470" in text[2]
    assert "Asymmetric: 95% is out of reach within the budget." in text


def test_a_small_indexs_bits_are_an_option_of_its_making() -> None:
    small = replace(usual(), n_total=20_000, n_vectors=19_000)
    assert "Make the index with n_bits=192 (Index.create) and search it with n_candidates=140." in of_model(
        small, SETUP
    )
    assert (
        "Make the index with `bitsieve index CORPUS --n-bits 192 -o INDEX` and search it with "
        '`bitsieve search INDEX "…" --candidates 140`.'
    ) in of_model(replace(small, model="a/model"), SETUP)


def test_of_so_few_that_an_index_compares_all_no_choice_is_needed_and_codes_are_a_cascade() -> None:
    ways = [way(ms=0.03, effort=70)]
    few = model_advice(
        ways, [finalist(0, ways[0])], best=0, exact_ms=0.2, n_vectors=3_000, n_total=4_095, model="a/model"
    )
    text = of_model(few, SETUP)
    assert text[0].endswith(
        "An index compares all of fewer than 4,096 vectors and needs no choice: `bitsieve index CORPUS -o INDEX`, "
        'then `bitsieve search INDEX "…"`.'
    )
    assert "That is Cascade(ITQ(192)), searched with n_candidates=70." in text
    assert not any("--candidates" in sentence or "--target-recall" in sentence for sentence in text)
    assert of_model(replace(few, model=None), SETUP)[0].endswith("no choice: Index.create, then search.")
    held = replace(few, index=Held("own.sieve", None, embeds=True))
    assert of_model(held, SETUP)[0].endswith("fewer than 4,096 vectors and needs no choice.")
    assert any("needs no choice" in s for s in of_model(replace(few, best=None, worth=False), SETUP))
    shrunk = replace(few, index=Held("own.sieve", 192, embeds=True))
    assert not any("needs no choice" in sentence for sentence in of_model(shrunk, SETUP))
    assert not any("needs no choice" in sentence for sentence in of_model(replace(few, n_total=4_096), SETUP))


def test_an_index_that_is_there_is_calibrated_and_not_made_again() -> None:
    own = replace(usual(), model="a/model", worth=False, n_total=20_000)
    held = replace(own, index=Held("my own.sieve", 128, embeds=True))
    assert of_model(held, Setup(k=5))[0].endswith(
        "The index as it is will do, and can be asked for a recall: "
        "`bitsieve calibrate 'my own.sieve' --target-recall 0.95 -k 5`, then "
        "`bitsieve search 'my own.sieve' \"…\" --target-recall 0.95 -k 5`."
    )
    worth = of_model(replace(held, worth=True), SETUP)
    assert any(s.startswith("Make another index with") and "`bitsieve calibrate 'my own" in s for s in worth)
    same = of_model(replace(held, worth=True, index=Held("own.sieve", 192, embeds=True)), SETUP)
    assert (
        'The index has codes of so many bits: search it with `bitsieve search own.sieve "…" --candidates 140`.'
        in same
    )


def test_an_index_of_vectors_without_a_model_gets_no_command_that_embeds() -> None:
    cells = way("cells", 248, 0.05, 0.12)
    index = Held("own.sieve", 128, embeds=False)
    small = replace(usual(), model="my own", index=index, n_total=20_000)
    of_cells = model_advice([cells], [finalist(0, cells)], best=0, model="my own", index=index)
    said = " ".join(
        [
            *of_model(small, SETUP),
            *of_model(replace(small, worth=False), SETUP),
            *of_model(of_cells, SETUP),
        ]
    )
    assert "then search with target_recall=0.95." in said
    assert "Make another index with n_bits=192 (Index.create) and search it with n_candidates=140." in said
    assert "search it with probe_margin=0.12." in said
    assert set(re.findall(r"`bitsieve ([a-z]+)", said)) == {"calibrate"}


def test_commands_that_are_recommended_exist_with_their_options() -> None:
    small = replace(usual(), n_total=20_000, n_vectors=19_000, model="a/model")
    cells = way("cells", 248, 0.05, 0.12)
    of_cells = model_advice([cells], [finalist(0, cells)], best=0, model="a/model")
    held = Held("my own.sieve", 128, embeds=True)
    said = " ".join(
        [
            *of_model(small, SETUP),
            *of_model(replace(small, worth=False), SETUP),
            *of_model(of_cells, SETUP),
            *of_model(of_cells, Setup(k=60)),
            *of_model(replace(small, index=held), Setup(k=5)),
            *of_model(replace(small, index=held, worth=False), Setup(k=5)),
        ]
    )
    lines = re.findall(r"`bitsieve ([^`]+)`", said)
    assert len(lines) == 16
    for line in lines:
        name, *words = shlex.split(line)
        command = get_command(app).commands[name]  # type: ignore[attr-defined]
        command.make_context(name, words)


def test_a_sample_is_said_to_be_one() -> None:
    text = of_model(replace(usual(), n_total=3_000_000), SETUP)
    assert any(
        s.startswith("Measured on 100,000 of 3,000,000 vectors") and "30 times as long" in s for s in text
    )
    assert not any("Measured on" in sentence for sentence in of_model(usual(), SETUP))


def test_queries_of_your_own_are_not_warned_of() -> None:
    assert any("--queries" in sentence for sentence in of_model(usual(), SETUP))
    own = replace(usual(), asked_by="queries of your own")
    assert not any("--queries" in sentence for sentence in of_model(own, SETUP))


def test_targets_are_shown_as_they_were_asked_for() -> None:
    assert "keep 98.5%" in " ".join(
        of_model(model_advice([way(chosen=None)], [], None), Setup(target_recall=0.985))
    )


def test_models_are_set_beside_each_other_with_what_embedding_takes() -> None:
    one, other = (
        replace(usual(), model="a/one", embed_ms=8.0),
        replace(usual(), model="a/other", embed_ms=28.0),
    )
    text = of_models([one, other], SETUP)
    assert text[0] == "a/one: 192 bits, 140 candidates, searching 0.12 ms; embedding a query 8.00 ms."
    assert "not which model finds the better texts" in text[-1]
    assert of_models([one], SETUP) == []
    few = replace(one, best=None, n_choosing=10, n_trying=10)
    assert "too few queries to be sure of 95%" in of_models([few, other], SETUP)[0]
    assert (
        "nothing within the budget surely reaches 95%"
        in of_models([replace(one, best=None), other], SETUP)[0]
    )
