# Rendered by buildpack python. Commit a Dockerfile of your own to build without it.
FROM registry.paas.internal:5000/paas/runtime-python:latest
ENV PORT=8080 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off PIP_NO_COLOR=1 PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /app
COPY requirements.txt ./
RUN { getent passwd 1000 || /usr/sbin/useradd --uid 1000 --user-group --create-home app; } > /dev/null && python3 -m venv /opt/venv && pip install -r requirements.txt
COPY . .
RUN pip install .
EXPOSE 8080
ENV HOME=/home/app
USER 1000:1000
CMD ["/bin/sh", "-c", "exec python app.py"]
