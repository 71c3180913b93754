#!/usr/bin/python3
"""What /openapi.json says against what a daemon does, both ways: every reply of a long conversation is
one that the document describes, with no member that it does not name; and every request that the
document forbids is refused with a sentence that names what is wrong.

Each test is a function below a heading; its name says what holds. Ends with a line in the form of
Check, as tests/run.sh reads it. Skipped where python3-jsonschema is missing.
"""
import http.client
import json
import os
import re
import socket
import shutil
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "web"))
sys.path.insert(0, os.path.join(HERE, "..", "operations"))
import checks  # noqa: E402

JSON, CSV, NETCDF = "application/json", "text/csv", "application/x-netcdf"
RAW, NPY, PROBLEM = "application/octet-stream", "application/x-npy", "application/problem+json"


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.json = None

    def detail(self):
        return (self.json or {}).get("detail", "")


class Client:
    """Checks every reply against the document, and keeps which were seen."""

    def __init__(self, address):
        self.host, self.port = address
        self.document = None
        self.seen = set()

    def send(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        connection.request(method, path, body, headers or {})
        got = connection.getresponse()
        reply = Reply(got.status, dict(got.getheaders()), got.read())
        connection.close()
        return reply

    def ask(self, method, path, body=None, kind=None, **headers):
        if isinstance(body, (dict, list)):
            body, kind = json.dumps(body).encode(), kind or JSON
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if kind:
            headers["Content-Type"] = kind
        reply = self.send(method, path, body, headers)
        operation = self.document.find(method, path)
        if operation:
            reply.json = operation.check(reply.status, reply.headers, reply.body)
            self.seen.add((operation.id, str(reply.status)))
        else:
            assert reply.status >= 400, f"{method} {path} is answered and not described"
            reply.json = check_problem(self.document, reply)
        return reply

    def must(self, status, method, path, *arguments, **options):
        reply = self.ask(method, path, *arguments, **options)
        assert reply.status == status, f"{method} {path}: {reply.status} {reply.body[:400]}"
        return reply.json


def check_problem(document, reply):
    """RFC 9457, whichever path it is of."""
    from document import strictly

    assert reply.headers.get("Content-Type") == PROBLEM, (reply.status, reply.headers, reply.body[:200])
    problem = strictly(reply.body)
    document.check({"$ref": "#/components/schemas/Problem"}, problem, f"status {reply.status}")
    assert problem["status"] == reply.status and problem["error"] == problem["detail"]
    return problem


def refused(world, names, *arguments, **options):
    """4xx with a sentence that has one of the names."""
    reply = world.client.ask(*arguments, **options)
    assert 400 <= reply.status < 500, f"{arguments}: {reply.status} {reply.body[:300]}"
    check_problem(world.document, reply)
    if names:
        assert any(name in reply.detail() for name in names), f"{arguments}: {reply.detail()} lacks {names}"
    return reply


class World:
    """A daemon with two versions of a calibration, records and truths, and its document."""

    def __init__(self):
        import daemon

        self.archives = tempfile.mkdtemp(prefix="ntkuq-archives.")
        options = ["--request_body_bytes", str(1 << 20), "--query_rate", "100000", "--archive_dirs", self.archives]
        self.daemon = daemon.Daemon(os.environ.get("NTK_BUILD", "build/release"), options)
        try:
            self.look()
        except BaseException:
            self.close()
            raise

    def look(self):
        import daemon
        from document import Document, strictly

        address = re.fullmatch(r"http://([0-9.]+):([0-9]+)/", self.daemon.url).groups()
        self.client = Client((address[0], int(address[1])))
        self.document = self.client.document = Document(strictly(self.client.send("GET", "/openapi.json").body))
        self.archive = self.daemon.simulate("--samples", 60, "--features", 24)
        with open(self.archive, "rb") as stream:
            self.archive_bytes = stream.read()
        self.lead = next(daemon.forecasts_of(self.archive, 12))
        self.hours = self.lead["lead_time_hours"]
        shutil.copy(self.archive, os.path.join(self.archives, "one.nc"))

    def close(self):
        self.daemon.remove()
        shutil.rmtree(self.archives, ignore_errors=True)

    # ---- bodies that are right ------------------------------------------------------------------

    def query(self, sample=0, **more):
        variables = {name: [rows[0][sample]] for name, rows in self.lead["variables"].items()}
        return {
            "calibration": "toy",
            "lead_time_hours": self.hours,
            "features": [self.lead["features"][sample]],
            "forecast": variables,
            "levels": [0.5, 0.9],
            "forecast_reference_time": self.lead["times"][sample],
            **more,
        }

    def truths(self, sample=0, **more):
        rows = [
            {
                "calibration": "toy",
                "variable": name,
                "forecast_reference_time": self.lead["times"][sample],
                "lead_time_hours": self.hours,
                "values": rows[1][sample],
            }
            for name, rows in self.lead["variables"].items()
        ]
        return {"truths": rows, **more}

    def inference(self, rows=1, **more):
        features = self.lead["features"][:rows]
        columns = len(features[0])
        inputs = [
            {"name": "features", "datatype": "FP32", "shape": [rows, columns], "data": features},
            {"name": "lead_time_hours", "datatype": "FP64", "shape": [1], "data": [self.hours]},
        ]
        return {"id": "one", "model_name": "toy", "inputs": inputs, **more}

    def raw(self, rows=1):
        return b"".join(struct.pack(f"<{len(row)}f", *row) for row in self.lead["features"][:rows])


# ---- the document itself ------------------------------------------------------------------------


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def it_has_the_members_that_openapi_asks_for(world):
    document = world.document.json
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] and document["info"]["version"]
    assert set(document) <= {"openapi", "info", "tags", "paths", "components", "servers", "security"}
    for path in document["paths"]:
        assert path.startswith("/"), path
    for kind, members in document["components"].items():
        for name in members:
            assert re.fullmatch(r"[A-Za-z0-9._-]+", name), f"{kind} {name}"
    for target in references(document):
        world.document.resolve({"$ref": target})


