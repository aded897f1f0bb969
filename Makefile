# make demo    train HalfCheetah from 700 synthetic labels: curves and a video in five minutes
# make test    every check
# make docs    the documentation as a site, in build/docs/index.html
# make setup   only what both need: .venv with the pinned dependencies, and OpenGL for videos
#
# PyPI's torch for Linux brings CUDA along; the networks here are small and a CPU suffices. To save the download:
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make setup

PYTHON ?= python3
export PYTHON

.PHONY: demo test docs setup
setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@sh .ci/setup.sh

demo: setup
	@.venv/bin/rlhp demo
	@sh .ci/setup.sh remind

test: setup
	@sh .ci/setup.sh browser
	@sh .ci/checks.sh

docs: setup
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict
	@echo "build/docs/index.html"
