"""The kernels and the fit, in one process each, one thread unless said."""
import contextlib
import glob
import os
import tempfile
import time
import warnings

from measure import Contest, Figure, Missing

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "../../../shared/golden/ica")
REFERENCE, SCIPY, SKLEARN = "the Python reference", "scipy: Gram, eigh", "scikit-learn FastICA"
FIELD = 721 * 1440


def reference():
    """The module, or why it is not there: what a side that needs it may be."""
    try:
        import reference as module
    except ImportError as missing:
        return Missing(str(missing))
    return module


def side(module, make):
    """make(module), unless the module is missing."""
    return module if isinstance(module, Missing) else make(module)


def memory_available():
    with open("/proc/meminfo") as table:
        return next(1024 * int(row.split()[1]) for row in table if row.startswith("MemAvailable"))


# ---- one sample ---------------------------------------------------------------------------------


def sigma(served, d, k, figures):
    calls = int(1e7 / (d * k + 2000)) + 1

    @contextlib.contextmanager
    def sides():
        torch = reference()
        yield {
            "ours": served.side("sigma", d, k, calls),
            "cblas_sgemv": served.side("sgemv", d, k, calls),
            "cblas_dgemv": served.side("dgemv", d, k, calls),
            "0.3 us": lambda: 0.3e-6,
            REFERENCE: side(torch, lambda t: t.query(t.calibrated(d, k), t.features(1, d, 7), 400)),
        }

    return Contest(f"sigma of a sample, d {d}, k {k}", sides, figures)


def sigmas(served):
    shapes = [(d, k) for d in (256, 1536, 6144) for k in (10, 100)]
    faster = {(256, 10): 100, (6144, 100): 2.5}
    for d, k in shapes:
        figures = [
            Figure("cblas_sgemv", most=1.3),
            Figure("cblas_dgemv"),
            Figure(REFERENCE, least=faster.get((d, k)), fast=True),
        ]
        if (d, k) == shapes[0]:
            figures.insert(0, Figure("0.3 us", most=1))
        yield sigma(served, d, k, figures)


# ---- many samples -------------------------------------------------------------------------------


def batch(served):
    n, d, k = 4096, 256, 10

    @contextlib.contextmanager
    def sides():
        torch = reference()
        yield {
            "ours": served.side("batch", n, d, k, 1),
            "cblas_sgemm": served.side("sgemm", n, d, k, n),
            "hand-written loop": served.side("fused", n, 1),
            REFERENCE: side(torch, lambda t: t.query(t.calibrated(d, k), t.features(n, d, 7), 3)),
        }

    figures = [
        Figure("cblas_sgemm", least=1.2),
        Figure("hand-written loop"),
        Figure(REFERENCE, fast=True),
    ]
    return Contest(f"sigma of {n}, d {d}, k {k}", sides, figures, seconds=5, most=101)


