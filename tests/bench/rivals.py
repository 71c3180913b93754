#!/usr/bin/python3
"""Fits beside their rivals in Python, in turns in one run: rivals.py BUILD [--json] [fit|ica]...

fit   standardise, spectrum and 10 directions, against the fastest LAPACK route of scipy (float64 Gram
      matrix of the smaller side, all eigenvalues, ten eigenvectors)
ica   whiten and FastICA on the golden mixtures (../shared/golden/ica), against scikit-learn's, with both
      Amari indices

One BLAS thread each. The ratio is ours over the rival's: below 1 is faster. Needs what
deploy/install-deps.sh bench installs, and skips what is not there."""
import glob
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np

SHAPES = [(100, 256, 61), (100, 1536, 41), (100, 6144, 21), (1000, 1024, 7), (10000, 256, 11), (2000, 6144, 3)]
RANK = 10


class Ours:
    """The bench program, answering a line at a time."""

    def __init__(self, build):
        self.process = subprocess.Popen([f"{build}/bench", build, "--serve"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return [float(v) for v in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(f):
    start = time.perf_counter()
    result = f()
    return time.perf_counter() - start, result


def quartiles(seconds):
    return [float(v) for v in np.percentile(np.array(seconds) * 1e6, [25, 50, 75])]


def report(as_json, what, rival, ours, theirs, **more):
    low, middle, high = quartiles(ours)
    limit = quartiles(theirs)[1]
    if as_json:
        print(json.dumps({"figure": what, "limit": rival, "median_us": round(middle, 2),
                          "quartiles_us": [round(low, 2), round(high, 2)], "limit_us": round(limit, 2),
                          "ratio": round(middle / limit, 3), **more}), flush=True)
    else:
        extra = "  ".join(f"{k} {v}" for k, v in more.items())
        print(f"{what:<34} {middle:10.1f} us  [{low:.1f}, {high:.1f}]   {rival:<28} {limit:10.1f} us   "
              f"ratio {middle / limit:6.2f}   {extra}", flush=True)


def laplace_features(n, d):
    """A manifold of ten independent Laplace coefficients, and noise."""
    generator, fixed = np.random.default_rng(0), np.random.default_rng(12345 + d)
    basis = fixed.standard_normal((d, 10))
    return generator.laplace(size=(n, 10)) @ basis.T + 0.05 * generator.standard_normal((n, d))


def gram_route(features):
    import scipy.linalg
    z = features / (np.linalg.norm(features, axis=1).mean() + 1e-8)
    z = z - z.mean(0)
    n, d = z.shape
    gram = z @ z.T if n <= d else z.T @ z
    m = gram.shape[0]
    values = scipy.linalg.eigh(gram, eigvals_only=True, check_finite=False)
    top, vectors = scipy.linalg.eigh(gram, subset_by_index=[m - RANK, m - 1], driver="evr", check_finite=False)
    return values, z.T @ vectors / np.sqrt(top) if n <= d else vectors


def bench_fit(ours, as_json, folder):
    for n, d, rounds in SHAPES:
        features = laplace_features(n, d)
        path = os.path.join(folder, "features")
        features.tofile(path)
        mine, theirs = [], []
        for _ in range(rounds):
            mine.append(ours.ask(f"fit {path} {n} {d} {RANK}")[0])
            theirs.append(timed(lambda: gram_route(features))[0])
        report(as_json, f"fit of {n} x {d}, rank {RANK}", "scipy: Gram matrix, eigh", mine, theirs)


def amari(unmixing, mixing):
    p = np.abs(unmixing @ mixing)
    d = len(p)
    rows, columns = (p / p.max(1, keepdims=True)).sum(1) - 1, (p / p.max(0)).sum(0) - 1
    return (rows.sum() + columns.sum()) / (2 * d * (d - 1))


def bench_ica(ours, as_json, folder, golden, rounds=15):
    from netCDF4 import Dataset
    from sklearn.decomposition import FastICA
    warnings.filterwarnings("ignore")
    mine_all, theirs_all = [], []
    for case in sorted(glob.glob(os.path.join(golden, "ica", "*.nc"))):
        with Dataset(case) as file:
            x = np.array(file["X"][:], np.float64)
            mixing = np.array(file["mixing"][:], np.float64)
        (n, d), s = x.shape, mixing.shape[1]
        path, out = os.path.join(folder, "mixtures"), os.path.join(folder, "unmixing")
        x.tofile(path)
        mine, theirs, iterations = [], [], 0
        for _ in range(rounds):
            answer = ours.ask(f"ica {path} {n} {d} {s} {out}")
            mine.append(answer[0])
            rival = FastICA(n_components=s, whiten="unit-variance", algorithm="parallel", fun="logcosh",
                            max_iter=200, tol=1e-4, random_state=0)
            seconds, rival = timed(lambda: rival.fit(x))
            theirs.append(seconds)
        unmixing = np.fromfile(out).reshape(s, d)
        mine_all.append(np.median(mine))
        theirs_all.append(np.median(theirs))
        report(as_json, os.path.basename(case)[:-3], "scikit-learn FastICA", mine, theirs,
               fastica_share=round(answer[1] / answer[0], 2), starts=int(answer[2]), iterations=int(answer[3]),
               converged=int(answer[4]), rival_iterations=int(rival.n_iter_),
               amari=round(amari(unmixing, mixing), 5), rival_amari=round(amari(rival.components_, mixing), 5))
    report(as_json, "FastICA, all golden mixtures", "scikit-learn FastICA", [sum(mine_all)], [sum(theirs_all)])


def main():
    wanted = [a for a in sys.argv[2:] if a != "--json"] or ["fit", "ica"]
    as_json = "--json" in sys.argv
    here = os.path.dirname(os.path.abspath(__file__))
    golden = os.path.join(here, "../../../shared/golden")
    ours = Ours(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        for name, bench in (("fit", bench_fit), ("ica", lambda *a: bench_ica(*a, golden))):
            if name not in wanted:
                continue
            try:
                bench(ours, as_json, folder)
            except ImportError as missing:
                print(f"skipped {name}: {missing}", file=sys.stderr)
    ours.close()


if __name__ == "__main__":
    main()
