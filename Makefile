# Everything that one does with this repository. Go and make are enough for
# demo and build; test and lint fetch the rest (build/needs.sh says what).

VERSION := $(shell git describe --tags --dirty 2>/dev/null)
LDFLAGS := $(strip -s -w $(if $(VERSION),-X main.release=$(VERSION)))
PROGRAM := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/solocron ./cmd/solocron

# The Lambda function, which is in the program if it is here when that is built.
FUNCTION := stack/function/embedded/function.zip

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: without ## run the daemon on examples/quickstart.yaml until Ctrl-C
	@SOLOCRON_RUN_DIR=demo-state exec ./bin/solocron serve --file examples/quickstart.yaml

.PHONY: build
build: ## build the static binary bin/solocron, with the Lambda function inside
	go run ./build/function $(if $(VERSION),-release $(VERSION)) $(FUNCTION)
	$(PROGRAM)

# Most of the time of a first build is the function's.
.PHONY: without
without:
	@rm -f $(FUNCTION)
	$(PROGRAM)

# What of SQLite is C by origin minds its memory itself; with the race detector in
# it the tests of the ledger take five times as long. The driver around it is traced.
NOTRACED := -gcflags=modernc.org/sqlite/lib=-race=false

# Tests wait more than they work. Some build the program that they try, of which
# the cache of their results knows nothing: hence -count=1.
ABREAST := $(shell echo $$(($$(nproc) + 1)))

.PHONY: test
test: ## install what the tests need, then run them all; a skipped test fails
	@sh build/needs.sh
	@sh build/gofmt.sh
	go vet ./...
	@go run ./build/tally -race $(NOTRACED) -count=1 -p $(ABREAST) -timeout 15m ./...

.PHONY: lint
lint: ## run every linter over Go, shell and the dependencies
	@sh build/needs.sh shellcheck git
	@sh build/lint.sh

.PHONY: bench
bench: without ## measure solocron beside other schedulers, at rest, and as it grows
	@sh build/needs.sh gcc python3 ssh-keygen sshd
	go run ./bench -write docs/benchmarks.md

.PHONY: mutate
mutate: ## remove each protection of the promise in a copy, and see its suite go red
	@sh build/needs.sh
	go run ./build/mutate -write docs/mutations.md

.PHONY: proof
proof: ## run all that shows the promise, at full size, and print what it came to (half an hour and more)
	@sh build/needs.sh
	go run ./build/proof -write docs/proof.md

.PHONY: clean
clean: ## remove what was built and what the demo left
	rm -rf bin dist demo-state $(FUNCTION)
