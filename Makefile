# make demo    set everything up and score a clip of the repository
# make test    the tests, on two processes (JOBS=1 for one)
# make check   lint, format, types
# make bench   what takes how long, measured
# make students DATA=… WORK=… INIT=FILE train, evaluate and export the three students
# make docs    regenerate the parts of docs/ that are printed by the program
VENV ?= .venv
PYTHON ?= python3
# Processes that run the tests.
JOBS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: install install-dev demo test check format bench students docs clean

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -c constraints.txt --group dev -e ".[train]"
	touch $@

demo: install
	$(BIN)/vmafsal --reference fixtures/yuv/demo_ref.mp4 --distorted fixtures/yuv/demo_dist.mp4 --output demo.json
	$(BIN)/python -m json.tool --indent 2 demo.json | head -n 24
	$(BIN)/vmafsal models
	@echo "Try next: $(BIN)/vmafsal YOUR_VIDEO --output score.json, and see README.md for the rest."

test: install-dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install-dev
	$(BIN)/python -m benchmarks

students: install-dev
	$(BIN)/python -m train run recipes/saliency_student_v1.toml --data $(DATA) --work $(WORK) --status superseded
	$(BIN)/python -m train run recipes/saliency_student_v2.toml --data $(DATA) --work $(WORK)
	$(BIN)/python -m train run recipes/saliency_student_v3.toml --data $(DATA) --work $(WORK) --init $(INIT) --default

docs: install-dev
	$(BIN)/python -m docs.generate

clean:
	rm -rf $(VENV) build dist demo.json
