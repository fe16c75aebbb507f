# Works with GNU make 3.81 (macOS) and later. Everything installed goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# The first of these that is Python 3.11 or later and can make virtual environments is taken.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11

.DEFAULT_GOAL := help
.PHONY: help run test lint types check bench docs lock clean venv runtime dev

help: ## show this list
	@echo "make TARGET [ARGS=\"...\"]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-6s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: runtime ## install what the server needs, then start it (ARGS: options of parley serve)
	@exec $(BIN)/parley serve $(ARGS)

test: dev ## run all tests, several at once (ARGS: options of pytest); ends with what could not run here and why
	@$(BIN)/python -m pytest -n auto $(ARGS)

lint: dev ## check style and common mistakes with ruff
	@$(BIN)/ruff check .

types: dev ## check types with mypy
	@$(BIN)/mypy

check: lint types test ## lint, types and test

bench: dev ## measure, beside other servers (ARGS: options of the benchmark)
	@$(BIN)/python -m bench $(ARGS)

docs: dev ## write the reference pages of docs/ from the code
	@$(BIN)/python -m docs.reference

# The locks serve every supported Python and platform; versions move only as far as pyproject.toml allows.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: dev ## renew constraints*.txt after a change of pyproject.toml (ARGS=--upgrade: newest versions)
	@$(COMPILE) $(ARGS) pyproject.toml -o constraints.txt >/dev/null
	@$(COMPILE) $(ARGS) --extra dev --extra loadtest -c constraints.txt pyproject.toml -o constraints-dev.txt >/dev/null

clean: ## remove .venv and what tools and builds left (the server's data stays)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find app tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A virtual environment is tied to its interpreter's version and to its own place: where one of them has
# changed it is made anew.
IDENTITY := $(BIN)/python -c 'import sys; print(*sys.version_info[:2], sys.prefix)'

venv:
	@identity=$$($(IDENTITY) 2>/dev/null) && [ "$$identity" = "$$(cat $(VENV)/identity 2>/dev/null)" ] && exit 0; \
	found= bare=; \
	for python in $(PYTHON); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then found=$$python; break; fi; \
	    bare=$${bare:-$$python}; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	    echo "$$bare cannot make virtual environments: its module ensurepip is missing." >&2; \
	    echo "On Debian and Ubuntu: apt install python3-venv; then try again." >&2; \
	    exit 1; \
	elif [ -z "$$found" ]; then \
	    echo "Parley needs Python 3.11 or later; none of these is: $(PYTHON)." >&2; \
	    echo "Install one, or name it: make $(firstword $(MAKECMDGOALS)) PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	"$$found" -m venv --clear $(VENV) && $(IDENTITY) >$(VENV)/identity

# $(call install,LOCK): the pinned packages, then Parley itself in place. Contents decide whether there is
# anything to do, not time stamps, which a checkout changes without need.
define install
@want=$$(cat $(1) pyproject.toml | cksum); \
[ "$$want" = "$$(cat $(VENV)/$(1).installed 2>/dev/null)" ] && exit 0; \
echo "Installing $(1) into $(VENV)"; \
$(PIP) install --require-hashes -r $(1) && \
$(PIP) install --no-deps --no-build-isolation --editable . && \
echo "$$want" >$(VENV)/$(1).installed
endef

runtime: venv
	$(call install,constraints.txt)

dev: venv
	$(call install,constraints-dev.txt)
