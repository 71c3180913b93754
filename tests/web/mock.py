"""A stand-in for the daemon with a month of forecasts of air temperature over Europe, for what a
test must see drawn at once: many records, truths, an alarm, labels. Numbers are made up but behave:
intervals widen with lead time and over land, and cover what they promise, but for one lead time."""
import hashlib
import http.server
import json
import math
import pathlib
import random
import sys
import threading
import urllib.parse

WEB = pathlib.Path(__file__).resolve().parents[2] / "server" / "web"
LEADS = (6.0, 12.0, 24.0, 48.0, 72.0, 120.0)
LEVELS = (0.5, 0.8, 0.9)
Z = {0.5: 0.674, 0.8: 1.282, 0.9: 1.645}
LATITUDES = [70.0 - 3.5 * i for i in range(11)]
LONGITUDES = [-12.5 + 5.0 * i for i in range(11)]
TIMES = [
    f"2026-{m:02d}-{d:02d}T{h:02d}:00:00Z"
    for m, d in [(10, d) for d in range(23, 32)] + [(11, d) for d in range(1, 22)]
    for h in (0, 12)
][:-1]
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
}


def spread(lead, row, column, weather=1.0):
    """Standard error in K: grows with lead, and more inland and in the north-east."""
    inland = 1 + 0.5 * math.exp(
        -(((LONGITUDES[column] - 28) / 16) ** 2) - ((LATITUDES[row] - 56) / 12) ** 2
    )
    storm = 1 + 0.6 * math.exp(
        -(((LONGITUDES[column] + 2 - lead / 6) / 7) ** 2) - ((LATITUDES[row] - 55) / 5) ** 2
    )
    return 0.55 * (1 + (lead / 40) ** 0.8) * inland * (1 + (storm - 1) * weather)


def weather(i, lead=0):
    """How wide the intervals of a day are against the usual: slow waves, and some noise."""
    return (
        1
        + 0.16 * math.sin(i / (5 + lead / 40) - 0.6)
        + 0.08 * math.sin(i / 1.7 + lead / 12)
        + random.Random(f"{i} {lead}").uniform(-0.06, 0.06)
    )


def mean_width(lead, level, i):
    cells = [spread(lead, r, c) for r in range(11) for c in range(11)]
    return (
        2
        * Z[level]
        * sum(cells)
        / len(cells)
        * weather(i, lead)
        * (1.45 if i == len(TIMES) - 1 and lead >= 72 else 1)
    )


