FROM docker.io/library/python:3.13-slim-trixie AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY clients/python clients/python
COPY picosip_server picosip_server
COPY scripts/compiled scripts/compiled
# --build-arg PICOSIP_COMPILE=2: the compiled form, which takes minutes and a C compiler to build.
ARG PICOSIP_COMPILE=
RUN if [ "${PICOSIP_COMPILE:-0}" != 0 ]; then \
      apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev; \
    fi
# The venv has no pip of its own: the one outside fills it. Compiled here, since a container that
# is read-only could keep no compiled file, and would compile anew at its start and health checks.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/picosip \
    && python -m pip --python /opt/picosip/bin/python install --no-compile ./clients/python . \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/picosip/lib


FROM docker.io/library/python:3.13-slim-trixie
ARG VERSION=dev
LABEL org.opencontainers.image.title="picoSIP" \
      org.opencontainers.image.description="SIP sessions as a gRPC service" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION"
# Nothing is installed in a running container.
RUN python -c "import pathlib, pip, shutil; [shutil.rmtree(path) for path in pathlib.Path(pip.__file__).parents[1].glob('pip*')]" \
    && rm -f /usr/local/bin/pip* /usr/bin/pip*
COPY --from=build /opt/picosip /opt/picosip
# PYTHONMALLOC: the C library's allocator gives single pages back, Python's own whole megabytes.
ENV PATH=/opt/picosip/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONMALLOC=malloc \
    PICOSIP_GRPC=0.0.0.0:50051 \
    PICOSIP_SIP=udp:0.0.0.0:5060,tcp:0.0.0.0:5060 \
    PICOSIP_LOG_FORMAT=json
USER 10001:10001
EXPOSE 50051/tcp 5060/udp 5060/tcp
# Drains: calls that run get PICOSIP_DRAIN_TIMEOUT seconds (30). Give `docker stop -t` more.
STOPSIGNAL SIGTERM
# Where TLS is on, PICOSIP_HEALTH_TLS_CA and PICOSIP_HEALTH_TLS_NAME tell the check what it needs.
HEALTHCHECK --interval=30s --timeout=10s --start-period=15s CMD ["picosip", "health"]
ENTRYPOINT ["picosip"]
CMD ["serve"]
