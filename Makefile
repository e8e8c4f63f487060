# arras: everything a user or developer runs. `make` alone prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# How many nodes `make nodes` runs, and the first of their ports (API: one higher).
N ?= 8
PORT ?= 7420
# Lookups and seeds of `make stretch`.
LOOKUPS ?= 5000
SEEDS ?= 1 2 3
# The first seed of `make storm`; how many it runs: SEEDS, if that is given.
FROM ?= 1
# Scenarios of `make sim`, from bench/scenarios/; `million` takes some minutes more, `pvc` (1,024 nodes by the whole
# protocol, twice), `churn` (seven runs of whole nodes that come and go) and `drivers` (sixteen) longer than the rest together;
# `rough` and `mend` a quarter of an hour each, `choices` ten minutes.
SCENARIOS ?= pastry gummadi tapestry replicas paths
# Options of `make simulator`: `--nodes 300` is quicker than the default of 1,000; `--nodes 10000` and
# `--direct 1000000` take much longer.
SIMULATOR ?=
# Minutes of `make soak`.
SOAK_MIN ?= 10
# Options of `make hot`: without any, Beehive's 1,024 nodes and 40,960 objects at a thousand times its rate (an hour).
HOT ?= --nodes 400 --objects 8000 --rate 2000 --windows 6
# Options of `make republish`: without any, 125,000 objects at eight roots each.
REPUBLISH ?=
# Inputs of `make fuzz`, and their seed.
FUZZ_INPUTS ?= 2000000

ARRAS := target/release/arras
# Simulations wait for memory: huge pages bring 20 to 30 % more events a second (glibc; elsewhere it changes nothing).
SIM := GLIBC_TUNABLES=glibc.malloc.hugetlb=1 $(ARRAS) sim
PLANETLAB := bench/data/planetlab490_median.u32le.gz
AWS := bench/data/aws33_p50.u32le.gz

.PHONY: help build demo nodes status stop test check unit stretch bench hot republish simulator sim survey crawls storm soak fuzz clean

help: ## This list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

build: ## The arras command, in target/release/arras
	cargo build --release --locked

demo: build ## 48 nodes under PlanetLab latencies place, fetch and look up; report in target/demo/report.svg
	@mkdir -p target/demo
	@test -s target/demo/20MiB.bin || head -c 20971520 /dev/urandom > target/demo/20MiB.bin
	$(ARRAS) lab --nodes 48 --latency $(PLANETLAB) --seed 1 --measure stretch --lookups 3000 --keys 200 \
	  --place target/demo/20MiB.bin $$(find src tools Makefile Cargo.toml README.md -type f -size +0 | sort | head -60) \
	  --route arras --report target/demo/report.svg

nodes: build ## N separate nodes with data under run/, until `make stop` (N=8 PORT=7420)
	@sh tools/nodes.sh start $(N) $(PORT)

status: ## How the nodes of `make nodes` are
	@sh tools/nodes.sh status

stop: ## Stop the nodes of `make nodes`: they hand over and leave
	@sh tools/nodes.sh stop

test: check unit ## Everything CI runs: format, lints, docs, all tests, benches compile

check: ## Format, lints and docs, warnings denied; benches compile
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --quiet

unit: ## All tests: unit, property, conversations, storms, real sockets and processes
	GLIBC_TUNABLES=glibc.malloc.hugetlb=1 cargo test --locked

stretch: build ## Live stretch under PlanetLab and AWS latencies, several seeds (SEEDS="1 2 3" LOOKUPS=5000)
	cargo bench --locked --bench stretch -- --lookups $(LOOKUPS) $(foreach s,$(SEEDS),--seed $(s))

bench: build ## Speed: lookups, forwarding, put and get, memory, a crowd on one object; tables, JSON and SVG in target/bench/
	cargo bench --locked --bench operations
	cargo bench --locked --bench forwarding
	cargo bench --locked --bench memory
	cargo bench --locked --bench crowd

hot: ## Hot objects in the simulator, with and without representatives: hops, load, copies (HOT="--nodes 400 --objects 8000 --rate 2000")
	GLIBC_TUNABLES=glibc.malloc.hugetlb=1 cargo bench --locked --bench hot -- $(HOT)

republish: ## One node that keeps a million claims alive, in the simulator; in target/bench/ (some minutes, 2 GiB; REPUBLISH="--objects 12500")
	GLIBC_TUNABLES=glibc.malloc.hugetlb=1 cargo bench --locked --bench republish -- $(REPUBLISH)

simulator: ## The simulator itself: events a second and core, memory a node; in target/bench/ (some minutes; SIMULATOR="--nodes 300")
	GLIBC_TUNABLES=glibc.malloc.hugetlb=1 cargo bench --locked --bench simulator -- $(SIMULATOR)

sim: build ## Published set-ups in virtual time, our row beside theirs (half an hour; SCENARIOS="pastry gummadi tapestry replicas paths")
	@for scenario in $(SCENARIOS); do $(SIM) --scenario bench/scenarios/$$scenario.toml || exit 1; done

survey: build ## Removal, reach, link stress and size of simulated overlays; pictures and JSON in target/survey/ (two minutes)
	@mkdir -p target/survey
	@for scenario in robustness stress; do \
	  $(SIM) --scenario bench/scenarios/$$scenario.toml || exit 1; done

crawls: ## Crawls of simulated overlays: recall, messages a node, distortion under churn (some minutes)
	cargo bench --locked --bench crawl -- --nodes 200
	cargo bench --locked --bench crawl -- --direct --nodes 100000 --workers 512 --churn 0 --churn 1

storm: STORMS = $(if $(filter file,$(origin SEEDS)),50,$(SEEDS))
storm: ## Seeded storms in virtual time; the last line says how many ran and failed (SEEDS=50 FROM=1)
	@# First: does a release build draw the same as the tests' build?
	@mkdir -p target
	@cargo test --locked --release --bin arras -- a_simulation_is_the_same_every_time > target/same.txt \
	  || { tail -20 target/same.txt; exit 1; }
	STORM_SEEDS=$(STORMS) STORM_FROM=$(FROM) cargo test --locked --release --test storm -- --nocapture

soak: ## Nine processes under load, paused and killed: a line every 15 s; fails if memory grows or an object is lost (SOAK_MIN=10)
	cargo bench --locked --profile dev --bench soak -- --minutes $(SOAK_MIN)

fuzz: ## Bend and break messages against the decoder (FUZZ_INPUTS=2000000)
	FUZZ_INPUTS=$(FUZZ_INPUTS) cargo test --locked --release --test fuzz -- --nocapture

clean: ## Remove what was built and what nodes left behind
	cargo clean
	rm -rf run
