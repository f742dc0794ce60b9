# The platform's own image: operator, server and the `fetch` step of builds.
# BASE is any Debian bookworm image with python3, pip and venv; `paas up` gives its own runtime image.
ARG BASE=docker.io/library/python:3.13-slim-bookworm
FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.txt /opt/paas/requirements.txt
RUN python3 -m venv /opt/paas/venv \
 && /opt/paas/venv/bin/pip install --no-cache-dir --require-hashes -r /opt/paas/requirements.txt
COPY buildpacks /opt/paas/src/buildpacks
COPY paas /opt/paas/src/paas
ENV PATH=/opt/paas/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/opt/paas/src PYTHONUNBUFFERED=1
WORKDIR /opt/paas/src
USER 10001:10001
CMD ["python", "-m", "paas.server"]
