# syntax=docker/dockerfile:1

# The bot and its worker; compose.yaml runs them apart, `docker run` together. See docs/docker.md.
#   docker build --tag magic-pencil .                        for the CPU
#   docker build --tag magic-pencil --build-arg TORCH=cuda . for an NVIDIA GPU

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1


# The list of dependencies by itself: the layers below are built again when that list changes, not
# whenever something else in pyproject.toml does.
FROM base AS requirements
COPY pyproject.toml .
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
    > /requirements.txt


# Wheels only, so that no compiler is needed in any stage. PyPI's torch brings its CUDA libraries
# along; the CPU build is some gigabytes smaller and stands on PyTorch's own index.
FROM base AS dependencies
ARG TORCH=cpu
RUN python -m venv --without-pip /opt/venv
COPY --from=requirements /requirements.txt /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    case "$TORCH" in \
        cpu) export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu ;; \
        cuda) ;; \
        *) echo "TORCH is cpu or cuda, not '$TORCH'." >&2; exit 1 ;; \
    esac \
    && pip --python /opt/venv/bin/python install \
        --only-binary :all: --requirement /requirements.txt
# An index that lacks the wanted version would silently give the other build.
RUN TORCH="$TORCH" /opt/venv/bin/python -c \
    'import os, torch; built = "cuda" if torch.version.cuda else "cpu"; assert built == os.environ["TORCH"], built'


FROM dependencies AS application
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --no-deps --prefix /application .


FROM base
LABEL org.opencontainers.image.title="Magic Pencil" \
      org.opencontainers.image.description="A Discord bot that answers rough drawings with the photographs that look most like them." \
      org.opencontainers.image.source="https://github.com/magic-pencil/magic-pencil" \
      org.opencontainers.image.licenses="MIT"

# A fixed number, so that a folder of the host's can be given to it.
RUN groupadd --gid 10001 magic-pencil \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin magic-pencil \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data

# The large layer and the small one: a change of code makes only the second anew.
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=application /application /opt/venv

ENV PATH=/opt/venv/bin:$PATH \
    MAGIC_PENCIL_HOME=/data \
    MAGIC_PENCIL_LISTEN_HOST=0.0.0.0
# The drawing page, served once MAGIC_PENCIL_PUBLIC_URL is set.
EXPOSE 8090
USER 10001:10001
VOLUME /data
STOPSIGNAL SIGTERM

# Whether the worker in this container, or on the socket that it shares, is ready for drawings.
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --start-interval=5s --retries=3 \
    CMD ["magic-pencil", "health"]

ENTRYPOINT ["magic-pencil"]
CMD ["run"]
