"""An operations room in a test: archives as forecasts and truths, and a strict client of a real ntkuqd."""
import http.client
import json
import math
import os
import shutil
import signal
import socket
import sys

import netCDF4
import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("NTK_BUILD", os.path.join(HERE, "../../build/release"))
TESTBED = os.path.join(HERE, "../../../shared/testbed")
sys.path.insert(0, os.path.join(HERE, "../web"))
import daemon  # noqa: E402

LEVELS = (0.8, 0.9)
NEVER = 10**9


def text_of(seconds):
    """UTC text of seconds since 1970."""
    return str(numpy.datetime64(int(seconds), "s")) + "Z"


# ---- forecasts and truths -----------------------------------------------------------------------


class Archive:
    """The forecasts of an archive that nothing was fitted on, in the order of their times: `times`
    (n, seconds since 1970), `leads` (hours), `features` (n, leads, columns) and, for each variable
    with truths, `forecast` and `truth` (n, leads, places)."""

    def __init__(self, path):
        with netCDF4.Dataset(path) as data:
            split = data["split"][:].filled() if "split" in data.variables else None
            times = data["forecast_reference_time"]
            seconds = netCDF4.date2num(
                netCDF4.num2date(times[:], times.units), "seconds since 1970-01-01"
            )
            kept = numpy.flatnonzero(split != 0)
            kept = kept[numpy.argsort(seconds[kept], kind="stable")]
            self.path = path
            self.times = [int(s) for s in seconds[kept]]
            self.leads = [float(h) for h in data["forecast_period"][:]]
            self.features = data["features"][:].filled(numpy.nan)[kept].astype(float)
            self.forecast, self.truth = {}, {}
            for name in data.variables:
                if name + "_truth" in data.variables:
                    self.forecast[name] = self._fields(data[name], kept)
                    self.truth[name] = self._fields(data[name + "_truth"], kept)

    def _fields(self, variable, kept):
        values = variable[:].filled(numpy.nan)[kept].astype(float)
        return values.reshape(len(kept), len(self.leads), -1)

    def use_of(self, i, lead):
        """The first forecast whose interval may depend on that truth: issued when it is valid."""
        valid = self.times[i] + 3600 * self.leads[lead]
        return next((j for j in range(i + 1, len(self.times)) if self.times[j] >= valid), NEVER)


def simulated(folder, seed, samples=360):
    """A simulated archive, for those who have no other."""
    path = os.path.join(folder, f"simulated_{seed}.nc")
    command = f"{BUILD}/ntkuq simulate -o {path} --samples {samples} --features 24 --seed {seed}"
    if os.system(command + " >/dev/null"):
        raise RuntimeError("no archive could be simulated: " + command)
    return path


# ---- the client ---------------------------------------------------------------------------------


def _finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} in a reply is not finite")
    return value


def _refuse(text):
    raise ValueError(f"{text} in a reply is not JSON")


def parse(text):
    """JSON as RFC 8259 has it, of finite numbers alone."""
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


class Room(daemon.Daemon):
    """A daemon and one kept connection to it, with a copy of that state folder. Whatever is not
    acknowledged is sent again."""

    def __init__(self, *extra, state=None):
        self.connection = None
        self.restarts = self.resent = 0
        self.state = state
        super().__init__(BUILD, ["--open_writes", "on", "--access_log", "off", *extra])

    def start(self):
        if self.state:
            shutil.copytree(self.state, os.path.join(self.folder, "state"))
        self.state = None
        super().start()

    def _connect(self):
        if not self.connection:
            host = self.url.split("/")[2]
            self.connection = http.client.HTTPConnection(host, timeout=120)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.connection

    def disconnect(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def request(self, method, path, body=None, kind=daemon.JSON, headers=None):
        """Status and document, strictly parsed; a dict is sent as JSON. The reply's headers stay in
        `headers`."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        fields = dict(headers or {})
        if data is not None:
            fields["Content-Type"] = kind
        connection = self._connect()
        connection.request(method, "/" + path.lstrip("/"), data, fields)
        reply = connection.getresponse()
        self.headers = reply.headers
        document = reply.read()
        return reply.status, parse(document) if document else None

    def get(self, path):
        self.disconnect()  # the daemon may have closed a connection that was silent for long
        status, document = self.request("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {document}")
        return document

    def post(self, path, body):
        """What must be acknowledged: sent again after a lost connection, restarting the daemon."""
        for _ in range(5):
            try:
                status, document = self.request("POST", path, body)
            except (OSError, http.client.HTTPException):
                self.resent += 1
                self.recover()
                continue
            if status != 200:
                raise AssertionError(f"POST {path}: {status} {document}")
            return document
        raise AssertionError(f"POST {path} was never acknowledged")

    def recover(self):
        self.disconnect()
        if self.process.poll() is not None:
            self.restarts += 1
            self.start()

    def crash(self):
        """The power is cut."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def begin_post(self, path, body, share=1.0):
        """Sends that share of a request and does not wait for what comes."""
        data = json.dumps(body).encode()
        connection = self._connect()
        connection.putrequest("POST", "/" + path)
        connection.putheader("Content-Type", daemon.JSON)
        connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data[: int(share * len(data))])

    def stop(self):
        self.disconnect()
        super().stop()


# ---- what is sent -------------------------------------------------------------------------------


def query_of(name, archive, i, lead, levels=LEVELS, **members):
    return {
        "calibration": name,
        "lead_time_hours": archive.leads[lead],
        "forecast_reference_time": text_of(archive.times[i]),
        "levels": list(levels),
        "record": True,
        "features": [archive.features[i, lead].tolist()],
        "forecast": {v: [f[i, lead].tolist()] for v, f in archive.forecast.items()},
        **members,
    }


def truths_of(archive, truth, i, lead):
    """The truths of all variables of one forecast, for every calibration that has such places."""
    return [
        {
            "variable": variable,
            "lead_time_hours": archive.leads[lead],
            "forecast_reference_time": text_of(archive.times[i]),
            "values": values[i, lead].tolist(),
        }
        for variable, values in truth.items()
    ]


def drifted(archive, first, factor):
    """Truths of which those of forecasts from `first` on have errors `factor` times as large."""
    changed = {}
    for variable, truth in archive.truth.items():
        forecast = archive.forecast[variable]
        changed[variable] = truth.copy()
        error = truth[first:] - forecast[first:]
        changed[variable][first:] = forecast[first:] + factor * error
    return changed
