"""The ratios of an earlier run, and what got slower since. Ratios, because times are a machine's;
and the machine's description, because even ratios are another machine's."""
import json
import os
import subprocess

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "baselines.json")
MARGIN = 1.1  # between the nearer quartiles: medians of two runs differ by less


def _first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def package(name):
    return _first_line("dpkg-query", "-W", "-f", "${Version}\n", name)


def machine():
    with open("/proc/cpuinfo") as table:
        fields = dict(line.split(":", 1) for line in table if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = fields.get("flags", "").split()
    vectors = next((name for name in ("avx512f", "avx2") if name in flags), "none")
    return {
        "processor": fields.get("model name", "unknown"),
        "processors": os.cpu_count(),
        "vectors": vectors,
        "compiler": _first_line("gcc", "--version"),
        "openblas": package("libopenblas0-pthread"),
        "libc": package("libc6"),
        "libmicrohttpd": package("libmicrohttpd12"),
    }


def _key(row):
    return f"{row['figure']} / {row['rival']}"


def read():
    if not os.path.exists(PATH):
        return {"machine": {}, "ratios": {}}
    with open(PATH) as file:
        return json.load(file)


def store(rows):
    """Rows that were not measured keep what was stored, if the machine is the same."""
    old, here = read(), machine()
    ratios = old["ratios"] if old["machine"] == here else {}
    for row in rows:
        if "skipped" not in row:
            figures = {name: float(f"{row[name]:.4g}") for name in ("ratio", "low", "high")}
            ratios[_key(row)] = {"sense": row["sense"], **figures}
    with open(PATH, "w") as file:
        json.dump({"machine": here, "ratios": ratios}, file, indent=1)
        file.write("\n")


def _slower(row, before):
    if row["sense"] == "time":
        return row["low"] > MARGIN * before["high"]
    return MARGIN * row["high"] < before["low"]


def compare(rows):
    """Sentences: what got slower, beyond both spreads and the margin."""
    stored, here = read(), machine()
    found, compared = [], 0
    for row in rows:
        before = stored["ratios"].get(_key(row))
        if "skipped" in row or not before or before["sense"] != row["sense"]:
            continue
        compared += 1
        if _slower(row, before):
            found.append(
                f"SLOWER: {_key(row)}: {row['ratio']:.3g} [{row['low']:.3g}, {row['high']:.3g}],"
                f" was {before['ratio']:.3g} [{before['low']:.3g}, {before['high']:.3g}]"
            )
    differ = [
        f"the baselines' {name} is {stored['machine'][name]}, this one's {value}"
        for name, value in here.items()
        if stored["machine"].get(name, value) != value
    ]
    return differ + found + [f"{len(found)} of {compared} figures got slower than their baselines"]
