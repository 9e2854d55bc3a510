# Everything a contributor runs, from a clone with python3 (3.11 or newer), make and git.
# Each target sets up what it needs first; a second set-up costs a tenth of a second.
#
#   make demo     the site, a stand-in Bakong and its phone, ready to try        (Ctrl-C stops all)
#   make test     every check and every test, on PostgreSQL and on SQLite        ARGS="-k name -x"
#   make check    formatting, lint, types, import rules
#   make setup    .venv with all tools; Chromium, Khmer fonts, PostgreSQL, Node on Debian as root
#   make bench    every benchmark, each against a baseline of the same run (minutes; needs a quiet machine)
#   make prove    days of payments by the simulator, hostile answers, kills, races; 20,000 questions to the official
#                 SDK and to us; writes docs/reliability.md       N=2000 (runs) SEED=1 JOBS=2      (hours)
#   make mutate   mutants of the modules that decide about money (an hour)       ARGS="--only matching"
#   make fuzz     a million inputs for the codec, guided by coverage             ARGS="--inputs 10000"
#   make docs     the documentation as pages, in site/          make screenshots  its pictures
#   make gallery  every page in every state, width, language and theme; fails on axe, overflow, cut text
#   make build    the wheel and the source archive, in dist/
#   make wheel-test   both installed into empty environments on every Python from 3.11 that is here  ARGS="3.12"
#   make badges   the README's badges, from what the last `make test` and `make wheel-test` measured
#   make lock     pin requirements/*.txt again after pyproject.toml changed
#
# Every change comes with a test that was red without it; `make test` is what the server runs too.
# Files: docs/architecture.md says which room a change belongs to, `make check` holds the walls.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
export UV_PYTHON_DOWNLOADS := never

.PHONY: setup runtime test check demo docs screenshots gallery build wheel-test badges bench prove mutate fuzz lock clean

setup:
	@$(PYTHON) scripts/setup.py dev

# The site alone, without the tools: what `make demo` waits for in a new clone.
runtime:
	@$(PYTHON) scripts/setup.py runtime

test: check
	@$(BIN)/python scripts/run_tests.py $(ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@# the types of Django's models are read from the running settings, which want a key or DEBUG
	VINFLOW_ENV_FILE= DEBUG=on $(BIN)/mypy
	$(BIN)/lint-imports

demo: runtime
	@$(BIN)/vinflow demo $(ARGS)

build: setup
	$(BIN)/uv build --quiet --no-build-isolation --out-dir dist

# Takes packages from the registry: an empty environment has none.
wheel-test: setup
	@$(BIN)/python scripts/wheel_test.py $(ARGS)

badges: setup
	$(BIN)/python scripts/badges.py

docs: setup
	$(BIN)/python scripts/reference.py
	$(BIN)/zensical build --clean --strict -f mkdocs.yml

screenshots: setup
	@PYTHONPATH=. $(BIN)/python scripts/screenshots.py

gallery: setup
	@PYTHONPATH=. $(BIN)/python -m scripts.gallery $(ARGS)

BENCHES := client sandbox ledger verify schedule settlement khqr pages
bench: setup
	@for name in $(BENCHES); do echo "== $$name"; $(BIN)/python -m bench.$$name || exit 1; done

# What is too long for every day: the simulator's campaign, hostile answers, kills and races at full length, the
# whole grid of late money, the many rivals, twenty thousand questions put to the official codec too, a million inputs
# made for ours. Each leaves
# its figures in var/prove/; the report is written even when something broke, and says so.
N ?= 2000
SEED ?= 1
JOBS ?= 2
prove: setup
	@bad=0; \
	PROVE=1 $(BIN)/pytest -q -n 2 tests/payments/test_late_grid.py tests/payments/test_reconciling.py || bad=1; \
	PROVE=1 TEST_DATABASE=postgres $(BIN)/pytest -q tests/payments/test_rivals.py tests/payments/test_money_back_rivals.py \
		tests/payments/test_reconciling.py tests/wallet/test_wallet_many_writers.py || bad=1; \
	PROVE=1 TEST_DATABASE=postgres $(BIN)/pytest -q tests/proof || bad=1; \
	PROVE=1 $(BIN)/pytest -q tests/bakong/test_hostile_answers.py tests/proof || bad=1; \
	$(BIN)/python -m bench.khqr_differential $(ARGS) || bad=1; \
	nice -n 10 $(BIN)/python -m fuzz.khqr --seed $(SEED) || bad=1; \
	$(BIN)/python -u -m tests.proof --runs $(N) --from $(SEED) --jobs $(JOBS) || bad=1; \
	$(BIN)/python -m tests.proof.report || bad=1; \
	exit $$bad

mutate: setup
	@nice -n 10 $(BIN)/python scripts/mutate.py $(ARGS)

fuzz: setup
	@nice -n 10 $(BIN)/python -m fuzz.khqr $(ARGS)

# Exact versions and hashes, no addresses: an address would name one registry for everybody.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: setup
	echo "uv==0.13.9" | $(COMPILE) - -o requirements/uv.txt
	$(COMPILE) pyproject.toml --group build -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --all-extras --group dev -o requirements/dev.txt

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
