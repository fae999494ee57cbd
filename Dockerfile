# Both commands in a container:
#   docker build -t workbench .
#   docker run -v "$PWD/reports:/workbench/reports" workbench    make run; the report lies in reports/ then
#   docker run workbench test                                    make test
# With --build-arg PIP_FIND_LINKS=… pip finds a CPU build of torch there, which is much smaller.
FROM python:3.11-slim-bookworm

# make for the commands, Chromium for the report's tests, g++ for torch.compile.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends chromium g++ make \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /workbench
ARG PIP_FIND_LINKS=
ENV PIP_NO_CACHE_DIR=1

# The environment hangs on these files alone, and is made before the others are there: it seldom has to be made again.
COPY pyproject.toml README.md LICENSE NOTICE Makefile ./
COPY workbench/__init__.py workbench/log_filters.py workbench/
RUN make .venv/.ready-dev

COPY . .
# Results are kept as long as the container is; -v VOLUME:/workbench/.workbench keeps them longer.
ENTRYPOINT ["make"]
CMD ["run"]
