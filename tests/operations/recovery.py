#!/usr/bin/python3
"""How many records adaptation takes to bring coverage back, by gamma: the table of
docs/operations.md. Truths are prompt; from the forecast number --drift on, errors are --factor
times as large.

    tests/operations/recovery.py [--gamma 0.02,0.05] [--factor 1.4] ARCHIVE.nc...

A line for each gamma ("off": without adaptation): mean coverage at 90 % over archives, variables and
lead times, of the records before the drift and of stretches of records after it, and in brackets the
farthest from 90 % that one of them has.
"""
import argparse
import collections
import os
import sys

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import room  # noqa: E402

STRETCHES = ((0, 20), (20, 40), (30, 70), (40, 80), (60, 100), (30, 999))


def issue(daemon, name, archive, truth, i, lead):
    """Records one forecast; the share of its places that the 90 % interval will cover, by variable."""
    reply = daemon.post("v1/intervals", room.query_of(name, archive, i, lead, (0.9,)))
    found = reply["samples"][0]["variables"]
    covered = {}
    for variable, values in truth.items():
        lower, upper = (numpy.ravel(found[variable][side]) for side in ("lower", "upper"))
        actual = values[i, lead]
        covered[variable] = numpy.mean((actual >= lower) & (actual <= upper))
    return covered


def play(daemon, name, archive, truth):
    """Coverage of every record, by variable and lead time."""
    series = collections.defaultdict(list)
    due = collections.defaultdict(list)
    for i in range(len(archive.times)):
        truths = [t for at in due.pop(i, []) for t in room.truths_of(archive, truth, *at)]
        if truths:
            daemon.post("v1/truths", {"truths": truths})
        for lead in range(len(archive.leads)):
            for variable, share in issue(daemon, name, archive, truth, i, lead).items():
                series[variable, lead].append(share)
            due[archive.use_of(i, lead)].append((i, lead))
    return [numpy.array(shares) for shares in series.values()]


def measure(path, gamma, drift, factor):
    daemon = room.Room()
    try:
        daemon.fit("case", path)
        switch = {"enabled": gamma > 0, "gamma": gamma or 0.02}
        daemon.request("PUT", "v1/calibrations/case/adaptation", switch)
        archive = room.Archive(path)
        return play(daemon, "case", archive, room.drifted(archive, drift, factor))
    finally:
        daemon.remove()


def show(series, first, last):
    means = numpy.array([s[first:last].mean() for s in series])
    return f"{means.mean():.3f} [{means[numpy.argmax(abs(means - 0.9))]:.3f}]"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gamma", default="0,0.005,0.01,0.02,0.05,0.1")
    parser.add_argument("--drift", type=int, default=60)
    parser.add_argument("--factor", type=float, default=1.4)
    parser.add_argument("archives", nargs="+")
    options = parser.parse_args()
    heads = [f"{first}-{last}" for first, last in STRETCHES]
    print("| gamma | before | " + " | ".join(heads) + " |")
    for gamma in map(float, options.gamma.split(",")):
        series = []
        for path in options.archives:
            series += measure(path, gamma, options.drift, options.factor)
        cells = [show(series, 0, options.drift)]
        for first, last in STRETCHES:
            cells.append(show(series, options.drift + first, options.drift + last))
        print(f"| {gamma or 'off'} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
