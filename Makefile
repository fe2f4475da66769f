# Two commands: `make demo` and `make test`. Each does all of its own set-up.
# YES=1 agrees to what would be asked: installing an engine, joining the group that may use it.

# Engines that the tests may not do without.
BOTTLE_REQUIRE_BACKENDS ?= docker
export BOTTLE_REQUIRE_BACKENDS

.PHONY: demo test bench check venv clean

demo: ## attack a sealed bottle from inside and print a scoreboard
	@scripts/venv.sh
	@scripts/engine.sh .venv/bin/bottle image build egress demo >/dev/null
	@scripts/engine.sh .venv/bin/bottle start demo --yes

test: ## every test, on real engines
	@scripts/venv.sh dev
	@scripts/test-tools.sh
	@scripts/engine.sh .venv/bin/bottle image build >/dev/null
	@scripts/engine.sh .venv/bin/python -m pytest $(PYTEST)

bench: ## what a start costs beside the bare engine calls
	@scripts/venv.sh dev
	@scripts/engine.sh .venv/bin/bottle image build egress shell >/dev/null
	@scripts/engine.sh .venv/bin/python -m bench

check: ## lint, types and tests without an engine
	@scripts/venv.sh dev
	@.venv/bin/python -m pytest tests/unit tests/golden tests/architecture tests/docs $(PYTEST)

venv: ## the development environment in .venv
	@scripts/venv.sh dev

clean: ## everything made here; images and engines stay
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
