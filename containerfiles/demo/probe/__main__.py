"""Attacks the bottle it runs in, and does what work needs; exit code 0 only if all is as promised."""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import hunt
import network
import privileges
import proxy
import report
from checks import run
from world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--allowed", required=True, metavar="URL", help="the granted upstream")
    parser.add_argument("--outside", action="append", default=[], metavar="ADDRESS", help="must not be reachable")
    parser.add_argument("--names", default="", help="variables that may be set, comma-separated")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args()
    world = World(options)
    everything = [*network.checks(world), *proxy.checks(world), *privileges.checks(), *hunt.checks(world)]
    begin = time.monotonic()
    with ThreadPoolExecutor(len(everything)) as pool:
        results = list(pool.map(run, everything))
    seconds = time.monotonic() - begin
    rows = list(zip(everything, results, strict=True))
    print(report.as_json(rows, seconds) if options.format == "json" else report.as_text(rows, seconds))
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
