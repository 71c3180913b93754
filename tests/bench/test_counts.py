#!/usr/bin/python3
"""Instructions of kernels and endpoints, counted by callgrind, beside those that counts.json
remembers: they repeat almost exactly on any load, so that more of them is a slower program.

    NTK_BUILD=build/release tests/bench/test_counts.py [--store] [PART]

A kernel is a line to the bench program, and its count that of the named functions alone, a call. An
endpoint's is the daemon's with many requests less that with few, a request: what starts and ends it
cancels out. Callgrind knows no AVX-512, so all take their AVX2 code. The counts belong to a compiler
and to libraries: with others the test is skipped. Ends as tests/run.sh wants it."""
import contextlib
import array
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("NTK_BUILD", os.path.join(HERE, "../../build/release")))
STORED = os.path.join(HERE, "counts.json")
sys.path[:0] = [HERE, os.path.join(HERE, "../web"), os.path.join(HERE, "../operations")]
import baselines  # noqa: E402
import checks  # noqa: E402

TOLERANCE = 0.01
FEW, MANY = 20, 1020
VALGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]


def collected(log):
    found = re.search(r"Collected : (\d+)", log)
    if not found:
        raise RuntimeError("callgrind counted nothing: " + log[-1000:])
    return int(found[1])


# ---- kernels ------------------------------------------------------------------------------------


def kernels(folder):
    """For each name: a line to the bench program, the calls it makes, and the functions counted."""
    sigma, shapes = {}, [(d, k) for d in (256, 1536, 6144) for k in (10, 100)]
    for d, k in shapes:
        name = f"sigma of a sample, d {d}, k {k}"
        sigma[name] = (f"sigma {d} {k} 20", 20, ["ntk_posterior_eval_f32"])
        sigma["cblas_sgemv for " + name] = (f"sgemv {d} {k} 20", 20, ["cblas_sgemv"])
    fits = {}
    for n, d in ((100, 256), (100, 1536), (400, 64)):
        path = features(folder, n, d)
        functions = ["ntk_standardise_fit", "ntk_decompose"]
        fits[f"fit of {n} x {d}, rank 10"] = (f"fit {path} {n} {d} 10", 1, functions)
    mixed, out = features(folder, 1000, 4), os.path.join(folder, "unmixing")
    reading = ["ntk_numbers_load", "ntk_body_json"]
    return {
        **sigma,
        "sigma of 64 samples, d 256, k 10": ("batch 64 256 10 1", 1, ["ntk_posterior_batch_sigma"]),
        **fits,
        "FastICA of 1000 x 4": (f"ica {mixed} 1000 4 4 {out}", 1, ["ntk_ica_fit"]),
        "JSON of 1536 numbers, 9 digits": ("json 1536 9 2", 2, reading),
        "JSON of 1536 numbers, 17 digits": ("json 1536 17 2", 2, reading),
        "scores of 50 x 100 points": ("verify 50 100", 1, ["ntk_verify"]),
        "tally of 5000 points": ("tally 1 5000", 1, ["ntk_tally_count"]),
    }


def features(folder, n, d):
    """A file of n x d doubles: sources that are not normal, mixed; the same everywhere."""
    generator = random.Random(d)
    sources = [[generator.random() ** 3 for _ in range(d)] for _ in range(n)]
    mixed = array.array("d")
    for row in sources:
        mixed.extend(3 + value + 0.3 * row[j - 1] for j, value in enumerate(row))
    path = os.path.join(folder, f"{n}x{d}")
    with open(path, "wb") as file:
        mixed.tofile(file)
    return path


