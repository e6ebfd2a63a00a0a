# Everything a newcomer types. The work is done by the scripts in deploy/local.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: run test lint load bench lighthouse stop clean sqlx help

# What `make load` runs, and against what.
SCENARIO ?= smoke
TARGET ?= http://127.0.0.1:8080

run: ## all set-up, build, import the demo, serve on http://127.0.0.1:8080
	@deploy/local/run

test: ## all set-up, then every test (ARGS="-- name" for some)
	@deploy/local/up
	@deploy/local/install browser axe maildev stripe-mock
	@. .local/env && cargo test --locked $(ARGS)

lint: ## format, clippy, docs, .sqlx, shell scripts
	@deploy/local/lint

load: ## a k6 script against the running shop (SCENARIO=smoke TARGET=http://...)
	@TARGET=$(TARGET) deploy/local/k6 run loadtests/$(SCENARIO).js

bench: ## the benchmark
	@deploy/local/up
	@deploy/local/install wrk
	@. .local/env && loadtests/bench.sh

lighthouse: ## Lighthouse's scores of the running shop's pages (TARGET=http://...)
	@TARGET=$(TARGET) deploy/local/lighthouse

stop: ## end the private servers; their data stays
	@deploy/local/down

clean: ## end and remove the private servers and all their data
	@deploy/local/clean

sqlx: ## write .sqlx anew, after a query or a migration changed
	@deploy/local/sqlx

help: ## this table
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