def width_rows(query):
    rows = []
    for lead in LEADS:
        for level in LEVELS:
            if "level" in query and float(query["level"]) != level:
                continue
            if query.get("variable", "t2m") != "t2m":
                continue
            series = [mean_width(lead, level, i) for i in range(len(TIMES))]
            for i, time in enumerate(TIMES):
                if time < query.get("since", TIMES[-1]):
                    continue
                before = sorted(series[:i])
                rows.append(
                    {
                        "calibration": "europe",
                        "version": 3,
                        "variable": "t2m",
                        "units": "K",
                        "lead_time_hours": lead,
                        "level": level,
                        "forecast_reference_time": time,
                        "width": series[i],
                        "typical_width": before[len(before) // 2] if before else None,
                        "percentile": 100 * sum(w < series[i] for w in before) / len(before)
                        if before
                        else None,
                        "sigma": 1.0,
                        "novelty": 40.0,
                        "points": 121,
                        "records": i + 1,
                    }
                )
    return {"rows": rows}


AHEAD = "2100-01-01T00:00:00Z"


def widths_with_one_ahead(query):
    """Two variables; one lead time of one has a single record of a time far ahead."""
    rows = width_rows({k: v for k, v in query.items() if k != "variable"})["rows"]
    other = [{**row, "variable": "z500", "units": "m2 s-2"} for row in rows]
    lead = LEADS[0]
    ahead = [
        {**row, "forecast_reference_time": AHEAD}
        for row in rows
        if row["lead_time_hours"] == lead and row["forecast_reference_time"] == TIMES[-1]
    ]
    old = [row for row in rows if "since" in query or row["lead_time_hours"] != lead]
    wanted = query.get("variable")
    return {"rows": [r for r in old + ahead + other if wanted in (None, r["variable"])]}


def coverage_rows(query):
    found = {6.0: 0.906, 12.0: 0.897, 24.0: 0.902, 48.0: 0.889, 72.0: 0.894, 120.0: 0.861}
    return {
        "rows": [
            {
                "calibration": "europe",
                "version": 3,
                "variable": "t2m",
                "units": "K",
                "lead_time_hours": lead,
                "place_group": "all",
                "level": level,
                "window": query.get("window", "30d"),
                "records": 58,
                "coverage": 1 - (1 - found[lead]) * (1 - level) / 0.1,
                "coverage_lower": 1 - (1 - found[lead] + 0.017) * (1 - level) / 0.1,
                "coverage_upper": 1 - (1 - found[lead] - 0.017) * (1 - level) / 0.1,
                "width": mean_width(lead, level, 3),
                "crps": 0.6,
                "first_reference_time": TIMES[0],
                "last_reference_time": TIMES[-6],
            }
            for lead in LEADS
            for level in LEVELS
        ]
    }


def adaptation_rows(query):
    used = {6.0: 0.897, 12.0: 0.902, 24.0: 0.899, 48.0: 0.909, 72.0: 0.904, 120.0: 0.932}
    return {
        "rows": [
            {
                "calibration": "europe",
                "version": 3,
                "variable": "t2m",
                "lead_time_hours": lead,
                "level": level,
                "enabled": True,
                "alpha": 1 - level,
                "level_in_use": 1 - (1 - used[lead]) * (1 - level) / 0.1,
                "gamma": 0.02,
                "records": 58,
                "miss_rate": 0.1,
                "last_reference_time": TIMES[-6],
            }
            for lead in LEADS
            for level in LEVELS
        ]
    }


def alarm_rows(query):
    return {
        "rows": [
            {
                "kind": "coverage",
                "calibration": "europe",
                "version": 3,
                "variable": "t2m",
                "lead_time_hours": 120.0,
                "level": 0.9,
                "since": "2026-11-17T12:00:00Z",
                "statistic": 24.1,
                "threshold": 20.0,
                "components": [],
                "message": "86.1 % of the last 58 forecasts were covered where 90 % were promised",
            }
        ]
    }


def record(time, lead, place):
    draw = random.Random(f"{time} {lead}")
    i = TIMES.index(time)
    cells = range(121) if place is None else [place]
    noise = [draw.gauss(0, 1) for _ in range(121)]
    forecast = [
        287
        - 0.55 * (LATITUDES[n // 11] - 45)
        - 0.12 * LONGITUDES[n % 11]
        + 2.5 * math.sin(lead / 24 * math.pi + n % 11 / 3)
        for n in range(121)
    ]
    half = [spread(lead, n // 11, n % 11) * weather(i, lead) for n in range(121)]
    late = i + lead / 12 > len(TIMES) - 1 + 2
    return {
        "calibration": "europe",
        "version": 3,
        "variable": "t2m",
        "units": "K",
        "lead_time_hours": lead,
        "forecast_reference_time": time,
        "valid_time": time,
        "points": 121,
        "levels": list(LEVELS),
        "forecast": [round(forecast[n], 3) for n in cells],
        "lower": [[round(forecast[n] - Z[level] * half[n], 3) for n in cells] for level in LEVELS],
        "upper": [[round(forecast[n] + Z[level] * half[n], 3) for n in cells] for level in LEVELS],
        "truth": None if late else [round(forecast[n] + noise[n] * half[n], 3) for n in cells],
    }


def issued(query):
    place = int(query["place"]) if "place" in query else None
    leads = [float(query["lead_time_hours"])] if "lead_time_hours" in query else LEADS
    places = (
        {"kind": "grid", "latitude": LATITUDES, "longitude": LONGITUDES}
        if place is None
        else {
            "kind": "points",
            "latitude": [LATITUDES[place // 11]],
            "longitude": [LONGITUDES[place % 11]],
        }
    )
    return {
        "records": [
            record(query.get("forecast_reference_time", TIMES[-1]), lead, place) for lead in leads
        ],
        "places": places,
    }


def calibrations(query):
    versions = [
        {
            "version": v,
            "sha256": hashlib.sha256(bytes([v])).hexdigest(),
            "created": f"2026-0{5 + v}-02T08:00:00Z",
        }
        for v in (1, 2, 3, 4)
    ]
    return {
        "calibrations": [
            {
                "name": "europe",
                "latest": 4,
                "versions": versions,
                "labels": {
                    "stable": {"version": 3, "revision": 3},
                    "canary": {"version": 4, "revision": 1},
                },
            }
        ]
    }


def description(query):
    return {
        "forecast_model": "swin-0.25",
        "feature_count": 256,
        "leads": [
            {
                "lead_time_hours": lead,
                "n": 1460,
                "n_effective": 402.3,
                "numerical_rank": 255,
                "rank": 20,
                "method": "ica",
                "rule_method": "svd",
                "method_reason": "cross-validated CRPS (of the mean error) svd 0.7166 at rank 20, ica 0.7119 at "
                "rank 20: ica; the rule (CR_10 = 0.903, threshold 0.90) disagrees",
                "rank_reason": "lowest cross-validated CRPS (0.7119 of the mean error) of 13 ranks, with coverage 0.904 at 90 %",
                "diagnostics": {"collapse_ratio": 0.612, "effective_rank": 22.7},
            }
            for lead in LEADS
        ],
    }


def spectrum(query):
    return {
        "calibration": "europe",
        "version": 3,
        "lead_time_hours": float(query["lead_time_hours"]),
        "eigenvalues": [4 * (j + 1) ** -1.35 * math.exp(-j / 90) for j in range(255)],
        "eigenvalue_count": 255,
        "cut": False,
        "rank": 20,
        "collapse_ratio": 0.612,
        "sweep": [
            {
                "method": "svd",
                "rank": k,
                "noise_variance": 0.1,
                "collapse_ratio": min(0.99, 0.2 + k / 60),
                "collapsed": False,
                "coverage": 0.9,
                "width": 4.4,
                "crps": 0.7166,
            }
            for k in (1, 2, 3, 5, 7, 10, 20)
        ],
    }


def jobs(query):
    return {
        "jobs": [
            {
                "jobID": "a",
                "processID": "fit",
                "status": "running",
                "progress": 62,
                "calibration": "europe",
                "message": "fitting lead 72 h (5 of 6)",
                "created": "2026-11-21T13:00:00Z",
                "started": "2026-11-21T13:00:01Z",
                "finished": None,
                "error": None,
            },
            {
                "jobID": "b",
                "processID": "fit",
                "status": "successful",
                "progress": 100,
                "calibration": "europe",
                "message": "done",
                "created": "2026-11-20T09:00:00Z",
                "started": "2026-11-20T09:00:00Z",
                "finished": "2026-11-20T09:02:41Z",
                "result": {"calibration": "europe", "version": 4, "sha256": "ab"},
            },
        ]
    }


ANSWERS = {
    "/v1/widths": width_rows,
    "/v1/coverage": coverage_rows,
    "/v1/adaptation": adaptation_rows,
    "/v1/alarms": alarm_rows,
    "/v1/issued": issued,
    "/v1/calibrations": calibrations,
    "/v1/jobs": jobs,
    "/v1/calibrations/{name}/versions/{version}": description,
    "/v1/calibrations/{name}/versions/{version}/spectrum": spectrum,
}


def only_first_lead(answer, rows):
    """The answer, its rows cut to the first lead time."""

    def cut(query):
        found = answer(query)
        return {**found, rows: [r for r in found[rows] if r["lead_time_hours"] == LEADS[0]]}

    return cut


def few(query):
    """Coverage as after a single verified forecast."""
    rows = coverage_rows(query)["rows"]
    return {
        "rows": [{**r, "records": 1, "coverage_lower": 0.2, "coverage_upper": 1.0} for r in rows]
    }


ONE_AHEAD = {**ANSWERS, "/v1/widths": widths_with_one_ahead}
ONE_LEAD = {
    **ANSWERS,
    "/v1/widths": only_first_lead(width_rows, "rows"),
    "/v1/issued": only_first_lead(issued, "records"),
    "/v1/coverage": few,
    "/v1/alarms": lambda query: {"rows": []},
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, body, kind):
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        known = self.headers.get("If-None-Match") == tag
        self.send_response(304 if known else 200)
        self.send_header("Content-Type", kind)
        self.send_header("ETag", tag)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Length", "0" if known else str(len(body)))
        self.end_headers()
        if not known:
            self.wfile.write(body)

    def refuses(self):
        refusal = self.server.refusal
        if not refusal or self.headers.get("Authorization") == f"Bearer {refusal['token']}":
            return False
        body = json.dumps({"status": refusal["status"], "detail": refusal["detail"]}).encode()
        self.send_response(refusal["status"])
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return True

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.split("/")
        if len(parts) > 4 and parts[2] == "calibrations":
            parts[3], parts[5] = "{name}", "{version}"
        pattern = "/".join(parts)
        answers = self.server.answers
        if pattern in answers and self.refuses():
            return
        if url.path == "/openapi.json":
            self.reply(
                json.dumps({"info": {"version": "0"}, "paths": {p: {} for p in answers}}).encode(),
                "application/json",
            )
        elif pattern in answers:
            self.reply(json.dumps(answers[pattern](query)).encode(), "application/json")
        else:
            name = "index.html" if url.path == "/" else pathlib.Path(url.path).name
            found = [p for p in (WEB / name, WEB / "vendor" / name) if p.is_file()]
            if not found:
                self.send_error(404)
                return
            self.reply(found[0].read_bytes(), TYPES[found[0].suffix])

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_):
        pass


def start(port=0, answers=ANSWERS, refusal=None):
    """Serves on loopback in a thread; gives the server, whose address is in server_address.

    A refusal {status, detail, token} is what reads get that do not carry the token; it can be
    exchanged while the server runs (server.refusal).
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.answers, server.refusal = answers, refusal
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    print(f"http://127.0.0.1:{start(int(sys.argv[1])).server_address[1]}/")
    threading.Event().wait()
