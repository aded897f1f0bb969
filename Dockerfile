# rlhp without a GPU: `docker build -t rlhp .`, then `docker run rlhp --help`, or `docker run -v $PWD/runs:/srv/rlhp/runs rlhp demo`.
# compose.yaml runs a training and its page from it, and says what of it is untested.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
FROM ${BASE}

# OpenGL without a screen, for clips and films of robots
RUN apt-get update \
    && apt-get install -y --no-install-recommends libegl1 libgl1 \
    && rm -rf /var/lib/apt/lists/*
ENV MUJOCO_GL=egl PYTHONUNBUFFERED=1

# PyPI's torch for Linux brings CUDA along; the networks here are small and a CPU suffices
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
WORKDIR /opt/rlhp
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY conf conf
COPY rlhp rlhp
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir -c constraints.txt .
ENV PATH=/opt/venv/bin:$PATH

RUN useradd --create-home rlhp && mkdir -p /srv/rlhp/runs && chown -R rlhp:rlhp /srv/rlhp
USER rlhp
WORKDIR /srv/rlhp
ENTRYPOINT ["rlhp"]
CMD ["--help"]
