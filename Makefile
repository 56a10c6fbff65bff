# bitsieve: `make help` lists the targets. Each does its own set-up in .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

NATIVE := CMakeLists.txt $(wildcard native/*.cpp native/*.hpp native/*.cmake)

.PHONY: help setup native demo test check check-native check-arm format bench bench-scaling bench-index bench-filters bench-search bench-encoder bench-recall bench-coverage bench-drift bench-readers crash damage clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 18

setup: .venv/dev ## a .venv here with everything for development

native: .venv/dev ## build the C++ kernels again, after a change, into .venv
	@$(BIN)/cmake -S . -B build/native -G Ninja --log-level=WARNING -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	  -DPython_EXECUTABLE=$(abspath $(BIN))/python -Dnanobind_DIR=$$($(BIN)/python -m nanobind --cmake_dir)
	@$(BIN)/cmake --build build/native
	@$(BIN)/cmake --install build/native --prefix $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
	@$(BIN)/python -c 'import bitsieve._native' 2> /dev/null || $(PIP) --no-deps --force-reinstall --editable .
	@touch .venv/native

demo: .venv/report ## experiment 67 on 10,000 Wikipedia texts, with a report and five searches
	$(BIN)/bitsieve demo

test: .venv/native ## the test suite
	$(BIN)/python -m pytest

check: .venv/native ## style, types, who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-native: .venv/dev ## the C++ kernels under AddressSanitizer and UBSan
	@native/tests/check.sh sanitizers

check-arm: .venv/dev ## the kernels for 64-bit ARM in an emulator (needs its compiler and qemu)
	@native/tests/check.sh arm

format: .venv/dev ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/bench ## recall against queries/s, ours and eleven peers, 100,000 real vectors (BENCH="--data synthetic:1000000")
	$(BIN)/python benchmarks/search.py --threads 1 2 $(BENCH)
	$(BIN)/python benchmarks/plots.py benchmarks/results/search-*.json

bench-scaling: .venv/native ## ours at 10,000 to 3,000,000 synthetic vectors: build, memory, queries/s
	$(BIN)/python benchmarks/scaling.py $(BENCH)

bench-index: .venv/bench-index ## an index of 1,000,000 documents on disk, ours and three peers (BENCH="--data bench")
	$(BIN)/python benchmarks/index.py $(BENCH)

bench-filters: .venv/native ## recall under filters that leave 50 % to 0.1 % of 100,000 documents
	$(BIN)/python benchmarks/filters.py $(BENCH)

bench-search: .venv/dev ## does it find what people look for? MRR and recall of known items, by words, meaning and both
	$(BIN)/python benchmarks/known_items.py
	$(BIN)/python benchmarks/keyword_speed.py

bench-encoder: .venv/dev ## texts per second, ours and FastEmbed's own, side by side
	$(BIN)/python benchmarks/encoder.py

bench-recall: .venv/dev ## the README's recall figures, both models by both protocols
	$(BIN)/python benchmarks/recall.py

bench-coverage: .venv/dev ## is a target recall kept as often as promised? 200 calibrations each, seven searches of real data
	$(BIN)/python benchmarks/coverage.py --save

bench-drift: .venv/dev ## does a watch notice when French, or a topic, is added to an English index, and what helps then?
	$(BIN)/python benchmarks/drift.py

crash: .venv/native ## kill writers 3,000 times, cut the power at every write, fail every step (about 20 minutes)
	$(BIN)/python benchmarks/crash.py --save
	$(BIN)/python benchmarks/cuts_and_faults.py

bench-readers: .venv/dev ## do eight readers see whole generations, and wait for nobody, while a writer commits 1,000 times?
	$(BIN)/python benchmarks/readers.py --save

damage: .venv/native ## damage every byte of a small index, one at a time (one to two hours)
	$(BIN)/python benchmarks/damage.py --save

clean: ## remove what the targets above made here
	rm -rf .venv build demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# A stamp for each set of extras, renewed when the dependencies change.
.venv/report: pyproject.toml | .venv/bin/python
	@echo "installing bitsieve into .venv"
	@$(PIP) --editable '.[report]'
	@touch $@

.venv/bench: .venv/native
	@echo "installing the peers of the benchmark into .venv"
	@$(PIP) --editable '.[bench]'
	@touch $@

.venv/bench-index: .venv/native
	@echo "installing the peers of the index's benchmark into .venv"
	@$(PIP) --editable '.[bench-index]'
	@touch $@

.venv/dev: pyproject.toml | .venv/bin/python
	@echo "installing bitsieve and its development tools into .venv"
	@$(PIP) --editable '.[dev]'
	@touch $@ .venv/report .venv/native

# Installing has just built the kernels, so build them only when their sources are newer.
.venv/native: $(NATIVE) | .venv/dev
	@test -e $@ && test -z "$$(find $(NATIVE) -newer $@)" || $(MAKE) --no-print-directory native
