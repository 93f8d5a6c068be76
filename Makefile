# Every target explains itself: `make help`. Variables can be set on the command line:
#   make test PKG=./cdc/... RUN=TestSnapshot      make demo ARGS=--once      make fuzz FUZZTIME=5m

GO       ?= go
PKG      ?= ./...
RUN      ?=
ARGS     ?=
FUZZTIME ?= 20s
SOAK     ?= 10m

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
	$(GO) test -timeout=$(TESTTIMEOUT) $(if $(RUN),-run '$(RUN)') $(TESTFLAGS) ./cmd/tandem/simulation # 2,000 seeds; under the race detector it plays a twentieth

.PHONY: test-mass
test-mass: ## Empty a field of 10,000 rows: the brake holds, an approval works once; relate 1,000 records in a circle (ten minutes). Needs: Go, PostgreSQL's server
	@.ci/need go postgres
	TANDEM_MASS_ROWS=10000 $(GO) test -timeout=30m -run 'TestAMassBlankingIsHeld|TestACircleOfAThousand' -v $(TESTFLAGS) ./sink/real

.PHONY: cover
cover: ## Run the tests and write coverage.out and coverage.html, coverage counted over all packages
	@.ci/need go cc postgres java node
	$(GO) test -timeout=$(TESTTIMEOUT) -p=$(TESTPROCS) -parallel=$(TESTPARALLEL) -coverpkg=./... -coverprofile=coverage.out $(TESTFLAGS) $(PKG)
	$(GO) tool cover -html=coverage.out -o coverage.html
	@$(GO) tool cover -func=coverage.out | tail -n 1

##@ Look deeper

.PHONY: sim
sim: build ## Play the whole system under seeds, with faults, on all cores (SEEDS=10000000 for a night; FIRST=1; ARGS="--seed 42" replays one)
	@exec bin/tandem simulate $(if $(ARGS),$(ARGS),--seed $(FIRST) --seeds $(SEEDS))

.PHONY: mutants
mutants: ## Plant bugs, one after the other, and show that the simulation catches each (ARGS="-only fence"; some minutes)
	@.ci/need go
	@$(GO) run ./cmd/tandem/simulation/mutants $(ARGS)

.PHONY: soak
soak: ## Kill the built binary every few seconds for SOAK (10m), while Notion fails now and then and people edit; compare both sides (ARGS=-e2e.seed=… repeats people and moments)
	@.ci/need go cc postgres java
	$(GO) test -count=1 -timeout=4h -v -run '$(or $(RUN),TestKilledAtAnyMoment/with_faults)' ./cmd/tandem/e2e -e2e.for=$(SOAK) -e2e.gap=6s $(ARGS)

.PHONY: crash
crash: ## Kill the source 50 times under load, and with it the broker and PostgreSQL: every change is in Kafka once, in order (KILLS=50; ARGS=-e2e.seed=… repeats the moments)
	@.ci/need go cc postgres java
	$(GO) test -count=1 -timeout=2h -v -run TestExactlyOnceUnderKills ./cmd/tandem/e2e -e2e.crash.kills=$(or $(KILLS),50) -e2e.crash.rows=1000000 -e2e.gap=30s $(ARGS)

.PHONY: bench-sync
bench-sync: ## Measure speed and size as docs/performance.md states them: some ten minutes (ARGS=-bench.scale=0.1 tries it out). Needs: Go, PostgreSQL's server, Java 17 with Maven
	@.ci/need go postgres java
	$(GO) test -count=1 -timeout=60m -v $(if $(RUN),-run '$(RUN)') ./cmd/tandem/bench -bench.sync $(ARGS)

.PHONY: bench-cdc
bench-cdc: ## Measure the source against PostgreSQL's own tools and Debezium, as docs/performance.md states it (ARGS=-bench.scale=0.1 tries it out). Needs: Go, PostgreSQL's server, Java 17 with Maven
	@.ci/need go postgres java
	$(GO) test -count=1 -timeout=90m -v -run '$(or $(RUN),TestCapture)' ./cmd/tandem/bench -bench.cdc $(ARGS)

.PHONY: parity
parity: ## Compare every field of every event with the real Debezium's, and docs/debezium-differences.md with what differs: some minutes (ARGS=-rewrite writes the tables; RUN=TestParity/default is one run, RUN=TestParity/random ARGS='-seed 1 -seeds 20' that many seeds)
	@.ci/need go postgres java
	$(GO) test -count=1 -timeout=60m -v -run '$(or $(RUN),TestParity)' ./cmd/tandem/parity -parity $(ARGS)

.PHONY: matrix
matrix: ## Run the tests of what reads PostgreSQL on 15, 16, 17 and 18, and write docs/postgresql-versions.md (MAJORS="16 18"; RUN=TestSlot narrows ./cdc's; POSTGRES_BIN_16=… names binaries of one's own). Needs: Go, npm
	@.ci/need go node
	@GO='$(GO)' RUN='$(RUN)' .ci/matrix $(if $(RUN)$(MAJORS),,docs/postgresql-versions.md)

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
