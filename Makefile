# tagger: `make serve MUSIC=~/Music` runs it, `make test` tests it, `make help` lists the rest.
# Needs git, make, and a Python below with venv; everything else goes into $(VENV).

VENV ?= .venv
MUSIC ?= ~/Music
ARGS ?=
# Newest first: the versions that the exact versions in constraints.txt were tested with.
PYTHONS ?= 3.13 3.12 3.11
# Where PyTorch keeps its small builds for machines without a GPU.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
# What `make serve` installs: the checkout, in place, so that changes hold at once.
INSTALL ?= -e .

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help serve test check lint bench torture wheel-check clean
.DEFAULT_GOAL := help

help:  ## list what make can do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 22

serve: $(VENV)/serve.installed  ## run the daemon on MUSIC (default ~/Music); ARGS="--yes" asks nothing
	$(BIN)/tagger serve $(ARGS) "$(patsubst ~%,$(HOME)%,$(MUSIC))"

test: $(VENV)/test.installed  ## make the environment and pass the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

check: lint test  ## format, lint, strict types, import contracts, then the tests

lint: $(VENV)/test.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict tagger trainer
	$(BIN)/lint-imports

bench: $(VENV)/test.installed  ## measure speed and memory, side by side with their yardsticks
	$(BIN)/python -m benchmarks $(ARGS)

torture: $(VENV)/test.installed  ## kill, hinder and mutate for an hour; the next call goes on; ARGS="--minutes 10 --seed 7"
	nice $(BIN)/python -m tests.torture $(ARGS)

wheel-check: $(VENV)/test.installed  ## build the wheel and run it from a clean environment elsewhere
	.ci/wheel $(BIN)/python

clean:  ## remove the environment and what was built
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/serve.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(call install_torch)
	@echo "Installing tagger and what it needs; the first time this takes some minutes."
	$(PIP) install -c constraints.txt $(INSTALL)
	@touch $@

$(VENV)/test.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(call install_torch)
	@echo "Installing tagger, its trainer and its tests; the first time this takes some minutes."
	$(PIP) install -c constraints.txt -e '.[trainer,test]'
	@touch $@ $(VENV)/serve.installed

# Without an NVIDIA driver the CPU build is taken, a tenth of the size: one quick probe whether its index can
# be reached, no retries; where it cannot, the configured index gives what it has.
define install_torch
	@if $(BIN)/python -c 'import torch' 2>/dev/null; then :; \
	elif [ -e /proc/driver/nvidia ] || command -v nvidia-smi >/dev/null 2>&1; then \
		echo "An NVIDIA driver is here: taking PyTorch with CUDA."; \
	elif $(BIN)/python -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=3)' $(TORCH_CPU_INDEX)/torch/ 2>/dev/null; then \
		echo "No NVIDIA driver: taking PyTorch's CPU build."; \
		$(PIP) install --retries 0 --timeout 15 --no-deps --index-url $(TORCH_CPU_INDEX) "$$(grep '^torch==' constraints.txt)" \
			|| echo "That failed; taking the build of the configured package index."; \
	else \
		echo "PyTorch's CPU index cannot be reached: taking the build of the configured package index."; \
	fi
endef

$(BIN)/python:
	@newest=; without_venv=; \
	for version in $(PYTHONS); do for python in python$$version python3 python; do \
		$$python -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" >/dev/null 2>&1 || continue; \
		if $$python -c 'import venv, ensurepip' >/dev/null 2>&1; then newest=$$python; break 2; fi; \
		without_venv=$${without_venv:-$$version}; \
	done; done; \
	if [ -z "$$newest" ] && [ -n "$$without_venv" ]; then \
		echo "Python $$without_venv is here, but its venv module is not. On Debian and Ubuntu:" >&2; \
		echo "    sudo apt-get install python$$without_venv-venv" >&2; exit 1; \
	elif [ -z "$$newest" ]; then \
		echo "No Python that tagger was tested with is here; it needs one of: $(PYTHONS)." >&2; \
		echo "    Debian, Ubuntu:  sudo apt-get install python3 python3-venv" >&2; \
		echo "    Fedora:          sudo dnf install python3" >&2; \
		echo "    elsewhere:       https://www.python.org/downloads/" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$newest ($$($$newest --version))."; \
	$$newest -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