def its_schemas_are_schemas(world):
    import jsonschema

    for name, schema in world.document.json["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "nullable" not in schema, f"{name} is written for OpenAPI 3.0"


def its_parameters_have_a_place_and_a_schema(world):
    for operation in world.document.operations:
        places = {(p["in"], p["name"]) for p in operation.parameters}
        assert len(places) == len(operation.parameters), operation.id
        in_path = set(re.findall(r"{([a-z]+)}", operation.path))
        assert in_path == {name for place, name in places if place == "path"}, operation.id
        for parameter in operation.parameters:
            assert parameter["in"] in ("path", "query", "header"), parameter
            assert parameter["schema"], parameter
            assert parameter["in"] != "path" or parameter["required"] is True, parameter


def its_operations_have_names_tags_and_replies(world):
    tags = {tag["name"] for tag in world.document.json["tags"]}
    schemes = world.document.json["components"]["securitySchemes"]
    ids = [operation.id for operation in world.document.operations]
    assert len(ids) == len(set(ids))
    for operation in world.document.operations:
        described = operation.described
        assert set(described["tags"]) <= tags and described["summary"], operation.id
        assert operation.successes() and "default" in described["responses"], operation.id
        for status, response in described["responses"].items():
            assert re.fullmatch("[2345][0-9][0-9]|default", status), f"{operation.id} {status}"
            assert world.document.resolve(response)["description"], f"{operation.id} {status}"
        for choice in described["security"]:
            assert set(choice) <= set(schemes), operation.id
        assert operation.method not in ("GET", "DELETE") or not operation.types_of_body(), operation.id


def the_manual_names_every_path(world):
    with open(os.path.join(HERE, "..", "..", "docs", "api.md"), encoding="utf-8") as stream:
        manual = stream.read()
    for path in world.document.json["paths"]:
        if not path.startswith(("/v2/", "/edr")):
            assert f"{path}`" in manual or f"{path}?" in manual, f"docs/api.md says nothing of {path}"


# ---- replies are as it says ---------------------------------------------------------------------


def wait_for(world, job):
    while job["status"] in ("accepted", "running"):
        time.sleep(0.05)
        job = world.client.must(200, "GET", f"/v1/jobs/{job['jobID']}")
    return job


def fit(world, **options):
    body = {"name": "toy", "datasets": [world.dataset], "method": "svd", "rank": 3, **options}
    schema = world.document.named("startFit").schema_of_body()
    assert world.document.accepts(schema, body)
    return wait_for(world, world.client.must(202, "POST", "/v1/calibrations", body))


def archives_and_fits_are_answered_as_described(world):
    ask = world.client.must
    described = ask(200, "POST", "/v1/datasets?dry_run=1", world.archive_bytes, NETCDF)
    stored = ask(201, "POST", "/v1/datasets", world.archive_bytes, NETCDF)
    assert described == stored
    world.dataset = stored["id"]
    assert ask(200, "POST", "/v1/datasets", world.archive_bytes, NETCDF) == stored
    assert ask(200, "GET", f"/v1/datasets/{world.dataset}")["description"] == stored["description"]
    assert fit(world)["status"] == "successful"
    assert fit(world, seed=7, centre="none", ica_form="diagonal")["status"] == "successful"
    failed = fit(world, name="never", features="no_such_variable")
    assert failed["status"] == "failed" and failed["error"]
    first = ask(202, "POST", "/v1/calibrations", {"name": "slow", "datasets": [world.dataset]})
    second = ask(202, "POST", "/v1/calibrations", {"name": "slow", "datasets": [world.dataset]})
    for job in (second, first):
        ask(200, "DELETE", f"/v1/jobs/{job['jobID']}")
        world.dismissed = wait_for(world, job)
    assert len(ask(200, "GET", "/v1/jobs")["jobs"]) == 5
    assert len(ask(200, "GET", "/v1/jobs?status=failed,dismissed&limit=2")["jobs"]) == 2
    body = {"name": "toy", "datasets": [world.dataset], "method": "svd", "rank": 3}
    assert ask(200, "POST", "/v1/calibrations?dry_run=1", body)["predicted"]["features"] == 24
    waited = ask(200, "POST", "/v1/calibrations", {**body, "name": "awaited"}, Prefer="wait=60")
    assert ask(200, "GET", f"/v1/jobs/{waited['jobID']}/results")["calibration"]["version"] == 1
    events = world.client.ask("GET", f"/v1/jobs/{waited['jobID']}/events")
    assert events.status == 200 and b"event: status" in events.body
    last = re.findall(rb"^id: (\S+)$", events.body, re.M)[-1].decode()
    assert world.client.ask("GET", f"/v1/jobs/{waited['jobID']}/events", Last_Event_ID=last).status == 204


def calibrations_are_answered_as_described(world):
    ask = world.client.must
    assert [c["name"] for c in ask(200, "GET", "/v1/calibrations")["calibrations"]][-1] == "toy"
    latest = ask(200, "GET", "/v1/calibrations/toy")
    assert latest["version"] == 2 and len(latest["versions"]) == 2
    assert ask(200, "GET", "/v1/calibrations/toy/versions/1")["version"] == 1
    ask(200, "GET", f"/v1/calibrations/toy/versions/1/spectrum?lead_time_hours={world.hours:g}")
    reply = world.client.ask("PUT", "/v1/calibrations/toy/labels/stable", {"version": 1, "override": "a test of forms"})
    assert reply.status == 200 and reply.headers["ETag"] == '"1"'
    changed = {"version": 2, "rollback": False, "override": "a test of forms"}
    ask(200, "PUT", "/v1/calibrations/toy/labels/stable", changed, If_Match='"1"')
    ask(412, "PUT", "/v1/calibrations/toy/labels/stable", changed, If_Match='"1"')
    ask(200, "PUT", "/v1/calibrations/toy/labels/stable", {"rollback": True})
    assert len(ask(200, "GET", "/v1/calibrations/toy/labels")["history"]) == 3
    ask(200, "PUT", "/v1/calibrations/toy/adaptation", {"enabled": True, "gamma": 0.05})


def rescores_are_answered_as_described(world):
    ask = world.client.must
    body = {"calibration": "toy", "version": 1, "archives": ["*.nc"], "levels": [0.5, 0.9], "missing": "mask_point"}
    schema = world.document.named("startRescore").schema_of_body()
    assert world.document.accepts(schema, body)
    assert ask(200, "POST", "/v1/rescore?dry_run=1", body)["files"] == 1
    job = wait_for(world, ask(202, "POST", "/v1/rescore", {"calibration": "toy", "archives": ["one.nc"]}))
    assert job["status"] == "successful", job
    gone = ask(200, "POST", "/v1/rescore", body, Prefer="wait=60")["jobID"]
    at = f"/v1/rescores/{job['jobID']}"
    world.rescore = job["jobID"]
    assert ask(200, "GET", f"/v1/jobs/{job['jobID']}/results")["manifest"]["href"] == at
    assert len(ask(200, "GET", "/v1/rescores")["rescores"]) == 2
    manifest = world.client.ask("GET", at)
    assert manifest.status == 200 and manifest.json["scores"]
    ask(304, "GET", at, If_None_Match=manifest.headers["ETag"])
    world.output = manifest.json["files"][0]["output"]
    file = world.client.ask("GET", f"{at}/files/{world.output}")
    assert file.status == 200 and file.body[:3] == b"CDF"
    ask(304, "GET", f"{at}/files/{world.output}", If_None_Match=file.headers["ETag"])
    part = world.client.ask("GET", f"{at}/files/{world.output}", Range="bytes=0-2")
    assert part.status == 206 and part.body == b"CDF"
    ask(416, "GET", f"{at}/files/{world.output}", Range="bytes=99999999999-")
    ask(200, "DELETE", f"/v1/rescores/{gone}")
    with open(os.path.join(world.archives, "bad.nc"), "wb") as stream:
        stream.write(b"CDF, but nothing more")
    failed = wait_for(world, ask(202, "POST", "/v1/rescore", {**body, "archives": ["one.nc", "bad.nc"]}))
    assert failed["status"] == "failed", failed
    files = ask(200, "GET", f"/v1/rescores/{failed['jobID']}")["files"]
    assert [file["status"] for file in files] == ["done", "failed"]


def intervals_are_answered_as_described(world):
    ask = world.client.must
    schema = world.document.named("askIntervals").schema_of_body()
    one = next(iter(world.lead["variables"]))
    bodies = [
        world.query(),
        world.query(version=2, family="asymmetric", thresholds={one: [0.0, 1.0]}),
        world.query(label="stable", family="gaussian"),
        world.query(map_miss=0.1),
        world.query(confidence=0.5, levels=[0.999999]),
        world.query(forecast={one: [None]}, forecast_reference_time=[world.lead["times"][0]]),
        {name: world.query()[name] for name in ("calibration", "lead_time_hours", "features")},
    ]
    for body in bodies:
        assert world.document.accepts(schema, body), body
        ask(200, "POST", "/v1/intervals", body)
    unbounded = ask(200, "POST", "/v1/intervals", world.query(levels=[0.999999]))["samples"][0]["variables"][one]
    assert "null" in json.dumps(unbounded["lower"]), "an unbounded limit is null"
    told = f"?calibration=toy&lead_time_hours={world.hours:g}&levels=0.5,0.9"
    ask(200, "POST", "/v1/intervals" + told, world.raw(2), RAW)
    ask(200, "POST", "/v1/intervals" + told, world.raw(2), RAW, Accept=CSV)
    ask(200, "POST", "/v1/intervals?calibration=toy&levels=0.9&missing=mask_point", world.archive_bytes, NETCDF)


def records_are_answered_as_described(world):
    ask = world.client.must
    schema = world.document.named("tellTruths").schema_of_body()
    recorded = ask(200, "POST", "/v1/intervals", world.query(record=True))["recorded"]
    assert recorded["added"] == 2 and recorded["known"] == 0
    for sample in range(1, 12):
        ask(200, "POST", "/v1/intervals", world.query(sample, record=True))
    for sample in range(10):
        body = world.truths(sample)
        assert world.document.accepts(schema, body)
        assert ask(200, "POST", "/v1/truths", body)["added"] == 2
    other = {**world.truths(0)["truths"][0]}
    other["values"] = [v + 1 for v in other["values"]]
    ask(409, "POST", "/v1/truths", {"truths": [other]})
    ask(200, "POST", "/v1/truths", {"truths": [other], "replace": True})
    ask(200, "POST", "/v1/truths", world.archive_bytes, NETCDF)
    line = "variable,forecast_reference_time,lead_time_hours,value\nnone,2014-01-03T06:00:00Z,24,1.5\n"
    ask(200, "POST", "/v1/truths", line.encode(), CSV)
    ask(200, "POST", "/v1/truths", {"truths": [{"variable": "a", "forecast_reference_time": "2014-01-03", "lead_time_hours": 6, "value": None, "place": 3}]})
    for path in ("widths", "coverage", "adaptation", "alarms", "issued"):
        reply = world.client.ask("GET", f"/v1/{path}")
        assert reply.status == 200
        rows = reply.json["records" if path == "issued" else "rows"]
        assert rows or path == "alarms", path
        ask(304, "GET", f"/v1/{path}", If_None_Match=reply.headers["ETag"])
        if path != "issued":
            ask(200, "GET", f"/v1/{path}", Accept=CSV)
    ask(200, "GET", "/v1/widths?since=2000-01-01&calibration=toy&level=0.9&version=1")
    assert ask(200, "GET", "/v1/coverage?window=30d&place_group=all")["rows"]
    assert ask(200, "GET", "/v1/issued?calibration=toy&place=0")["records"]


def environmental_data_are_answered_as_described(world):
    ask = world.client.must
    for path in ("/edr", "/edr/conformance"):
        ask(200, "GET", path)
    base = "/edr/collections/toy"
    collection = next(c for c in ask(200, "GET", "/edr/collections")["collections"] if c["id"] == "toy")
    assert ask(200, "GET", base) == collection
    newest = ask(200, "GET", base + "/instances?limit=2")["instances"][0]
    world.instance = newest["id"]
    assert ask(200, "GET", f"{base}/instances/{world.instance}") == newest
    west, south, east, north = newest["extent"]["spatial"]["bbox"][0]
    box = f"bbox={west},{south},{east},{north}"
    for at in (base, f"{base}/instances/{world.instance}"):
        ask(200, "GET", f"{at}/position?coords=POINT({west}%20{south})")
        ask(200, "GET", f"{at}/position?coords=POINT({west}%20{south})&quantile=0.05&f=CSV")
        ask(200, "GET", f"{at}/cube?{box}")
        ask(200, "GET", f"{at}/cube?{box}&f=NetCDF")
        ask(204, "GET", f"{at}/position?coords=POINT({west}%20{south})&datetime=1950-01-01")
        ask(204, "GET", f"{at}/cube?{box}&datetime=1950-01-01")


def the_inference_protocol_is_answered_as_described(world):
    ask = world.client.must
    schema = world.document.named("infer").schema_of_body()
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/stats", "/v2/models/toy", "/v2/models/toy/ready"):
        ask(200, "GET", path)
    for path in ("", "/ready", "/stats"):
        ask(200, "GET", "/v2/models/toy/versions/1" + path)
    levels = {"name": "levels", "datatype": "FP64", "shape": [2], "data": [0.5, 0.999999]}
    plain = world.inference(2)
    bodies = [
        plain,
        {**plain, "inputs": plain["inputs"] + [levels], "outputs": [{"name": "lower"}, {"name": "flags"}]},
        {**plain, "parameters": {"family": "gaussian", "output_datatype": "FP32", "priority": 3}},
    ]
    for body in bodies:
        assert world.document.accepts(schema, body), body
        ask(200, "POST", "/v2/models/toy/infer", body)
        ask(200, "POST", "/v2/models/toy/versions/1/infer", body)
    unbounded = ask(200, "POST", "/v2/models/toy/infer", bodies[1])["outputs"][0]["data"]
    assert None in unbounded, "an unbounded limit is null"
    reply = world.client.ask("POST", "/v2/models/toy/infer", {**plain, "parameters": {"binary_data_output": True}})
    from document import strictly

    head = strictly(reply.body[: int(reply.headers["Inference-Header-Content-Length"])])
    world.document.check({"$ref": "#/components/schemas/InferenceReply"}, head, "binary reply")
    ask(200, "GET", "/v2/models/toy/stats")


def the_daemon_is_answered_as_described(world):
    for path in ("/healthz", "/readyz", "/openapi.json", "/metrics"):
        world.client.must(200, "GET", path)
    for path in ("/", "/web/page.css", "/web/page.js", "/web/coastline.json"):
        reply = world.client.ask("GET", path)
        assert reply.status == 200
        world.client.must(304, "GET", path, If_None_Match=reply.headers["ETag"])


def every_success_that_is_described_was_seen(world):
    described = {(o.id, status) for o in world.document.operations for status in o.successes()}
    missing = described - world.client.seen
    assert not missing, missing


def head_is_answered_as_get_without_a_body(world):
    for operation in world.document.operations:
        if operation.method == "GET" and "{" not in operation.path:
            get, head = (world.client.send(method, operation.path) for method in ("GET", "HEAD"))
            assert head.status == get.status == 200 and not head.body, operation.path


# ---- requests that it forbids are refused -------------------------------------------------------


def bodies(world):
    """Operation, path, and a body that is right, whose refusals name the member."""
    one = next(iter(world.lead["variables"]))
    query = world.query(1, thresholds={one: [0.0]}, family="conformal", confidence=0, map_miss=0, record=False)
    truth = {**world.truths(1)["truths"][0], "value": 1.5}
    del truth["values"]
    inference = world.inference(parameters={"family": "conformal"}, outputs=[{"name": "sigma"}])
    options = {"method": "svd", "seed": 1, "bounds": "x:0:", "features": "features"}
    yield "askIntervals", "/v1/intervals", query
    yield "tellTruths", "/v1/truths", {"truths": [{**truth, "variable": "else", "place": 1}], "replace": True}
    yield "startFit", "/v1/calibrations", {"name": "toy", "datasets": ["0" * 64], **options}
    rescore = {"calibration": "toy", "archives": ["none.nc"], "levels": [0.5], "missing": "reject"}
    yield "startRescore", "/v1/rescore", {**rescore, "memory_bytes": 1 << 30, "version": 1}
    yield "pointLabel", "/v1/calibrations/toy/labels/test", {"version": 1, "override": "for the forms"}
    yield "switchAdaptation", "/v1/calibrations/toy/adaptation", {"enabled": False, "gamma": 0.1}
    yield "infer", "/v2/models/toy/infer", inference
    yield "inferVersion", "/v2/models/toy/versions/1/infer", inference


# Members whose refusal has another name, because the sentence is about what holds them.
OTHER_NAMES = {
    "value": ["value", "values"],
    "values": ["value"],
    "covariates": ["covariates"],
    "data": ["data", "neither"],
    "name": ["name", "input", "there is no output"],
    "inputs": ["inputs", "input"],
    "outputs": ["outputs", "output"],
    "shape": ["shape", "dimensions", "values"],
    "thresholds": ["threshold"],
    "levels": ["level"],
    "truths": ["truths", "truth", "unknown field"],
    "rollback": ["rollback"],
    "datasets": ["dataset"],
}


def every_body_that_it_forbids_is_refused_by_name(world):
    from mutants import mutants

    count = 0
    for identity, path, body in bodies(world):
        operation = world.document.named(identity)
        schema = operation.schema_of_body()
        assert world.document.accepts(schema, body), identity
        for what, name, wrong in mutants(world.document, schema, body):
            if world.document.accepts(schema, wrong):
                continue  # such as a member that may be null
            reply = world.client.ask(operation.method, path, wrong)
            assert 400 <= reply.status < 500, f"{identity}, {what}: {reply.status} {json.dumps(wrong)[:300]}"
            names = OTHER_NAMES.get(name, [name])
            assert any(n in reply.detail() for n in names), f"{identity}, {what}: {reply.detail()}"
            assert reply.status != 404 or name in ("datasets", "calibration", "version", "label"), f"{identity}, {what}"
            count += 1
    assert count > 250, count


def every_choice_is_taken_and_all_are_told(world):
    """The sentence that refuses a choice lists those of the schema, and each of them is taken."""
    schema = world.document.json["components"]["schemas"]["FitRequest"]
    base = {"name": "toy", "datasets": ["0" * 64]}
    for name, member in schema["properties"].items():
        for choice in member.get("enum", []):
            reply = refused(world, ["dataset"], "POST", "/v1/calibrations", {**base, name: choice})
            assert reply.status == 404, f"{name} {choice}: {reply.detail()}"
        if "enum" in member:
            reply = refused(world, [name], "POST", "/v1/calibrations", {**base, name: "other"})
            assert reply.detail().split("it may be ")[1].split("|") == member["enum"], reply.detail()
    reply = refused(world, ["other"], "POST", "/v1/calibrations", {**base, "other": 1})
    assert set(reply.detail().split("it may have ")[1].split(", ")) == set(schema["properties"])


def the_last_place_is_taken(world):
    """Whatever is wrong behind it: the place itself is not what is named."""
    most = world.document.json["components"]["schemas"]["Truth"]["properties"]["place"]["maximum"]
    for place, named in ((most, "variable"), (most + 1, "place")):
        truth = {"forecast_reference_time": "2014-01-03", "lead_time_hours": 24, "value": 1.5, "place": place}
        refused(world, [named], "POST", "/v1/truths", {"truths": [truth]})


def members_that_are_told_of_are_those_of_the_schema(world):
    for identity, path, body in bodies(world):
        operation = world.document.named(identity)
        schema = world.document.resolve(operation.schema_of_body())
        reply = refused(world, ["other"], operation.method, path, {**body, "other": 1})
        told = set(reply.detail().split("it may have ")[1].split(", "))
        assert told == set(schema["properties"]), f"{identity}: {told ^ set(schema['properties'])}"


def families_and_levels_are_taken(world):
    schemas = world.document.json["components"]["schemas"]
    for family in schemas["Family"]["enum"]:
        body = world.query(family=family)
        world.client.must(200, "POST", "/v1/intervals", body)
        world.client.must(200, "POST", "/v2/models/toy/infer", world.inference(parameters={"family": family}))
    most = schemas["IntervalQuery"]["properties"]["levels"]["maxItems"]
    world.client.must(200, "POST", "/v1/intervals", world.query(levels=[0.9] * most))
    refused(world, ["level"], "POST", "/v1/intervals", world.query(levels=[0.9] * (most + 1)))


# ---- query strings ------------------------------------------------------------------------------


def filled(world, operation):
    """A path that exists for the operation."""
    values = {"name": "toy", "model": "toy", "version": "1", "label": "test", "file": "page.css", "instance": world.instance}
    holders = {"/edr": "toy", "/v1/datasets": world.dataset, "/v1/jobs": world.dismissed["jobID"]}
    if operation.path.startswith("/v1/rescores"):
        values["file"] = world.output
    holders["/v1/rescores"] = world.rescore
    values["id"] = next((id for at, id in holders.items() if operation.path.startswith(at)), None)
    return re.sub("{([a-z]+)}", lambda m: values[m[1]], operation.path)


def base_of(world, operation):
    """Body, type and the parameters that are wanted, to which one is added."""
    if operation.id == "askIntervals":
        return world.raw(), RAW, {"calibration": "toy", "lead_time_hours": f"{world.hours:g}"}
    if operation.id in ("uploadDataset", "tellTruths"):
        return world.archive_bytes, NETCDF, {}
    if operation.id == "startRescore":
        return {"calibration": "toy", "archives": ["one.nc"]}, JSON, {}
    if operation.id == "startFit":
        return {"name": "toy", "datasets": [world.dataset]}, JSON, {}
    examples = {"lead_time_hours": f"{world.hours:g}", "coords": "POINT(0 0)", "bbox": "-1,-1,1,1"}
    wanted = {p["name"]: examples[p["name"]] for p in operation.queries() if p.get("required")}
    return None, None, wanted


def texts_against(document, schema):
    """Texts that a parameter with this schema is not."""
    schema = document.resolve(schema)
    kind = schema.get("type")
    if kind in ("number", "integer"):
        yield from ("x", "1x", "nan", "inf", "1e999")
    if kind == "integer":
        yield from ("1.5", "-1", "99999999999999999999")
    if "minimum" in schema:
        yield str(schema["minimum"] - 1)
    if "exclusiveMinimum" in schema:
        yield from ("0", "-0.5", "x", "nan")
    if "exclusiveMaximum" in schema:
        yield from ("1", "1.5", "inf")
    if "enum" in schema:
        yield from ("other", schema["enum"][0] + "x")
    if kind == "array" and "enum" in document.resolve(schema["items"]):
        yield from ("other", "running,other")
    elif kind == "array":
        yield from ("", "0.5,", "0.5;0.9", "2")
    if "pattern" in schema:
        yield from ("{}", "a b", "2014-02-30T00:00:00Z")


def encode(parameters):
    from urllib.parse import urlencode

    return "?" + urlencode(parameters) if parameters else ""


def every_parameter_that_it_forbids_is_refused_by_name(world):
    count, complaints = 0, []
    for operation in world.document.operations:
        body, kind, wanted = base_of(world, operation)
        for parameter in operation.queries():
            only_json = operation.id == "askIntervals" and parameter["name"] in ("record", "missing")
            data, media = (world.archive_bytes, NETCDF) if only_json else (body, kind)
            base = {"calibration": "toy"} if only_json else wanted
            for text in texts_against(world.document, parameter["schema"]):
                path = filled(world, operation) + encode({**base, parameter["name"]: text})
                name = parameter["name"]
                names = [name, name.rstrip("s"), name.removesuffix("_hours").replace("_", " "), repr(text)]
                try:
                    refused(world, names, operation.method, path, data, media)
                except AssertionError as complaint:
                    complaints.append(f"{operation.method} {path}: {str(complaint)[-200:]}")
                count += 1
    assert not complaints, "\n".join(complaints)
    assert count > 100, count


def unknown_parameters_are_refused_everywhere(world):
    for operation in world.document.operations:
        body, kind, wanted = base_of(world, operation)
        path = filled(world, operation) + encode({**wanted, "no_such": "1"})
        reply = refused(world, ["no_such"], operation.method, path, body, kind)
        assert reply.status == 400, f"{operation.id}: {reply.status}"


def parameters_are_there_once_and_with_a_value(world):
    for operation in world.document.operations:
        body, kind, wanted = base_of(world, operation)
        for parameter in operation.queries():
            name = parameter["name"]
            rest = {n: v for n, v in wanted.items() if n != name}
            path = filled(world, operation) + (encode(rest) + "&" if rest else "?")
            for text in (name, f"{name}=1&{name}=1", f"{name}=1&{name}"):
                reply = refused(world, [name], operation.method, path + text, body, kind)
                assert reply.status == 400, f"{operation.id} {text}: {reply.status}"


def a_parameter_that_is_wanted_is_asked_for(world):
    for operation in world.document.operations:
        _, _, wanted = base_of(world, operation)
        for parameter in operation.queries():
            if parameter.get("required"):
                rest = {n: v for n, v in wanted.items() if n != parameter["name"]}
                refused(world, [parameter["name"]], operation.method, filled(world, operation) + encode(rest))


# ---- whatever is wrong with a message -----------------------------------------------------------


def methods_that_a_path_does_not_have_are_refused(world):
    from document import METHODS

    for path in world.document.json["paths"]:
        one = next(o for o in world.document.operations if o.path == path)
        known = {o.method for o in world.document.operations if o.path == path}
        for method in {m.upper() for m in METHODS} - known - {"HEAD", "TRACE"}:
            reply = world.client.send(method, filled(world, one))
            assert reply.status == 405, f"{method} {path}: {reply.status}"
            assert set(reply.headers["Allow"].split(", ")) == known, f"{method} {path}: {reply.headers}"
            check_problem(world.document, reply)


def paths_that_are_not_described_are_not_there(world):
    for path in ("/v1", "/v1/", "/v1/jobs/", "/v1/jobs/x/y", "/v2/models", "/v2/models/toy/infer/x", "/web", "/web/", "/healthz/", "/OPENAPI.json", "//", "/edr/", "/edr/collections/toy/area", "/v1/widths/x"):
        assert world.document.find("GET", path) is None, path
        reply = world.client.send("GET", path)
        assert reply.status in (404, 405), f"{path}: {reply.status}"
        check_problem(world.document, reply)


def what_is_not_there_is_said_to_be_missing(world):
    for operation in world.document.operations:
        if "{" not in operation.path:
            continue
        body = dict((i, b) for i, _, b in bodies(world)).get(operation.id)
        for text in ("none", "0", "-1", "1e3", "..", "%2e%2e", "a%20b", "%ff", "x" * 79, "x" * 200):
            if operation.id == "pointLabel":
                path = f"/v1/calibrations/{text}/labels/stable"
            else:
                path = re.sub("{[a-z]+}", text, operation.path)
            reply = world.client.send(
                operation.method, path, json.dumps(body).encode() if body else None, {"Content-Type": JSON} if body else {}
            )
            assert reply.status in (400, 404, 422), f"{operation.method} {path}: {reply.status} {reply.body[:200]}"
            check_problem(world.document, reply)


def a_body_where_none_is_taken_is_refused(world):
    for operation in world.document.operations:
        if not operation.types_of_body():
            reply = world.client.send(operation.method, filled(world, operation), b"body", {"Content-Type": JSON})
            assert reply.status == 400, f"{operation.id}: {reply.status}"
            assert "takes no body" in check_problem(world.document, reply)["detail"]


def types_that_are_not_described_are_refused(world):
    for operation in world.document.operations:
        if not operation.types_of_body() or operation.id.startswith("infer"):
            continue
        for kind in ("text/plain", "application/xml", "application/jsonx", "", "json", "multipart/form-data; boundary=x"):
            reply = world.client.send(operation.method, filled(world, operation), b"{}", {"Content-Type": kind})
            assert reply.status == 415, f"{operation.id} {kind}: {reply.status}"
            check_problem(world.document, reply)


NOT_JSON = [
    b"", b" ", b"{", b"[]", b"null", b"1", b'"x"', b"{]", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}',
    b'{"a": 1, "a": 2}', b"{'a': 1}", b'{"a": 1,}', b'{"a": "\xff\xfe"}', b'{"a": "\\ud800"}', b"\xef\xbb\xbf{}",
    b'{"a":' * 5000 + b"1" + b"}" * 5000, b"[" * 100000, b'{"a": 01}', b'{"a\x00": 1}', b"\x00" * 64,
    b'{"a": 123456789012345678901234567890}',
]


