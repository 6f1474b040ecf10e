# The server with the model of the package: core and extra `app`, no training framework. Usage: docs/containers.md.
# scripts/container_steps.py runs these steps without a container engine.

# docker-bake.hcl and the release name it with its digest, which only a registry can tell.
ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS build
ENV VIRTUAL_ENV=/opt/lesionlab UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --quiet --no-cache-dir uv==0.13.8
WORKDIR /build
# Dependencies first, so that a change of the code does not install them again.
COPY pyproject.toml constraints.txt ./
RUN /opt/uv/bin/uv venv --python /usr/local/bin/python /opt/lesionlab \
    && /opt/uv/bin/uv pip install --require-hashes -r pyproject.toml --extra app -c constraints.txt
COPY README.md LICENSE MODEL_LICENSE.md ./
COPY src src
RUN /opt/uv/bin/uv pip install --no-deps .
# The software bill of materials of what is installed, for scanners that read CycloneDX.
RUN /opt/uv/bin/uvx --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment --output-reproducible \
    --output-file /opt/lesionlab/sbom.cdx.json /opt/lesionlab/bin/python

FROM ${PYTHON}
ARG PYTHON
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lesionlab" \
      org.opencontainers.image.description="Classifies dermoscopic images of skin lesions. For research and education only, not a diagnosis." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="$PYTHON" \
      org.opencontainers.image.licenses="MIT AND CC-BY-NC-4.0"
# The base image has no bytecode, and none can be written at run time: every start would compile all imported modules.
# UV_COMPILE_BYTECODE compiled the packages; this compiles the standard library.
RUN python -m compileall -q /usr/local/lib/python3.11
COPY --from=build /opt/lesionlab /opt/lesionlab
ENV PATH=/opt/lesionlab/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp ORT_DISABLE_TELEMETRY=1
# By number: Kubernetes' runAsNonRoot cannot check a name.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --start-interval=1s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["lesionlab", "serve", "--host", "0.0.0.0", "--port", "8000", \
     "--api-key-file", "/run/secrets/lesionlab_api_key", "--log-format", "json"]
