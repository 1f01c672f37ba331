# Needs only Python 3.11 or newer, pip and make. `make demo` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.stamp
TORCH_STAMP := $(VENV)/.stamp-torch
OUT ?= out
WORKERS ?= 2
PYTEST_FLAGS ?=

.PHONY: env demo test test-all lint coverage docs bench clean
.DEFAULT_GOAL := env

env: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "picojoule needs Python 3.11 or newer; set PYTHON=...")'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	$(PY) -c 'from picojoule import best_mapping; from picojoule.search.warm import compile_kernels; compile_kernels(best_mapping)'
	@touch $@

# The main job: ResNet-50 as ONNX (it comes with the onnx package), layer by layer onto Eyeriss.
demo: env
	@mkdir -p $(OUT)
	$(VENV)/bin/pj map "$$($(PY) -c 'import onnx, pathlib; print(pathlib.Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx")')" \
		--on eyeriss --html $(OUT)/resnet50-eyeriss.html

# Tests marked `torch` need PyTorch. It is installed only where pip offers a CPU build (a CUDA build takes gigabytes);
# otherwise those tests skip and say why. The same holds for onnxruntime and scikit-learn. The rest of the suite needs none of it.
$(TORCH_STAMP): $(STAMP) requirements-extra.lock
	@if ! $(PY) -c 'import torch' 2>/dev/null; then \
		plan="$$($(PY) -m pip install --disable-pip-version-check --dry-run torch==2.13.0 2>&1)"; \
		case "$$plan" in \
			*nvidia-*) echo "no CPU build of PyTorch offered here: tests marked torch will skip (any installed torch is used)";; \
			*"Would install"*) timeout 300 $(PY) -m pip install --quiet --disable-pip-version-check torch==2.13.0 \
				|| echo "PyTorch could not be installed: tests marked torch will skip";; \
			*) echo "PyTorch is not available here: tests marked torch will skip";; \
		esac; \
	fi
	@timeout 300 $(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-extra.lock \
		|| echo "onnxruntime, scikit-learn and torch-pruning could not be installed: their tests will skip"
	@touch $@

test: env $(TORCH_STAMP)
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_FLAGS)

test-all: env $(TORCH_STAMP)
	$(PY) -m pytest -m "" -n $(WORKERS) --dist worksteal $(PYTEST_FLAGS)

lint: env
	$(VENV)/bin/ruff check picojoule tests bench
	$(VENV)/bin/ruff format --check --quiet picojoule tests bench
	$(VENV)/bin/mypy

# Lines that no test reaches. Compiled code is invisible to the tool, so the kernels' tests run once more as plain Python.
coverage: env $(TORCH_STAMP)
	$(PY) -m coverage run -m pytest -q -p no:xdist
	NUMBA_DISABLE_JIT=1 $(PY) -m coverage run --append -m pytest -q -p no:xdist tests/search/test_kernels.py
	$(PY) -m coverage report --skip-covered --sort=cover

# The pages of docs/ as a site in $(OUT)/docs, with a reference made from docstrings; any warning is an error.
$(VENV)/.stamp-docs: $(STAMP) requirements-docs.lock
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-docs.lock
	@touch $@

docs: $(VENV)/.stamp-docs
	$(PY) -m sphinx -q -W --keep-going -b html docs $(OUT)/docs
	@echo "site: $(OUT)/docs/index.html"

bench: env
	$(PY) bench/run.py

clean:
	rm -rf $(OUT) .pytest_cache .hypothesis .mypy_cache .ruff_cache