def count_kernel(line, calls, functions):
    done = subprocess.run(
        VALGRIND
        + ["--collect-atstart=no", *(f"--toggle-collect={name}" for name in functions)]
        + [os.path.join(BUILD, "bench")],
        input=line + "\n",
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    return collected(done.stderr) // calls


def count_kernels(part):
    with tempfile.TemporaryDirectory() as folder:
        for name, (line, calls, functions) in kernels(folder).items():
            if part in name:
                yield name, count_kernel(line, calls, functions)


# ---- endpoints ----------------------------------------------------------------------------------


class Office:
    """The state of a daemon that has a calibration and some records, and what it is asked."""

    def __init__(self, folder):
        import daemon

        self.daemon, self.state = daemon, os.path.join(folder, "state")
        running = daemon.Daemon(BUILD)
        try:
            archive = running.simulate("--samples", 60, "--features", 256)
            running.fit("office", archive, method="svd", rank=10)
            daemon.record(running, "office", archive, 6)
            lead = next(daemon.forecasts_of(archive, 1))
            running.stop()
            shutil.copytree(os.path.join(running.folder, "state"), self.state)
        finally:
            running.remove()
        self.requests = self.requests_of(lead["lead_time_hours"], lead["features"][0])
        self.program = self.under_callgrind(os.path.join(folder, "counted"))

    @staticmethod
    def requests_of(lead, sample):
        raw = struct.pack(f"<{len(sample)}f", *sample)
        query = {"calibration": "office", "lead_time_hours": lead, "features": [sample]}
        target = f"/v1/intervals?calibration=office&lead_time_hours={lead:g}"
        return {
            "POST /v1/intervals, raw": (target, "application/octet-stream", raw),
            "POST /v1/intervals, JSON": (
                "/v1/intervals",
                "application/json",
                json.dumps(query).encode(),
            ),
            "GET /v1/widths, 304": ("/v1/widths?calibration=office", None, None),
        }

    @staticmethod
    def under_callgrind(folder):
        """A folder that stands for a build."""
        os.makedirs(folder)
        path = os.path.join(folder, "ntkuqd")
        with open(path, "w") as script:
            script.write(f'#!/bin/sh\nexec {" ".join(VALGRIND)} {BUILD}/ntkuqd "$@"\n')
        os.chmod(path, 0o755)
        os.symlink(os.path.join(BUILD, "ntkuq"), os.path.join(folder, "ntkuq"))
        return folder

    def count(self, times):
        """Instructions of the daemon's life with so many requests of each kind."""
        office = self

        class Counted(office.daemon.Daemon):
            def start(self):
                shutil.copytree(office.state, os.path.join(self.folder, "state"))
                super().start()

        running = Counted(self.program, ["--threads", "1", "--access_log", "errors"])
        try:
            host, port = running.url.split("/")[2].split(":")
            with socket.create_connection((host, int(port)), 60) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for name, (target, kind, body) in self.requests.items():
                    ask_often(connection, target, kind, body, times[name])
            running.stop()
            with open(os.path.join(running.folder, "log")) as log:
                return collected(log.read())
        finally:
            running.remove()


def ask_often(connection, target, kind, body, times):
    """With the tag of the first reply where nothing is posted."""
    head = f"{'POST' if body else 'GET'} {target} HTTP/1.1\r\nHost: localhost\r\n"
    if body:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        return [exchange(connection, head, body, 200) for _ in range(times)]
    tag = re.search(r"(?i)^etag: (.*)\r$", exchange(connection, head, b"", 200), re.MULTILINE)[1]
    head += f"If-None-Match: {tag}\r\n"
    return [exchange(connection, head, b"", 304) for _ in range(times)]


def exchange(connection, head, body, status):
    """The head of the reply, which must have that status."""
    connection.sendall(head.encode() + b"\r\n" + body)
    reply = b""
    while b"\r\n\r\n" not in reply:
        reply += connection.recv(65536)
    said, rest = reply.split(b"\r\n\r\n", 1)
    said = said.decode() + "\r\n"
    if f" {status} " not in said.splitlines()[0]:
        raise RuntimeError(f"{head.splitlines()[0]} was answered {said} {rest[:500]}")
    length = re.search(r"(?i)content-length: (\d+)", said)
    missing = int(length[1]) - len(rest) if length and status != 304 else 0
    while missing > 0:
        missing -= len(connection.recv(65536))
    return said


def count_endpoints(part):
    with tempfile.TemporaryDirectory() as folder:
        office = Office(folder)
        few = {name: FEW for name in office.requests}
        base = office.count(few)
        for name in office.requests:
            if part in name:
                yield name, (office.count({**few, name: MANY}) - base) // (MANY - FEW)


# ---- beside what is stored ----------------------------------------------------------------------


def made_with():
    """What decides on the code that is counted."""
    here = baselines.machine()
    named = {name: here[name] for name in ("compiler", "openblas", "libc", "libmicrohttpd")}
    named["jansson"] = baselines.package("libjansson4")
    named["valgrind"] = baselines.package("valgrind")
    named["vectors"] = "none" if here["vectors"] == "none" else "avx2"
    return named


def counted(part):
    found = {"kernels": {}, "endpoints": {}}
    for kind, counts in (("kernels", count_kernels), ("endpoints", count_endpoints)):
        for name, count in counts(part):
            found[kind][name] = count
            yield kind, name, count


def why_not(stored):
    """Why nothing can be compared, or None."""
    if os.path.basename(BUILD) != "release":
        return "counts are those of the release build"
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    here = made_with()
    for name, version in (stored or {}).get("made_with", {}).items():
        if here.get(name) != version:
            return f"the counts were made with {name} {version}, here is {here.get(name)}"
    return None


def compare(name, count, before):
    """Whether it is no slower, said on a line."""
    change = count / before - 1
    said = f"{name}: {count} instructions, stored are {before} ({100 * change:+.2f} %)"
    if change > TOLERANCE:
        print(f"FAIL {said}, more by over {100 * TOLERANCE:g} %", flush=True)
        return False
    faster = ", fewer: store them" if change < -TOLERANCE else ""
    print(f"ok   {said}{faster}", flush=True)
    return True


def main():
    words = [word for word in sys.argv[1:] if word != "--store"]
    storing, part = "--store" in sys.argv, " ".join(words)
    stored = None
    with contextlib.suppress(FileNotFoundError), open(STORED) as file:
        stored = json.load(file)
    reason = why_not(None if storing else stored)
    if reason or not (stored or storing):
        print(f"skipped: {reason or 'there are no stored counts'}")
        return checks.summary(0, 0)
    if storing:
        found = {"made_with": made_with(), "kernels": {}, "endpoints": {}}
        for kind, name, count in counted(part):
            print(f"{name}: {count}", flush=True)
            found[kind][name] = count
        with open(STORED, "w") as file:
            json.dump(found, file, indent=1)
            file.write("\n")
        return 0
    held = []
    for kind, name, count in counted(part):
        if name in stored[kind]:
            held.append(compare(name, count, stored[kind][name]))
        else:
            print(f"     {name}: {count} instructions, none are stored", flush=True)
    return checks.summary(len(held), held.count(False))


if __name__ == "__main__":
    sys.exit(main())
