"""The daemon, over HTTP on this machine: the client (wrk, one thread) shares the processors."""
import contextlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

from measure import Contest, Figure, Missing

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../web"))

EMPTY, JANSSON = "empty libmicrohttpd handler", "jansson alone"
SERVICE = "FastAPI service"
OCTETS, JSON = "application/octet-stream", "application/json"
WINDOW = 2  # seconds


@contextlib.contextmanager
def daemon_of(build, d):
    """A daemon with the calibration `bench` of so many features, and one sample's features."""
    import daemon

    running = daemon.Daemon(build, ["--access_log", "errors"])
    try:
        archive = running.simulate("--samples", 60, "--features", d)
        running.fit("bench", archive, method="svd", rank=10)
        lead = next(daemon.forecasts_of(archive, 1))
        yield running, lead["lead_time_hours"], lead["features"][0]
    finally:
        running.remove()


def wrk(url, body, kind, connections=16):
    """A side: seconds a request, and the 99th percentile of latencies."""
    if not shutil.which("wrk"):
        return Missing("wrk is not installed")

    def run():
        found = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{WINDOW}s", "-s", HERE + "/wrk.lua", url],
            capture_output=True,
            text=True,
            env={**os.environ, "BODY": body, "TYPE": kind},
        )
        saw = re.search(r"^SAW (.*)$", found.stdout, re.MULTILINE)
        saw = json.loads(saw[1]) if saw else {"errors": found.stderr}
        if saw["errors"]:
            raise RuntimeError(f"wrk saw errors at {url}: {saw}")
        return {"seconds": saw["seconds"] / saw["requests"], "p99 seconds": 1e-6 * saw["p99"]}

    return run


def written(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def raw(served, build):
    d = 256

    @contextlib.contextmanager
    def sides():
        with daemon_of(build, d) as (daemon, lead, sample), tempfile.TemporaryDirectory() as folder:
            body = written(folder, "body", struct.pack(f"<{d}f", *sample))
            target = f"v1/intervals?calibration=bench&lead_time_hours={lead:g}"
            port = int(served.ask("empty")[0])
            yield {
                "ours": wrk(daemon.url + target, body, OCTETS),
                EMPTY: wrk(f"http://127.0.0.1:{port}/", body, OCTETS),
            }

    figures = [
        Figure(EMPTY, least=0.8, name="requests/s"),
        Figure(EMPTY, most=1.3, keys=["p99 seconds"], name="p99"),
    ]
    return Contest(f"POST raw, d {d}, 16 connections", sides, figures, seconds=40, most=9)


# ---- JSON ---------------------------------------------------------------------------------------


def query_text(lead, sample):
    """Float32 values as clients print them."""
    numbers = ", ".join(
        f"{value:.9g}"
        for value in struct.unpack(f"{len(sample)}f", struct.pack(f"{len(sample)}f", *sample))
    )
    head = f'{{"calibration":"bench","lead_time_hours":{lead:g},"features":'
    return f"{head}[{numbers}]}}".encode()


def text(served, d, digits):
    @contextlib.contextmanager
    def sides():
        yield {
            "ours": served.side("json", d, digits, 20),
            JANSSON: served.side("jansson", d, digits, 20),
        }

    figures = [Figure(JANSSON, fast=True)]
    return Contest(f"JSON of {d} numbers, {digits} digits", sides, figures, seconds=2)


def seconds_spent(url):
    """In requests for intervals, and their number, so far: from the headers to the reply's end."""
    with urllib.request.urlopen(url + "metrics") as reply:
        page = reply.read().decode()
    pattern = r'^ntkuqd_request_duration_seconds_%s\{[^}]*"/v1/intervals"[^}]*\} (.*)$'
    return [
        sum(map(float, re.findall(pattern % what, page, re.MULTILINE))) for what in ("sum", "count")
    ]


def inside(daemon, body):
    """A side: what the daemon itself says of one connection's requests."""
    client = wrk(daemon.url + "v1/intervals", body, JSON, connections=1)

    def run():
        before = seconds_spent(daemon.url)
        client()
        after = seconds_spent(daemon.url)
        return (after[0] - before[0]) / (after[1] - before[1])

    return run if callable(client) else client


def json_inside(build, d):
    @contextlib.contextmanager
    def sides():
        with daemon_of(build, d) as (daemon, lead, sample), tempfile.TemporaryDirectory() as folder:
            body = written(folder, "body", query_text(lead, sample))
            ours = inside(daemon, body)
            if isinstance(ours, Missing):
                raise ours
            yield {"ours": ours, "150 us": lambda: 150e-6}

    figures = [Figure("150 us", most=1)]
    return Contest(f"POST JSON, d {d}, in the daemon", sides, figures, seconds=8, most=5)


@contextlib.contextmanager
def service_of(d):
    """The address of uvicorn with the FastAPI service."""
    import fastapi  # noqa: F401
    import reference  # noqa: F401
    import uvicorn  # noqa: F401

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port)]
        + ["--log-level", "warning", "--no-access-log"],
        cwd=HERE,
        env={**os.environ, "D": str(d), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


def service(build, d):
    @contextlib.contextmanager
    def sides():
        with contextlib.ExitStack() as stack:
            url = stack.enter_context(service_of(d))
            daemon, lead, sample = stack.enter_context(daemon_of(build, d))
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            body = written(folder, "body", query_text(lead, sample))
            yield {
                "ours": wrk(daemon.url + "v1/intervals", body, JSON),
                SERVICE: wrk(url + "declared", body, JSON),
                SERVICE + ", json.loads": wrk(url + "by_hand", body, JSON),
            }

    figures = [Figure(SERVICE, least=20), Figure(SERVICE + ", json.loads", fast=True)]
    name = f"POST JSON, d {d}, 16 connections"
    return Contest(name, sides, figures, seconds=30, most=5)


def contests(served, build):
    yield raw(served, build)
    yield text(served, 1536, 9)
    yield text(served, 1536, 17)
    yield json_inside(build, 1536)
    yield service(build, 1536)
