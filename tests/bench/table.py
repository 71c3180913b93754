#!/usr/bin/python3
"""Rows of figures as text, or as the table of docs/performance.md:

    tests/bench/table.py build/release/bench.jsonl"""
import json
import sys

HEADINGS = ["figure", "rival", "ratio", "quartiles", "target", "", "ours", "rival's"]
WIDTHS = "{:<44} {:<32} {:>8}  {:<17} {:<9} {:<8} {:>10} {:>10}"
LEGEND = "ratios: t = ours takes so many times the rival's time; x = ours is so many times as fast"


def quantity(value, unit):
    """With three figures and a unit that suits."""
    if "seconds" not in unit:
        return f"{value:.3g}"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1:
            break
    return f"{value * factor:.3g} {name}"


def cells(row):
    """As many as there are headings, or fewer for a row that was skipped."""
    if "skipped" in row:
        return [row["figure"], row["rival"], "skipped: " + row["skipped"]]
    ours, theirs = (quantity(row[side], row["unit"]) for side in ("ours", "theirs"))
    return [
        row["figure"],
        row["rival"],
        f"{row['ratio']:.3g} " + ("x" if row["sense"] == "speed" else "t"),
        f"[{row['low']:.3g}, {row['high']:.3g}]",
        row["target"],
        {True: "met", False: "NOT MET", None: ""}[row["met"]],
        ours,
        theirs,
    ]


def text(columns):
    form = WIDTHS if len(columns) == len(HEADINGS) else "{:<44} {:<32} {}"
    return form.format(*columns)


def markdown(rows):
    """The figure is said once for all its rivals."""
    yield "| " + " | ".join(HEADINGS) + " |"
    yield "|---" * len(HEADINGS) + "|"
    last = None
    for row in rows:
        columns = cells(row)
        columns += [""] * (len(HEADINGS) - len(columns))
        said, last = columns[0] == last, columns[0]
        yield "| " + " | ".join(([""] if said else columns[:1]) + columns[1:]) + " |"


if __name__ == "__main__":
    with open(sys.argv[1]) as lines:
        found = [json.loads(line) for line in lines]
    print("\n".join(markdown(row for row in found if "figure" in row)))
