# The same commands for people and for CI. Tools are built from pinned modules under tools/ into .tools/bin, nothing is
# installed elsewhere. Once `make deps` has run, every target works without a network.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory

# Knobs, as in `make fuzz FUZZTIME=1m`.
PKG ?= ./...
RUN ?= .
BENCH ?= .
COUNT ?= 1
REF ?=
FUZZTIME ?= 10s
ROUNDS ?= 100
NUMBERS ?= 5000000
ONCE ?=
PRESET ?= bitrix24

BIN := $(CURDIR)/.tools/bin
VALIDATE := .tools/proto/buf/validate/validate.proto
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOFILES = $(shell git ls-files --cached --others --exclude-standard -- '*.go' ':!*.pb.go')

.PHONY: help
help: ## Describe the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: all
all: build test lint ## Build, test and lint.

.PHONY: build
build: ## Build bin/klinke, stamped with the version that git describes.
	go build -ldflags '-X main.version=$(VERSION)' -o bin/klinke ./cmd/klinke

.PHONY: demo
demo: build ## Serve a demo company and ask it a dozen questions (ONCE=1 ends by itself, PRESET=name picks the system).
	ONCE='$(ONCE)' PRESET='$(PRESET)' scripts/demo.sh

.PHONY: checkdocs
checkdocs: build $(BIN)/grpcurl ## Run the commands that the documentation prints, and compare what they say.
	scripts/checkdocs.sh

.PHONY: test
test: ## Run all tests with the race detector (PKG and RUN narrow it), and say what they could not prove here.
	scripts/unproved.sh go test -race -shuffle=on -timeout 30m -run '$(RUN)' $(PKG)

.PHONY: lint
lint: $(BIN)/buf $(BIN)/golangci-lint $(VALIDATE) ## Check format, vet, go.mod, the linters' findings and the protocol's compatibility.
	@unformatted=$$(gofmt -s -l $(GOFILES)); \
		if [[ -n "$$unformatted" ]]; then printf 'not gofmt -s: %s\n' $$unformatted >&2; exit 1; fi
	go vet ./...
	go mod tidy -diff
	$(BIN)/golangci-lint run
	$(BIN)/buf lint
	scripts/breaking.sh $(BIN)/buf

.PHONY: generate
generate: $(BIN)/buf $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc $(VALIDATE) ## Regenerate the Go code of the protocol.
	find proto -name '*.pb.go' -delete
	$(BIN)/buf generate

.PHONY: checkgenerate
checkgenerate: generate ## Fail when the committed generated code is not what the protocol files give.
	@changed=$$(git status --porcelain --untracked-files=all -- 'proto/*.pb.go'); \
		if [[ -n "$$changed" ]]; then git --no-pager diff --stat -- 'proto/*.pb.go'; \
		printf 'generated code differs from what is committed (run make generate, commit):\n%s\n' "$$changed" >&2; exit 1; fi

.PHONY: fuzz
fuzz: ## Run every fuzz target of scripts/fuzz.targets for FUZZTIME each; a missing or unlisted target fails.
	scripts/fuzz.sh '$(FUZZTIME)'

.PHONY: bench
bench: ## Run the benchmarks COUNT times (PKG and BENCH narrow them).
	go test -run '^$$' -timeout 60m -bench '$(BENCH)' -benchmem -count '$(COUNT)' $(PKG)

.PHONY: benchcmp
benchcmp: $(BIN)/benchstat ## Compare the benchmarks with those of REF in interleaved rounds (REF=v0.1.0 COUNT=6).
	@if [[ -z '$(REF)' ]]; then echo 'benchcmp: say with what to compare: make benchcmp REF=main~1' >&2; exit 2; fi
	scripts/benchcmp.sh '$(REF)' '$(COUNT)' '$(BENCH)' '$(PKG)' $(BIN)/benchstat

.PHONY: numbers
numbers: ## Import NUMBERS numbers into a running server, and say how long answers took meanwhile and what memory it had.
	KLINKE_NUMBERS='$(NUMBERS)' go test -count=1 -timeout 60m -v -run TestAnswersWhileNumbersAreImported ./cmd/klinke

.PHONY: nightly
nightly: ## What is too long for every push: ROUNDS kills of a writing server and rounds of the law's properties, all questions about the real roles, a list of 5,000,000 numbers, long fuzzing.
	KLINKE_CRASH_ROUNDS='$(ROUNDS)' KLINKE_RBAC_WHOLE=true scripts/unproved.sh go test -race -shuffle=on -count=1 -timeout 60m ./...
	KLINKE_PROPERTY_ROUNDS='$(ROUNDS)' go test -count=1 -timeout 120m ./policy
	$(MAKE) numbers
	go test -race -shuffle=on -count=10 -timeout 60m ./...
	$(MAKE) fuzz FUZZTIME=10m

.PHONY: tools
tools: $(BIN)/buf $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc $(BIN)/golangci-lint $(BIN)/grpcurl $(BIN)/benchstat $(VALIDATE) ## Build all pinned tools into .tools/bin.

.PHONY: grpcurl
grpcurl: $(BIN)/grpcurl ## Build the pinned grpcurl into .tools/bin.

.PHONY: deps
deps: tools ## Fetch all that the other targets need, so that they work offline afterwards.
	go mod download
	go mod tidy -diff

.PHONY: clean
clean: ## Delete what was built, and the tools.
	rm -rf bin .tools

# Each tool is rebuilt when its module's pins change.
$(BIN)/buf: tools/go.mod tools/go.sum
	cd tools && GOBIN=$(BIN) go install github.com/bufbuild/buf/cmd/buf
	@touch $@

$(BIN)/protoc-gen-go-grpc: tools/go.mod tools/go.sum
	cd tools && GOBIN=$(BIN) go install google.golang.org/grpc/cmd/protoc-gen-go-grpc
	@touch $@

$(BIN)/benchstat: tools/go.mod tools/go.sum
	cd tools && GOBIN=$(BIN) go install golang.org/x/perf/cmd/benchstat
	@touch $@

# From our own go.mod: the generator is to be of the version that the generated code runs with.
$(BIN)/protoc-gen-go: go.mod go.sum
	GOBIN=$(BIN) go install google.golang.org/protobuf/cmd/protoc-gen-go
	@touch $@

$(BIN)/golangci-lint: tools/golangci/go.mod tools/golangci/go.sum
	cd tools/golangci && GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

$(BIN)/grpcurl: tools/grpcurl/go.mod tools/grpcurl/go.sum
	cd tools/grpcurl && GOBIN=$(BIN) go install github.com/fullstorydev/grpcurl/cmd/grpcurl
	@touch $@

$(VALIDATE): tools/go.mod tools/go.sum
	cd tools && go mod download github.com/bufbuild/protovalidate
	@mkdir -p $(@D)
	cp "$$(cd tools && go list -m -f '{{.Dir}}' github.com/bufbuild/protovalidate)/proto/protovalidate/buf/validate/validate.proto" $@
	@chmod 644 $@ && touch $@
