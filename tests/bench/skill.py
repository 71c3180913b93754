#!/usr/bin/python3
"""Fits and reports every archive of a folder and prints how the intervals compare, as Markdown.

    tests/bench/skill.py BUILD FOLDER

An archive is named <family>_<network>.nc; *_maps.nc are left out. The fit sees split = 0 alone, the
numbers are of split = 2. Scores are ratios of sums over a family's networks, leads and variables in
the same units, averaged over variables. "better" and "worse" count cells (network, variable, lead)
whose difference has a 95 % paired block bootstrap interval that leaves out zero.
"""
import collections
import concurrent.futures
import glob
import json
import os
import subprocess
import sys
import tempfile

LEVELS = (0.5, 0.8, 0.9)
BASELINES = ("climatology", "constant", "cell", "season", "season_cell", "gaussian", "sigma")


def report(build, archive, split, folder):
    name = os.path.basename(archive)[:-3]
    calibration = os.path.join(folder, name + split + ".safetensors")
    subprocess.run([build + "/ntkuq", "fit", "--split", split, "-o", calibration, archive],
                   check=True, stdout=subprocess.DEVNULL)
    found = subprocess.run([build + "/ntkuq", "report", "--split", split, "--json", "--levels",
                            ",".join(map(str, LEVELS)), calibration, archive],
                           check=True, stdout=subprocess.PIPE)
    os.remove(calibration)
    return name, json.loads(found.stdout)


def baseline(row, name):
    return next((b for b in row["baselines"] if b["name"] == name), None)


def ratio(rows, name, score):
    """Ours over theirs: sums within a variable, mean over the variables."""
    ours, theirs = collections.Counter(), collections.Counter()
    for row in rows:
        other = baseline(row, name)
        if other and row[score] is not None and other[score] is not None:
            ours[row["variable"]] += row[score]
            theirs[row["variable"]] += other[score]
    return sum(ours[v] / theirs[v] for v in ours) / len(ours) if ours else None


def count(rows, name, score):
    better = worse = 0
    for row in rows:
        difference = (baseline(row, name) or {}).get(score + "_difference")
        if difference:
            better += difference["high"] < 0
            worse += difference["low"] > 0
    return better, worse


def print_coverage(families):
    print("| family | level | cells | mean coverage | level within the expected interval | within "
          "the test set's own |\n|---|---|---|---|---|---|")
    for family, rows in families.items():
        for level in LEVELS:
            some = [r for r in rows if r["level"] == level]
            expected = sum(r["expected_low"] <= level <= r["expected_high"] for r in some)
            own = sum(r["coverage_low"] <= level <= r["coverage_high"] for r in some)
            mean = sum(r["coverage"] for r in some) / len(some)
            print(f"| {family} | {level:.0%} | {len(some)} | {mean:.3f} | {expected} | {own} |")


def print_scores(families):
    print("\n| family | level | score | " + " | ".join(BASELINES) + " |")
    print("|---|---|---" + "|---" * len(BASELINES) + "|")
    for family, rows in families.items():
        for level, score in [(l, "interval_score") for l in LEVELS] + [(LEVELS[-1], "crps")]:
            some = [r for r in rows if r["level"] == level]
            cells = []
            for name in BASELINES:
                value = ratio(some, name, score)
                better, worse = count(some, name, score)
                cells.append("-" if value is None else f"{value:.3f} ({better} / {worse})")
            label = "CRPS" if score == "crps" else "interval"
            print(f"| {family} | {'' if score == 'crps' else f'{level:.0%}'} | {label} | " +
                  " | ".join(cells) + " |")


def print_models(families):
    print("\n| family | centre | scale | place | season of its own |\n|---|---|---|---|---|")
    for family, rows in families.items():
        some = [r["model"]["model"] for r in rows if r["level"] == LEVELS[0]]
        columns = []
        for key in ("centre", "scale", "place", "local_season"):
            counts = collections.Counter(str(m[key]).lower() for m in some)
            columns.append(", ".join(f"{k} {n}" for k, n in counts.most_common()))
        print(f"| {family} | " + " | ".join(columns) + " |")


def print_shift(reports, title):
    fired = [f"{name} {lead['lead_time_hours']:g} h" for name, found in reports
             for lead in found["leads"] if (lead["shift"] or {}).get("shifted")]
    total = sum(len(found["leads"]) for _, found in reports)
    rows = [r for _, found in reports for r in found["rows"] if r["level"] == LEVELS[-1]]
    mean = sum(r["coverage"] for r in rows) / len(rows)
    print(f"\n{title}: the shift test fires at {len(fired)} of {total} leads; mean coverage at "
          f"{LEVELS[-1]:.0%} is {mean:.3f}.")


def main():
    build, folder = sys.argv[1:3]
    archives = sorted(a for a in glob.glob(folder + "/*_*.nc") if not a.endswith("_maps.nc"))
    if not archives:
        print(f"SKIPPED: there are no archives in {folder}")
        return
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as work, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        reports = list(pool.map(lambda a: report(build, a, "split", work), archives))
        moved = [a for a in archives if os.path.basename(a).startswith("air_")]
        shifted = list(pool.map(lambda a: report(build, a, "split_chronological", work), moved))
    families = collections.defaultdict(list)
    for name, found in reports:
        families[name.split("_")[0]] += found["rows"]
    print_coverage(families)
    print_scores(families)
    print_models(families)
    print_shift(reports, "`split`, balanced over the seasons")
    if shifted:
        print_shift(shifted, "`split_chronological` of air, January to June against June to October")


main()