def field(served):
    """721 x 1440 places: 1.06 GB of features for each process."""

    @contextlib.contextmanager
    def sides():
        torch = reference()
        if memory_available() < 9e9:
            torch = Missing("less than 9 GB of memory are free")
        calibrator = side(torch, lambda t: t.calibrated(256, 10))
        samples = side(torch, lambda t: t.features(FIELD // 16, 256, 7).repeat(16, 1))
        yield {
            "ours": served.side("batch", FIELD, 256, 10, 1),
            "hand-written loop": served.side("fused", FIELD, 1),
            "cblas_sgemm, 512 rows": served.side("sgemm", FIELD, 256, 10, 512),
            "reading the bytes": served.side("read", FIELD, 256, 1),
            REFERENCE: side(torch, lambda t: t.query(calibrator, samples)),
            REFERENCE + ", 512 rows": side(torch, lambda t: t.query(calibrator, samples, 1, 512)),
        }

    figures = [
        Figure("hand-written loop", most=1.1),
        Figure("cblas_sgemm, 512 rows", fast=True),
        Figure("reading the bytes"),
        Figure(REFERENCE, least=25),
        Figure(REFERENCE + ", 512 rows", least=4),
    ]
    return Contest("field of 721 x 1440, d 256, k 10", sides, figures, seconds=30)


def field_on_two(served):
    @contextlib.contextmanager
    def sides():
        if os.cpu_count() < 2:
            raise Missing("there is one processor")
        yield {
            "ours": served.side("batch", FIELD, 256, 10, 2),
            "hand-written loop": served.side("fused", FIELD, 2),
            "reading the bytes": served.side("read", FIELD, 256, 2),
        }

    figures = [Figure("hand-written loop", most=1.1), Figure("reading the bytes")]
    return Contest("the same field, two threads", sides, figures, seconds=8)


# ---- fit ----------------------------------------------------------------------------------------


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def gram_route(features, k=10):
    """Standardise, all eigenvalues of the smaller Gram matrix, k eigenvectors, directions: float64."""
    import numpy
    import scipy.linalg

    x = features / (numpy.linalg.norm(features, axis=1).mean() + 1e-8)
    x -= x.mean(0)
    n, d = x.shape
    gram = x @ x.T if n <= d else x.T @ x
    m = len(gram)
    scipy.linalg.eigh(gram, eigvals_only=True, check_finite=False)
    top, vectors = scipy.linalg.eigh(
        gram, subset_by_index=[m - k, m - 1], driver="evr", check_finite=False
    )
    return x.T @ vectors / numpy.sqrt(top) if n <= d else vectors


def without_collecting(torch, work):
    """The reference's own collection of garbage, taken out: its cost is the host process's."""
    collect, torch.gc.collect = torch.gc.collect, lambda: 0
    try:
        work()
    finally:
        torch.gc.collect = collect


def fit(served, n, d):
    k, small = 10, n == 100

    @contextlib.contextmanager
    def sides():
        import numpy

        torch = reference()
        generator = numpy.random.default_rng(0)
        basis = numpy.random.default_rng(d).standard_normal((10, d))
        features = generator.laplace(size=(n, 10)) @ basis
        features += 0.05 * generator.standard_normal((n, d))
        with tempfile.NamedTemporaryFile() as file:
            features.tofile(file.name)
            narrow = side(torch, lambda t: t.torch.from_numpy(features.astype("f4")))
            calibrator = side(torch, lambda t: t.Calibrator("bench", rank_k=k, device="cpu"))

            def calibrate():
                calibrator.calibrate_lead_time(narrow, 24)

            bare = side(torch, lambda t: lambda: timed(lambda: without_collecting(t, calibrate)))
            yield {
                "ours": served.side("fit", file.name, n, d, k),
                SCIPY: lambda: timed(lambda: gram_route(features, k)),
                REFERENCE: side(torch, lambda t: lambda: timed(calibrate)),
                **({REFERENCE + " without gc": bare} if small else {}),
            }

    figures = [Figure(SCIPY, most=1.1), Figure(REFERENCE, least=10 if small else None, fast=True)]
    if small:
        figures.append(Figure(REFERENCE + " without gc", fast=True))
    return Contest(f"fit of {n} x {d}, rank {k}", sides, figures, seconds=4, least=3)


def fits(served):
    for n, d in [(100, 256), (100, 1536), (100, 6144), (1000, 1024), (10000, 256), (2000, 6144)]:
        yield fit(served, n, d)


# ---- FastICA ------------------------------------------------------------------------------------


def amari(unmixing, mixing):
    """0 when each component is one source, 1 at the worst."""
    import numpy

    p = numpy.abs(unmixing @ mixing)
    rows, columns = (p / p.max(1, keepdims=True)).sum(1) - 1, (p / p.max(0)).sum(0) - 1
    return (rows.sum() + columns.sum()) / (2 * len(p) * (len(p) - 1))


ICA_CASES = sorted(glob.glob(os.path.join(GOLDEN, "*.nc")))
ANSWERED = 0.3  # beyond this Amari index nothing was found: some cases have nothing to find


def mixtures(path):
    """The mixtures and the mixing matrix of a golden case."""
    import netCDF4
    import numpy

    with netCDF4.Dataset(path) as file:
        return [numpy.ascontiguousarray(file[name][:], "f8") for name in ("X", "mixing")]


def ica_side(cases, find):
    """find(path, mixtures, sources) gives seconds and an unmixing."""

    def run():
        said, indices = {}, []
        for path, (x, mixing) in cases.items():
            said[path], unmixing = find(path, x, mixing.shape[1])
            indices.append(amari(unmixing, mixing))
        found = [index for index in indices if index < ANSWERED]
        return {**said, "Amari": float(sum(found) / len(found))}

    return run


def ica_ours(served, folder):
    import numpy

    def find(path, x, sources):
        copy = os.path.join(folder, os.path.basename(path))
        out = os.path.join(folder, "unmixing")
        seconds = served.ask("ica", copy, *x.shape, sources, out)[0]
        return seconds, numpy.fromfile(out).reshape(sources, -1)

    return find


def ica_theirs(path, x, sources):
    from sklearn.decomposition import FastICA

    model = FastICA(n_components=sources, whiten="unit-variance", random_state=0)
    return timed(lambda: model.fit(x)), model.components_


def ica(served):
    @contextlib.contextmanager
    def sides():
        import sklearn.decomposition  # noqa: F401

        warnings.filterwarnings("ignore", module="sklearn")
        cases = {path: mixtures(path) for path in ICA_CASES}
        if not cases:
            raise Missing("the golden cases are not beside the project")
        with tempfile.TemporaryDirectory() as folder:
            for path, (x, _) in cases.items():
                x.tofile(os.path.join(folder, os.path.basename(path)))
            yield {
                "ours": ica_side(cases, ica_ours(served, folder)),
                SKLEARN: ica_side(cases, ica_theirs),
            }

    figures = [
        Figure(SKLEARN, least=3, keys=ICA_CASES, name="median"),
        Figure(SKLEARN, least=3, keys=ICA_CASES, of=min, name="slowest"),
        Figure(SKLEARN, most=1.02, keys=["Amari"], name="Amari"),
    ]
    return Contest("FastICA, golden cases", sides, figures, seconds=12, most=15)


def contests(served):
    yield from sigmas(served)
    yield batch(served)
    yield field(served)
    yield field_on_two(served)
    yield from fits(served)
    yield ica(served)
