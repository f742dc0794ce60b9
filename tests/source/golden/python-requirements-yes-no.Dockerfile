# Rendered by buildpack python. Commit a Dockerfile of your own to build without it.
FROM registry.paas.internal:5000/paas/runtime-python:latest
ENV PORT=8080 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off PIP_NO_COLOR=1 PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /app
COPY requirements.txt ./
RUN { getent passwd 1000 || /usr/sbin/useradd --uid 1000 --user-group --create-home app; } > /dev/null && python3 -m venv /opt/venv && mkdir /tmp/cc && printf '%s\n' '#!/bin/sh' '{ flock 9 && { [ -e /tmp/cc/there ] || { dpkg --get-selections | cut -f1 | sort > /tmp/cc/before && apt-get -qq update && apt-get -qq install -y --no-install-recommends gcc g++ make pkg-config libc6-dev $(test ! -x /usr/bin/python3 || echo python3-dev) && touch /tmp/cc/there; }; }; } 9> /tmp/cc/lock > /tmp/cc/log 2>&1 < /dev/null || { touch /tmp/cc/away; tail -n 3 /tmp/cc/log >&2; exit 127; }' 'exec "/usr/bin/${0##*/}" "$@"' > /tmp/cc/cc && chmod 755 /tmp/cc/cc && for name in gcc c++ g++ $(uname -m)-linux-gnu-gcc $(uname -m)-linux-gnu-g++; do ln -s cc /tmp/cc/$name; done && export DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin:/sbin:/tmp/cc && { pip install -r requirements.txt || { code=$?; [ ! -e /tmp/cc/away ] || echo 'A package has to be compiled, and no compiler could be installed. Pin a version of it that has a wheel for this Python, or commit a Dockerfile' >&2; exit $code; }; } && { [ ! -e /tmp/cc/there ] || { echo 'A package was compiled; the compiler is taken out again' && dpkg --get-selections | cut -f1 | sort | comm -13 /tmp/cc/before - | xargs dpkg --purge > /dev/null 2>&1 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt/* /var/log/dpkg.log; }; } && rm -rf /tmp/cc
COPY . .
EXPOSE 8080
ENV HOME=/home/app
USER 1000:1000
CMD ["/bin/sh", "-c", "exec python app.py"]
