# picoSIP. `make` alone lists the targets.
PYTHON ?= python3
# More arguments for pytest, such as PYTEST_ARGS='-k register'; the bound on coverage then rests.
PYTEST_ARGS ?=
IMAGE ?= localhost/picosip:dev
FUZZ_TIME ?= 60
FUZZ_MESSAGES ?= 1000000
# More arguments for the benchmarks, such as BENCH_ARGS='--quick --only picosip'.
BENCH_ARGS ?=
SOAK_TIME ?= 600

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
STUBS := clients/python/picosip/v1
PROTOS := $(wildcard proto/picosip/v1/*.proto)
EXAMPLES := clients/python/examples
# Where the installed googleapis-common-protos has google/rpc/status.proto.
SITE = $(shell $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# All tests: those that measure or wait for real peers one after the other, the others beside them.
WHOLE := --cov --cov-report=term --cov-fail-under=95 --numprocesses=2 --dist=loadgroup

# protoc finds protoc-gen-mypy on the path.
protoc = mkdir -p $(1) && PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc \
	-Iproto -I$(SITE) --python_out=$(1) --grpc_python_out=$(1) \
	--mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check proto peers fuzz fuzz-server bench bench-smoke \
	bench-peers soak wheel-compiled compiled test-compiled image image-test clean

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 23

setup: $(STAMP) ## make .venv with everything that running and testing need

# pip reads dependency groups from 25.1 on.
$(STAMP): pyproject.toml clients/python/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'picoSIP needs Python 3.11 or newer: make setup PYTHON=python3.x' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable clients/python --editable . --group dev
	@touch $@

demo: $(STAMP) ## a registered call between two servers, with every event and its SIP ladder
	@$(BIN)/python $(EXAMPLES)/demo.py

run: $(STAMP) ## a server: gRPC on 127.0.0.1:50051, SIP on 0.0.0.0:5060 (UDP and TCP)
	$(BIN)/picosip serve --grpc 127.0.0.1:50051 --sip udp:0.0.0.0:5060 --sip tcp:0.0.0.0:5060 \
		--log-format console

test: $(STAMP) ## all tests, with the branch coverage of sip and sdp (part of them: PYTEST_ARGS='-k word')
	$(BIN)/pytest $(if $(strip $(PYTEST_ARGS)),$(PYTEST_ARGS),$(WHOLE))

check: $(STAMP) build/googleapis/google/rpc/status.proto ## formatting, linters, types, import contracts, API definitions, stubs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy picosip_server clients/python/picosip $(wildcard $(EXAMPLES)) scripts benchmarks
	$(BIN)/lint-imports --no-logo
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code proto
	rm -rf build/stubs
	@$(call protoc,build/stubs)
	@diff -ru --exclude=__pycache__ --exclude=__init__.py build/stubs/picosip/v1 $(STUBS) \
		|| { echo 'The stubs are not those of proto/: run make proto.' >&2; exit 1; }

proto: $(STAMP) ## generate the Python stubs from proto/
	rm -f $(STUBS)/*_pb2.py* $(STUBS)/*_pb2_grpc.py*
	@$(call protoc,clients/python)

build/googleapis/google/rpc/status.proto: $(STAMP)
	@mkdir -p $(@D)
	@cp $(SITE)/google/rpc/status.proto $@

peers: $(STAMP) ## install the SIP programs that the interoperability tests talk to
	@scripts/install-packages.sh sip-tester baresip-core linphone-cli tshark \
		kamailio kamailio-tls-modules kamailio-websocket-modules kamailio-presence-modules \
		kamailio-sqlite-modules kamailio-outbound-modules \
		$$(command -v npm >/dev/null || echo nodejs npm)
	@cd tests/interop/jssip && npm ci --no-audit --no-fund --loglevel=error
	@cd tests/interop/browser && npm ci --no-audit --no-fund --loglevel=error

# atheris is not to be had everywhere; without it changes are by chance alone.
fuzz: $(STAMP) ## look for inputs that break the parsers and the user agent (FUZZ_TIME=seconds)
	@$(BIN)/python -m pip install --quiet --group fuzz || echo 'without atheris'
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_TIME)

fuzz-server: $(STAMP) ## mutated messages at a running server, calls meanwhile (FUZZ_MESSAGES=number)
	@$(BIN)/python -m tests.fuzz --server $(FUZZ_MESSAGES)

# The level of optimisation of the compiled wheel, 1 to 3: 1 is made in half the time.
COMPILE ?= 2
COMPILED := build/compiled
COMPILED_TESTS ?= tests/sip tests/sdp tests/engine tests/service

wheel-compiled: $(STAMP) ## a wheel for this platform in dist/, its hot modules compiled (COMPILE=1..3)
	@PICOSIP_COMPILE=$(COMPILE) $(BIN)/python -m hatchling build -t wheel -d dist

compiled: $(STAMP) ## build that form, and unpack it in build/compiled/site
	@rm -rf $(COMPILED)
	@PICOSIP_COMPILE=$(COMPILE) $(BIN)/python -m hatchling build -t wheel -d $(COMPILED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--target $(COMPILED)/site $(COMPILED)/*.whl

# In a folder of its own, before the tree's own form on the path. Processes that tests start,
# and the processes' own threads, take it from there as well.
test-compiled: compiled ## build that form, and run the tests of SIP, SDP, engine and service on it
	@PYTHONPATH=$(CURDIR)/$(COMPILED)/site:$(CURDIR) $(BIN)/pytest --import-mode=importlib \
		-p tests.support.compiled -p no:cacheprovider $(COMPILED_TESTS) $(PYTEST_ARGS)

BENCH_PEERS := build/bench-peers

# In an environment of their own: they are measured, nothing here is made with them.
bench-peers: $(BENCH_PEERS)/.done

$(BENCH_PEERS)/.done: benchmarks/peers.txt
	@$(PYTHON) -m venv --clear $(BENCH_PEERS)
	@$(BENCH_PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench: $(STAMP) $(BENCH_PEERS)/.done ## picoSIP and its peers measured side by side (BENCH_ARGS='--help')
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-smoke: $(STAMP) $(BENCH_PEERS)/.done ## every contender of the benchmark completes some calls
	@$(BIN)/python -m benchmarks smoke

soak: $(STAMP) ## ten minutes of calls, loss, restarts and malformed traffic (SOAK_TIME=seconds)
	@$(BIN)/python -m benchmarks soak --seconds $(SOAK_TIME)

image: $(STAMP) ## build the container image
	@scripts/container.sh build $(IMAGE)

image-test: $(STAMP) ## build the image, place a call through it, stop it
	@scripts/container.sh build $(IMAGE)
	@scripts/container.sh exec $(BIN)/python -m scripts.image_test $(IMAGE)

clean: ## remove what the other targets made, .venv included
	rm -rf $(VENV) build dist .ctr .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
