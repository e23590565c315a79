# make book    build the book: needs Python 3.11 or later, make and git, nothing else
# make test    every check, on a book that is up to date

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
COLAB := .colab
RUNTIME ?= us-docker.pkg.dev/colab-images/public/runtime:latest
PORT ?= 8000
COURSE ?= course.yml
LINKING := $(wildcard book/*.md book/*.ipynb book/*.bib *.md) CITATION.cff
# Tests that hold programs to a time are marked, and have the machine to themselves.
ALONE := $(shell grep -l mark.alone tests/test_*.py)
# One of its backends forks, which a process with other tests' threads cannot do safely.
FORKS := tests/test_sweeps.py
# Whole jobs side by side, on a core each: that costs less than threads that wait for each other.
TWO := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile
# A reader's own settings of these would change pages, or what is installed and where: see
# tools/surroundings.py. What pip needs to reach an index from here stays.
FOREIGN := DOCUTILS% GIT_% GOMP_% IPYTHON% JPY_% JUPYTER% KMP_% MATPLOTLIB% MKL_% MPL% NPY_%
FOREIGN += NUMEXPR_% OMP_% OPENBLAS_% PIP_% PYTHON% TORCH% TQDM_% VECLIB_%
KEPT := GIT_SSL% OMP_NUM_THREADS PYTHON PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX
KEPT += PYTHONUNBUFFERED PIP_CACHE_DIR PIP_CERT PIP_CLIENT_CERT PIP_CONFIG_FILE PIP_DEFAULT_TIMEOUT
KEPT += PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_INDEX_URL PIP_NO_INDEX PIP_PROXY PIP_RETRIES
KEPT += PIP_TIMEOUT PIP_TRUSTED_HOST
unexport $(filter-out $(KEPT),$(filter $(FOREIGN),$(.VARIABLES)))
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_USER := 0
# The package of this folder, also where it is a copy, or has another name than when it installed.
export PYTHONPATH := $(CURDIR)
export COURSE PYTHON
# Fonts listed for another installation would change pages, too.
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/home/matplotlib
export IPYTHONDIR := $(CURDIR)/$(VENV)/home/ipython
export JUPYTER_CONFIG_DIR := $(CURDIR)/$(VENV)/home/jupyter
# Keep freed memory instead of giving it back at every training step: a quarter faster with glibc.
export MALLOC_TOP_PAD_ = 67108864
export MALLOC_TRIM_THRESHOLD_ = 268435456
# Threads sleep while they wait, see gsutils/__init__.py.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help book course pdf test colab links notebooks serve lock clean
.DEFAULT_GOAL := help

help:
	@echo "make book        build the book into _build/html (the first time, install what it needs)"
	@echo "make course      a course made of the book, from course.yml (COURSE=my.yml: from another)"
	@echo "make pdf         print the whole book into _build/gradient-starvation.pdf"
	@echo "make test        lint, types, unit tests, page tests, and every notebook as in Colab"
	@echo "make colab       every notebook in Colab's own runtime (from the network, with docker)"
	@echo "make links       every link to another site (from the network)"
	@echo "make notebooks   write book/*.ipynb from book/*.md and the values of the built book"
	@echo "make serve       read the built book at http://localhost:$(PORT)"
	@echo "make lock        write requirements.txt from pyproject.toml (ARGS=--upgrade: newest versions)"
	@echo "make clean       remove everything built, keep .venv"

$(INSTALLED): requirements.txt pyproject.toml
	@"$$PYTHON" -c 'import sys; v = sys.version_info; \
	  sys.exit(v < (3, 11) and "Python 3.11 or later is needed, %s is %d.%d: make book PYTHON=python3.12" % (sys.executable, *v[:2]))'
	@test -x $(BIN)/python || "$$PYTHON" -m venv $(VENV)
	@echo "Installing what the book needs into $(VENV): some minutes, once."
	@$(BIN)/python -m pip install -qq -r requirements.txt
	@$(BIN)/python -m pip install -qq --no-deps -e .
	@mkdir -p "$$MPLCONFIGDIR" "$$IPYTHONDIR" "$$JUPYTER_CONFIG_DIR"
	@$(BIN)/python -c "import matplotlib.font_manager"
	@touch $@

book: $(INSTALLED)
	@$(BIN)/python -m tools.book

course: book
	@$(BIN)/python -m tools.course "$$COURSE"

pdf: book
	@$(BIN)/python -m tools.pdf

# The course's sites beside what needs none of them: each by itself leaves a core idle.
test: book
	@$(BIN)/python -m tools.course & made=$$!; \
	  { set -x; $(BIN)/python -m ruff check && $(BIN)/python -m ruff format --check && \
	    $(BIN)/python -m mypy && $(BIN)/python -m tools.colab; } || { wait; exit 1; }; \
	  wait $$made
	JUPYTER_PATH=$(COLAB)/share/jupyter $(TWO) \
	  --nbmake --nbmake-kernel=gs-colab --nbmake-timeout=900 --overwrite $(COLAB)/run
	$(BIN)/python -m tools.colab --report
	$(TWO) -m "not alone" gsutils grading tools tests --ignore=$(FORKS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(FORKS)
	$(BIN)/python -m pytest -m alone $(ALONE)

# In the image that Google publishes of Colab's runtime: some 30 GB, and docker.
colab:
	docker run --rm --pull always --volume "$$PWD:/book:ro" "$(RUNTIME)" bash /book/.ci/colab

links: $(INSTALLED)
	$(BIN)/lychee --config lychee.toml $(LINKING)

notebooks: book
	@$(BIN)/python -m tools.notebooks

serve: book
	@$(BIN)/python -m http.server --bind localhost --directory _build/html "$(PORT)"

# No index and no local version ("+cpu"), so that the file serves any machine.
lock: $(INSTALLED)
	$(BIN)/python -m pip install -qq pip-tools
	$(BIN)/python -m piptools compile -q --all-extras --strip-extras --allow-unsafe --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --annotation-style line \
	  -P "$$(sed -nE 's/^(torch==[0-9.]+).*/\1/p' requirements.txt)" $(ARGS) \
	  -o requirements.txt pyproject.toml
	sed -E -e 's/^(torch==[0-9.]+)\+[a-z0-9]+/\1/' requirements.txt > requirements.tmp
	mv requirements.tmp requirements.txt

clean:
	rm -rf _build $(COLAB) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
