# The agent as an image: non-root, read-only root file system, state in /data, configuration in /etc/edge-relay.
#
#   docker build -t edge-relay .
#   docker run --read-only --tmpfs /tmp -v edge-relay-data:/data -v ./config:/etc/edge-relay:ro edge-relay
#
# The relay, for a machine in the cloud (its file says `listen: 0.0.0.0:8471`, and `tls` or `behind_proxy: true`):
#
#   docker build --target relay -t edge-relay-relay .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8471:8471 -v relay-data:/data -v ./relay:/etc/edge-relay-relay:ro edge-relay-relay
#
# PLCs on a serial port: --device /dev/ttyUSB0 --group-add GID, the group that owns the port on the host (a number:
# stat -c %g /dev/ttyUSB0). The certificates of OPC UA lie in /data/pki, and the one to be trusted by servers is made there.
#
# The configuration says `data_dir: /data`, or nothing: the usual folder leads there. Without a network: run
# `make wheelhouse` on a machine like the image, then build with --build-arg PIP_NO_INDEX=1. BASE takes an
# image of your own with Python 3.11 or newer, venv and pip.

ARG BASE=python:3.11-slim

FROM ${BASE} AS build
ARG PIP_NO_INDEX=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_FIND_LINKS=/wheelhouse
# The libraries first: they change less often than the agent. Only wheels, only with the locked hashes,
# so nothing is compiled and no package's code runs at installation.
COPY .ci/lock/agent.txt .ci/lock/build.txt wheelhous[e] /wheelhouse/
RUN python3 -m venv --without-pip /opt/edge-relay \
 && python3 -m venv /build \
 && /build/bin/pip install --only-binary :all: --require-hashes -r /wheelhouse/build.txt \
 && /build/bin/pip --python /opt/edge-relay install --only-binary :all: --require-hashes -r /wheelhouse/agent.txt
COPY pyproject.toml README.md LICENSE /source/
COPY agent /source/agent
RUN /build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels /source \
 && /build/bin/pip --python /opt/edge-relay install --no-index --no-deps /wheels/*.whl

FROM ${BASE} AS runtime
# A number, so that a cluster can see that it is not root; the name is for people.
RUN useradd --uid 8470 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin edge-relay \
 && install -d -o edge-relay -g edge-relay -m 0750 /data \
 && install -d /etc/edge-relay /etc/edge-relay-relay \
 && ln -s /data /var/lib/edge-relay \
 && ln -s /data /var/lib/edge-relay-relay
COPY --from=build /opt/edge-relay /opt/edge-relay
ENV PATH=/opt/edge-relay/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 8470:8470
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["edge-relay"]

FROM runtime AS relay
EXPOSE 8471
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["/opt/edge-relay/bin/python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8472/live', timeout=4)"]
CMD ["relay", "/etc/edge-relay-relay/relay.yaml"]

# The last one is what a build without --target makes.
FROM runtime AS agent
# /live asks the event loop and the store's writer alone: a silent PLC is no reason to restart. By the control
# socket, which is there whatever `http:` says of address, certificate and tokens.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["/opt/edge-relay/bin/python", "-c", "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(4); s.connect('/data/control.sock'); s.sendall(b'GET /live HTTP/1.0\\r\\n\\r\\n'); exit(b' 200 ' not in s.recv(64))"]
CMD ["run", "-c", "/etc/edge-relay"]
