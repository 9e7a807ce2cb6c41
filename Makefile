PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: install run test test-all test-clusters soak lint clean

install: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "lhlbench needs Python >= 3.11; name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: install
	$(VENV)/bin/lhlbench run --method had --sequence rooms_s1

test: install
	$(VENV)/bin/python -m pytest -n auto --dist loadgroup -m "not thorough"

test-all: install
	$(VENV)/bin/python -m pytest -n auto --dist loadgroup

soak: install
	$(VENV)/bin/python -m tests.soak

# Starts a Slurm (Debian: slurmctld slurmd slurm-client munge; as root) and a Ray cluster here.
test-clusters: install
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[slurm,ray]'
	LHLBENCH_TEST_CLUSTERS=required $(VENV)/bin/python -m pytest tests/clusters

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info
