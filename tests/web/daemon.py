"""A real ntkuqd on a free loopback port, with its own folder, for those who look at its page."""
import datetime
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import netCDF4
import numpy

NETCDF, JSON = "application/x-netcdf", "application/json"


class Daemon:
    """Starts at once; stop() keeps the folder, remove() ends both."""

    def __init__(self, build, extra=()):
        self.build = os.path.abspath(build)
        self.folder = tempfile.mkdtemp(prefix="ntkuq-page.")
        self.extra = list(extra)
        self.start()

    def start(self):
        port_file = os.path.join(self.folder, "port")
        if os.path.exists(port_file):
            os.remove(port_file)
        with open(os.path.join(self.folder, "log"), "a") as log:
            self.process = subprocess.Popen(
                [
                    self.build + "/ntkuqd",
                    "--listen_address",
                    "127.0.0.1",
                    "--port",
                    "0",
                    "--port_file",
                    port_file,
                    "--state_dir",
                    self.folder + "/state",
                    "--ntkuq_program",
                    self.build + "/ntkuq",
                    *self.extra,
                    *([] if "--token_file" in self.extra else ["--open_writes", "on"]),
                ],
                stderr=log,
            )
        for _ in range(300):
            if os.path.exists(port_file) and open(port_file).read().strip():
                self.url = f"http://127.0.0.1:{open(port_file).read().strip()}/"
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(
            "the daemon did not start: " + open(os.path.join(self.folder, "log")).read()
        )

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def request(self, method, path, body=None, kind=JSON):
        """Status and document; a dict is sent as JSON."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": kind} if data is not None else {}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=300) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def simulate(self, *options):
        path = os.path.join(self.folder, "archive.nc")
        subprocess.run(
            [self.build + "/ntkuq", "simulate", "-o", path, *map(str, options)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return path

    def fit(self, name, archive, **options):
        """Uploads, fits and waits; gives the job, which succeeded."""
        with open(archive, "rb") as stream:
            _, stored = self.request("POST", "v1/datasets", stream.read(), NETCDF)
        status, job = self.request(
            "POST", "v1/calibrations", {"name": name, "datasets": [stored["id"]], **options}
        )
        if status != 202:
            raise RuntimeError(f"the fit was refused: {job}")
        while job["status"] in ("accepted", "running"):
            time.sleep(0.1)
            _, job = self.request("GET", f"v1/jobs/{job['jobID']}")
        if job["status"] != "successful":
            raise RuntimeError(f"the fit ended as {job}")
        return job


def forecasts_of(archive, samples):
    """The last `samples` forecasts of an archive, a dict for each lead time: hours, times,
    features, and for each variable with truths its forecast and truth, rows of numbers."""
    with netCDF4.Dataset(archive) as data:
        times = [
            datetime.datetime(*t.timetuple()[:6]).strftime("%Y-%m-%dT%H:%M:%SZ")
            for t in netCDF4.num2date(
                data["forecast_reference_time"][-samples:], data["forecast_reference_time"].units
            )
        ]
        names = [name for name in data.variables if name + "_truth" in data.variables]
        for lead, hours in enumerate(data["forecast_period"][:]):

            def rows(name):
                values = numpy.ma.filled(data[name][-samples:, lead], numpy.nan).astype(float)
                return [[round(float(v), 6) for v in row] for row in values.reshape(len(times), -1)]

            yield {
                "lead_time_hours": float(hours),
                "times": times,
                "features": rows("features"),
                "variables": {name: (rows(name), rows(name + "_truth")) for name in names},
            }


def record(daemon, name, archive, samples, unverified=2, levels=(0.5, 0.8, 0.9)):
    """Records the intervals of an archive's last forecasts in the order of time, and the truths of
    all but the newest. Gives the statuses of the refusals: empty when the daemon takes records."""
    refused = []
    for lead in forecasts_of(archive, samples):
        for i, moment in enumerate(lead["times"]):
            query = {
                "calibration": name,
                "lead_time_hours": lead["lead_time_hours"],
                "levels": list(levels),
                "record": True,
                "features": [lead["features"][i]],
                "forecast_reference_time": moment,
                "forecast": {v: [f[i]] for v, (f, _) in lead["variables"].items()},
            }
            truths = {
                "truths": [
                    {
                        "calibration": name,
                        "forecast_reference_time": moment,
                        "lead_time_hours": lead["lead_time_hours"],
                        "variable": v,
                        "values": t[i],
                    }
                    for v, (_, t) in lead["variables"].items()
                ]
            }
            known = i < samples - unverified
            for path, body in [("v1/intervals", query)] + (
                [("v1/truths", truths)] if known else []
            ):
                status, _ = daemon.request("POST", path, body)
                if status >= 400:
                    refused.append((path, status))
            if len(refused) > 1:
                return refused
    return refused