def what_is_no_json_is_refused(world):
    for identity, path, _ in bodies(world):
        operation = world.document.named(identity)
        for text in NOT_JSON:
            reply = world.client.send(operation.method, path, text, {"Content-Type": JSON})
            assert reply.status == 400, f"{identity} {text[:40]}: {reply.status} {reply.body[:200]}"
            check_problem(world.document, reply)


def raw(world, text):
    with socket.create_connection((world.client.host, world.client.port), timeout=60) as connection:
        connection.sendall(text)
        got = http.client.HTTPResponse(connection)
        got.begin()
        return Reply(got.status, dict(got.getheaders()), got.read())


def bodies_that_are_too_large_are_refused(world):
    for operation in world.document.operations:
        for kind in operation.types_of_body():
            lines = f"{operation.method} {filled(world, operation)} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n"
            reply = raw(world, (lines + "Content-Length: 99999999999999\r\n\r\n").encode())
            assert reply.status == 413, f"{operation.id} {kind}: {reply.status}"
            check_problem(world.document, reply)
        if JSON in operation.types_of_body():
            spaces = b"{" + b" " * (1 << 20) + b"}"
            reply = world.client.send(operation.method, filled(world, operation), spaces, {"Content-Type": JSON})
            assert reply.status == 413, f"{operation.id}: {reply.status}"
            check_problem(world.document, reply)


