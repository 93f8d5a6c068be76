# Every target explains itself: `make help`. Variables can be set on the command line:
#   make test PKG=./cdc/... RUN=TestSnapshot      make demo ARGS=--once      make fuzz FUZZTIME=5m

GO       ?= go
PKG      ?= ./...
RUN      ?=
ARGS     ?=
FUZZTIME ?= 20s
KILLS    ?= 100

# Two packages at a time: each may start a PostgreSQL or a broker of its own, and that is what 2 cores and 4 GB carry.
# Within a package most tests wait for a server, so more of them than cores run at once.
TESTPROCS    ?= 2
TESTPARALLEL ?= 8
# For one package. The whole suite is meant to end in 10 minutes; a package that needs 15 hangs.
TESTTIMEOUT  ?= 15m
TESTFLAGS    ?=

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL    := $(GO) tool -modfile=.ci/tools/go.mod

.DEFAULT_GOAL := help
.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z][a-z-]*:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo
demo: build ## Show the whole thing running: a CRM, Kafka and Notion in one process, synced both ways (ARGS=--once ends by itself). Needs: Go
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/plugins/phone ./plugins/examples/phone
	@exec bin/tandem demo $(ARGS)

.PHONY: kafka
kafka: ## Run Apache Kafka in the foreground, as the tests do, until Ctrl-C (ARGS="--port 9092"). Needs: Java 17 and Maven
	@.ci/need go java
	@exec $(GO) run ./connector/kafka/kafkatest/apache/cmd $(ARGS)

##@ Build and test

.PHONY: build
build: ## Build bin/tandem, the one binary. Needs: Go
	@.ci/need go
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/tandem ./cmd/tandem

.PHONY: test
test: ## Run every test with the race detector. Needs: Go, a C compiler, PostgreSQL's server, Java 17 with Maven, Node with npm
	@.ci/need go cc postgres java node
	$(GO) test -race -timeout=$(TESTTIMEOUT) -p=$(TESTPROCS) -parallel=$(TESTPARALLEL) $(if $(RUN),-run '$(RUN)') $(TESTFLAGS) $(PKG)
	$(GO) test -timeout=$(TESTTIMEOUT) $(if $(RUN),-run '$(RUN)') $(TESTFLAGS) ./cmd/tandem/simulation # 200 seeds; under the race detector it plays a tenth

.PHONY: cover
cover: ## Run the tests and write coverage.out and coverage.html, coverage counted over all packages
	@.ci/need go cc postgres java node
	$(GO) test -timeout=$(TESTTIMEOUT) -p=$(TESTPROCS) -parallel=$(TESTPARALLEL) -coverpkg=./... -coverprofile=coverage.out $(TESTFLAGS) $(PKG)
	$(GO) tool cover -html=coverage.out -o coverage.html
	@$(GO) tool cover -func=coverage.out | tail -n 1

##@ Look deeper

.PHONY: sim
sim: build ## Run the whole system under seeds, with faults (ARGS="--seed 42" replays one, ARGS="--seeds 10000" takes longer)
	@exec bin/tandem simulate $(ARGS)

.PHONY: soak
soak: ## Kill the built binary again and again for a long time, and compare both sides (KILLS=200; ARGS=-e2e.seed=… repeats people and moments)
	@.ci/need go cc postgres java
	$(GO) test -count=1 -timeout=4h -v -run TestKilledAtAnyMoment ./cmd/tandem/e2e -e2e.kills=$(KILLS) -e2e.gap=8s $(ARGS)

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME (20s each by default)
	@.ci/need go
	@GO='$(GO)' .ci/fuzz '$(FUZZTIME)' $(PKG)

.PHONY: bench
bench: ## Measure what README states: requests a page, updates, idle polls, sizes, times. Needs what the tests need
	@.ci/need go postgres java
	$(GO) test -run '^$$' -bench . -benchmem -timeout=60m -p=1 $(TESTFLAGS) $(PKG)

##@ Keep it in shape

.PHONY: lint
lint: ## Run gofmt and golangci-lint in the version pinned in .ci/tools/go.mod (its first run compiles it: some minutes)
	@.ci/need go
	$(TOOL) golangci-lint run ./...

.PHONY: fmt
fmt: ## Format the Go files
	$(TOOL) golangci-lint fmt ./...

.PHONY: generate
generate: ## Make generated files anew (schemas, protocol, golden files that are derived)
	$(GO) generate ./...

.PHONY: verify
verify: ## Fail if go.mod is untidy or a generated file is not what `make generate` makes
	$(GO) mod tidy -diff
	@before=$$(git status --porcelain; git diff); $(GO) generate ./... && after=$$(git status --porcelain; git diff) && \
		[ "$$before" = "$$after" ] || { echo 'Generated files were not up to date: commit what make generate just made.' >&2; exit 1; }

.PHONY: vuln
vuln: ## Ask Go's vulnerability database about the code that we really call
	$(TOOL) govulncheck ./...

.PHONY: check
check: lint verify test ## All that a change must pass

.PHONY: clean
clean: ## Remove what these targets made (not the caches of Go, Maven and npm)
	rm -rf bin coverage.out coverage.html
