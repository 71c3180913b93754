#!/usr/bin/python3
"""make bench: each figure beside its limit or its rival, as a ratio measured in one run, in turns.

    bench.py [--store] BUILD [PART]      only contests whose name has PART

Writes a JSON line a figure to BUILD/bench.jsonl, prints a table, and says what got slower than
tests/bench/baselines.json remembers; --store remembers anew. A rival that is not installed
(deploy/install-deps.sh bench) is said to be skipped. Ten minutes at most."""
import json
import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import baselines  # noqa: E402
import contests_compute  # noqa: E402
import contests_jobs  # noqa: E402
import contests_serve  # noqa: E402
import measure  # noqa: E402
import table  # noqa: E402
from served import Served  # noqa: E402

SECONDS = 540  # after which no contest begins


def contests(served, build):
    yield from contests_compute.contests(served)
    yield from contests_serve.contests(served, build)
    yield from contests_jobs.contests(build)


def run(build, part):
    """All rows, printed as they come."""
    rows, ending = [], time.monotonic() + SECONDS
    print(table.LEGEND + "\n" + table.text(table.HEADINGS))
    with Served(build) as served, open(os.path.join(build, "bench.jsonl"), "w") as lines:
        print(json.dumps({"machine": baselines.machine()}), file=lines)
        for contest in contests(served, build):
            if part not in contest.name:
                continue
            late = time.monotonic() > ending and "the ten minutes are over"
            for row in measure.results(contest, late):
                rows.append(row)
                print(json.dumps(row), file=lines, flush=True)
                print(table.text(table.cells(row)), flush=True)
    return rows


def main():
    arguments = [word for word in sys.argv[1:] if word != "--store"]
    rows = run(arguments[0], " ".join(arguments[1:]))
    wanted = [row for row in rows if row.get("target") and "skipped" not in row]
    print(f"{sum(row['met'] for row in wanted)} of {len(wanted)} targets are met")
    if "--store" in sys.argv:
        baselines.store(rows)
    else:
        print("\n".join(baselines.compare(rows)))


if __name__ == "__main__":
    main()