def binary_bodies_that_are_wrong_are_refused(world):
    told = f"/v1/intervals?calibration=toy&lead_time_hours={world.hours:g}"
    columns = len(world.lead["features"][0])
    values = [b"", b"\x00", b"\x00" * (4 * columns - 4), b"\x00" * (4 * columns + 4)]
    values += [struct.pack("<f", value) * columns for value in (float("nan"), float("inf"), -float("inf"))]
    for body in values:
        reply = refused(world, None, "POST", told, body, RAW)
        assert reply.status in (400, 422), reply.status
    for body in values + [b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x09\x00" + b" " * 200]:
        reply = refused(world, None, "POST", told, body, NPY)
        assert reply.status in (400, 422), reply.status
    for body in (b"", b"CDF", b"CDF\x01" + b"\xff" * 500, b"\x89HDF\r\n\x1a\n" + b"\x00" * 500, world.archive_bytes[:3000]):
        for path in ("/v1/datasets", "/v1/truths", "/v1/intervals?calibration=toy"):
            reply = refused(world, None, "POST", path, body, NETCDF)
            assert reply.status in (400, 422), f"{path}: {reply.status}"
    for body in (b"", b"a,b\n1,2\n", b"\xff\xfe\n", b"variable,value\n", b"value," * 100 + b"\n"):
        assert refused(world, None, "POST", "/v1/truths", body, CSV).status == 422
    for value in ("nan", "inf", "-inf", "1e999", "", "1.5x"):
        line = f"variable,forecast_reference_time,lead_time_hours,value\nx,2014-01-03,24,{value}\n"
        assert refused(world, ["value"], "POST", "/v1/truths", line.encode(), CSV).status == 422


def types_that_no_reply_has_are_refused(world):
    for operation in world.document.operations:
        if "406" not in operation.described["responses"]:
            continue
        body, kind, wanted = base_of(world, operation)
        path = filled(world, operation) + encode(wanted)
        reply = refused(world, ["Accept"], operation.method, path, body, kind, Accept="image/png")
        assert reply.status == 406, f"{operation.id}: {reply.status}"


def extremes_are_answered_in_json(world):
    """Features far beyond all that was seen, and forecasts at the ends of the doubles."""
    columns = len(world.lead["features"][0])
    one, points = next((n, len(rows[0][0])) for n, rows in world.lead["variables"].items())
    for value in (0, 1e-45, 3.4e38, -3.4e38):
        for forecast in (1.7e308, -1.7e308, 5e-324, None):
            body = world.query(features=[[value] * columns], forecast={one: [[forecast] * points]}, thresholds={one: [1e308, -1e308]})
            world.client.must(200, "POST", "/v1/intervals", body)
        world.client.must(200, "POST", f"/v1/intervals?calibration=toy&lead_time_hours={world.hours:g}", struct.pack("<f", value) * columns, RAW)
        inference = world.inference()
        inference["inputs"][0]["data"] = [[value] * columns]
        world.client.must(200, "POST", "/v2/models/toy/infer", inference)
        world.client.must(200, "POST", "/v2/models/toy/infer", {**inference, "parameters": {"output_datatype": "FP32"}})
    body = world.query(3, forecast={one: [[1.7e308] * points]}, forecast_reference_time="2021-01-01", record=True)
    world.client.must(200, "POST", "/v1/intervals", body)
    truth = {"calibration": "toy", "variable": one, "forecast_reference_time": "2021-01-01", "lead_time_hours": world.hours, "values": [-1.7e308] * points}
    world.client.must(200, "POST", "/v1/truths", {"truths": [truth]})
    for path in ("widths?since=2000-01-01", "coverage", "adaptation", "alarms", "issued", "issued?forecast_reference_time=2021-01-01"):
        world.client.must(200, "GET", f"/v1/{path}")
    world.client.must(200, "GET", "/metrics")


def the_daemon_is_still_there(world):
    world.client.must(200, "GET", "/healthz")
    assert world.daemon.process.poll() is None


def the_daemon_ends_without_a_complaint(world):
    world.daemon.stop()
    with open(os.path.join(world.daemon.folder, "log")) as stream:
        log = stream.read()
    assert world.daemon.process.returncode == 0, log[-2000:]
    assert "runtime error" not in log and "Sanitizer" not in log, log[-2000:]


TESTS = [
    it_has_the_members_that_openapi_asks_for,
    its_schemas_are_schemas,
    its_parameters_have_a_place_and_a_schema,
    its_operations_have_names_tags_and_replies,
    the_manual_names_every_path,
    archives_and_fits_are_answered_as_described,
    calibrations_are_answered_as_described,
    rescores_are_answered_as_described,
    intervals_are_answered_as_described,
    records_are_answered_as_described,
    environmental_data_are_answered_as_described,
    the_inference_protocol_is_answered_as_described,
    the_daemon_is_answered_as_described,
    every_success_that_is_described_was_seen,
    head_is_answered_as_get_without_a_body,
    every_body_that_it_forbids_is_refused_by_name,
    every_choice_is_taken_and_all_are_told,
    the_last_place_is_taken,
    members_that_are_told_of_are_those_of_the_schema,
    families_and_levels_are_taken,
    every_parameter_that_it_forbids_is_refused_by_name,
    unknown_parameters_are_refused_everywhere,
    parameters_are_there_once_and_with_a_value,
    a_parameter_that_is_wanted_is_asked_for,
    methods_that_a_path_does_not_have_are_refused,
    paths_that_are_not_described_are_not_there,
    what_is_not_there_is_said_to_be_missing,
    a_body_where_none_is_taken_is_refused,
    types_that_are_not_described_are_refused,
    what_is_no_json_is_refused,
    bodies_that_are_too_large_are_refused,
    binary_bodies_that_are_wrong_are_refused,
    types_that_no_reply_has_are_refused,
    extremes_are_answered_in_json,
    the_daemon_is_still_there,
    the_daemon_ends_without_a_complaint,
]


def main():
    try:
        import jsonschema  # noqa: F401
        import netCDF4  # noqa: F401
    except ImportError as missing:
        print(f"skipped: {missing}\n100%: Checks: 0, Failures: 0, Errors: 0")
        return 0
    world = World()
    try:
        return checks.report(TESTS, world)  # in this order: the first make what the others ask about
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
