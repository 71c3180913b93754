#!/usr/bin/python3
"""docs/features.md does what it says: its code is taken out of the page and run, with small networks
that have the names and shapes of the models it is about, against a real daemon.

Each test is a function; its name says what holds. Ends with a line in the form of Check, as
tests/run.sh reads it. What needs PyTorch (python3-torch), onnx (python3-onnx) or requests is skipped
without, and said to be.
"""
import datetime
import json
import os
import re
import subprocess
import sys
import time
import traceback
import types

import netCDF4
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "web"))
sys.path.insert(0, os.path.join(HERE, "..", "operations"))
import checks  # noqa: E402

PAGE = os.path.join(HERE, "..", "..", "docs", "features.md")
HOURS, SAMPLES, CHANNELS = [6.0, 24.0], 60, 12
LATITUDE, LONGITUDE = np.linspace(60, 30, 4), np.arange(0.0, 50, 10)


class Skipped(Exception):
    pass


def need(name):
    try:
        return __import__(name)
    except ImportError:
        raise Skipped(f"{name} is missing") from None


def blocks():
    """The page's code by the first line of each block, which is a comment."""
    with open(PAGE, encoding="utf-8") as page:
        found = re.findall(r"^```(python|sh)\n# ?([^\n]*)\n(.*?)^```$", page.read(), re.M | re.S)
    return {title: body for _, title, body in found}


BLOCKS = blocks()


def run(title, **names):
    """Runs a block with what it takes for granted; gives its names."""
    scope = {**vars(code), "np": np, **names}
    exec(compile(BLOCKS[title], title, "exec"), scope)
    return scope


code = types.ModuleType("ntkuq_features")
exec(compile(BLOCKS["ntkuq_features.py"], "ntkuq_features.py", "exec"), code.__dict__)


# ---- pooling ------------------------------------------------------------------------------------


def weights_are_the_areas_of_the_sphere(world):
    latitude = np.linspace(90, -90, 181)
    weights = code.area_weights(np.repeat(latitude, 36))
    assert abs(weights.sum() - 1) < 1e-12 and weights.min() > 0
    sine = np.sin(np.radians(np.repeat(latitude, 36)))
    assert abs((sine**2 * weights).sum() - 1 / 3) < 1e-4, "the mean of sin^2 over a sphere is 1/3"
    assert abs((sine * weights).sum()) < 1e-12


def weights_do_not_depend_on_how_many_points_a_ring_has(world):
    latitude = np.linspace(89, -89, 90)
    counts = 4 + (80 * np.cos(np.radians(latitude))).astype(int)  # a reduced grid
    field = np.cos(np.radians(latitude))
    reduced = (np.repeat(field, counts) * code.area_weights(np.repeat(latitude, counts))).sum()
    regular = (np.repeat(field, 8) * code.area_weights(np.repeat(latitude, 8))).sum()
    assert abs(reduced - regular) < 1e-12 and abs(regular - np.pi / 4) < 1e-3


def a_region_is_weighted_by_the_cosine_and_one_row_evenly(world):
    weights = code.area_weights(LATITUDE)
    expected = np.cos(np.radians(LATITUDE))
    assert np.allclose(weights, expected / expected.sum(), rtol=1e-12)
    assert np.allclose(code.area_weights([50.0, 50, 50]), 1 / 3)


def pooling_is_a_weighted_mean_over_the_points(world):
    values = np.random.default_rng(1).normal(size=(3, 20, 5))
    weights = code.area_weights(np.repeat(LATITUDE, 5))
    means = code.pool(values, weights)
    assert means.shape == (3, 5)
    assert np.allclose(means[2, 4], sum(values[2, p, 4] * weights[p] for p in range(20)))
    assert np.allclose(code.pool(np.full((20, 5), 7.5), weights), 7.5)
    statistics = code.pool_statistics(values, weights)
    assert statistics.shape == (3, 30)
    assert np.allclose(statistics[..., :5], means) and (statistics[..., 5:10] > 0).all()
    assert np.allclose(statistics[..., 10:15], values.min(1)) and np.allclose(statistics[..., 15:20], values.max(1))
    assert (statistics[..., 20:25] <= statistics[..., 25:30]).all()


# ---- hooks --------------------------------------------------------------------------------------


def a_hook_sees_what_goes_into_the_head_at_every_step(world):
    torch = need("torch")
    torch.manual_seed(1)
    body, head = torch.nn.Linear(4, 6), torch.nn.Linear(6, 4)
    model = torch.nn.Sequential(body, torch.nn.Tanh(), head)
    last = code.LastLayer(head)
    x = torch.randn(1, 9, 4)
    with torch.inference_mode():
        first = model(x)
        model(first)
    calls = last.take()
    assert len(calls) == 2 and last.take() == []
    assert np.allclose(calls[0], torch.tanh(body(x)).detach().numpy(), atol=1e-6)
    assert np.allclose(calls[1], torch.tanh(body(first.clone())).detach().numpy(), atol=1e-6)
    last.remove()
    model(x)
    assert last.take() == []


def a_hook_gives_float32_whatever_the_model_computes_in(world):
    torch = need("torch")
    head = torch.nn.Linear(6, 4).to(torch.bfloat16)
    last = code.LastLayer(head)
    head(torch.randn(2, 6, dtype=torch.bfloat16))
    assert last.take()[0].dtype == np.float32


def one_forecast_is_a_row_and_an_answer(world):
    torch = need("torch")
    latitude_of_points = np.repeat(LATITUDE, len(LONGITUDE))
    model = torch.nn.Sequential(torch.nn.Linear(3, CHANNELS), torch.nn.Tanh(), torch.nn.Linear(CHANNELS, 3))
    x = torch.randn(1, len(latitude_of_points), 3)

    class Aifs(code.Daemon):  # the page asks the calibration of its reader
        def offsets(self, calibration, *arguments, **options):
            return super().offsets("toy", *arguments, **options)

    scope = run("one forecast", torch=torch, model=model, head=model[2], x=x, url=world.daemon.url,
                latitude_of_points=latitude_of_points, Daemon=Aifs)
    assert scope["features"].shape == (CHANNELS,)
    assert scope["answer"]["offsets"] is True and scope["answer"]["levels"] == [0.5, 0.9]


# ---- the daemon ---------------------------------------------------------------------------------


def an_archive_is_taken_as_it_is_written(world):
    told = json.loads(subprocess.run([world.build + "/ntkuq", "inspect", "--json", world.archive], check=True, capture_output=True).stdout)
    assert told["problems"] == [] and told["notes"] == [], told
    assert told["features"] == {"name": "features", "columns": CHANNELS, "model": "stand-in", "layer": "head",
                                "aggregation": "area mean", "checkpoint_sha256": ""}
    assert [lead["lead_time_hours"] for lead in told["leads"]] == HOURS
    assert {v["name"]: (v["place"], v["units"], v["truth"]) for v in told["variables"]} == {
        "t2m": ("grid", "K", True), "mean": ("none", "K", True)}
    assert told["leads"][0]["times"][0] == "2014-01-01T00:00:00Z"


def raw_and_json_are_answered_alike(world):
    rows = world.features[:3, 1]
    raw = world.client.offsets("toy", 24, rows, levels="0.5,0.9")
    assert len(raw["samples"]) == 3
    one = world.client.intervals("toy", 24, rows[0], world.times[0].replace(tzinfo=datetime.timezone.utc),
                                 {"t2m": world.forecast[0, 1], "mean": 3.5}, levels=[0.5, 0.9])
    assert abs(one["samples"][0]["sigma"] - raw["samples"][0]["sigma"]) < 1e-5 * raw["samples"][0]["sigma"]
    variable = one["samples"][0]["variables"]["t2m"]
    assert len(variable["lower"]) == 2 and len(variable["lower"][0]) == world.forecast[0, 1].size
    assert np.shape(one["samples"][0]["variables"]["mean"]["lower"]) == (2,)


def a_refusal_is_raised_with_its_sentence(world):
    try:
        world.client.offsets("toy", 24, np.zeros(CHANNELS + 1))
    except RuntimeError as refusal:
        assert "calibration toy expects 12" in str(refusal), refusal
    else:
        raise AssertionError("it was not refused")


def requests_sends_the_same(world):
    requests = need("requests")

    class Posted:
        @staticmethod
        def post(url, *arguments, **options):
            options["params"]["calibration"] = "toy"
            return requests.post(url, *arguments, **options)

    scope = run("with requests", requests=Posted, url=world.daemon.url.rstrip("/"), features=world.features[0, 1])
    same = world.client.offsets("toy", 24, world.features[0, 1], levels="0.5,0.9")
    assert scope["limits"] == same["samples"][0]["variables"]


def the_commands_for_curl_work(world):
    title = next(t for t in BLOCKS if t.startswith("features.f32"))
    folder = world.daemon.folder
    world.features[:2, 1].astype("<f4").tofile(folder + "/features.f32")
    np.save(folder + "/features.npy", world.features[:2, 1].astype("f4"))
    environment = {**os.environ, "NTKUQD": world.daemon.url.rstrip("/"), "NAME": "toy", "TOKEN": "none"}
    subprocess.run(["sh", "-e", "-c", BLOCKS[title]], cwd=folder, env=environment, check=True)
    with open(folder + "/raw.json") as raw, open(folder + "/npy.json") as npy, open(folder + "/dataset.json") as stored:
        answer = json.load(raw)
        assert answer == json.load(npy) and len(answer["samples"]) == 2
        assert json.load(stored)["id"] == world.dataset
    with netCDF4.Dataset(folder + "/intervals.nc") as intervals:
        assert intervals["t2m_lower"].shape == (2, SAMPLES, 2, len(LATITUDE), len(LONGITUDE))


# ---- the models: their names and shapes, small --------------------------------------------------


def holder(torch, **modules):
    made = torch.nn.Module()
    for name, module in modules.items():
        setattr(made, name, module)
    return made


def with_forward(module, forward):
    module.forward = types.MethodType(forward, module)
    return module


def aifs_gives_a_row_of_channels(world):
    torch = need("torch")
    latitudes = np.repeat(np.linspace(85, -85, 18), 20)
    extractor = torch.nn.Sequential(torch.nn.LayerNorm(8), torch.nn.Linear(8, 3))
    interface = holder(torch, model=holder(torch, decoder=holder(torch, node_data_extractor=extractor)))
    nodes = torch.randn(len(latitudes), 8)

    class Runner:
        model = interface

        def run(self, input_state, lead_time):
            for _ in range(lead_time // 6):
                with torch.inference_mode():
                    extractor(nodes)
                yield {"latitudes": latitudes}

    scope = run("AIFS", runner=Runner(), input_state={})
    expected = (nodes.numpy().astype(float) * code.area_weights(latitudes)[:, None]).sum(0)
    assert np.allclose(scope["features"], expected, atol=1e-12)


def aurora_gives_a_row_of_levels_and_channels(world):
    torch = need("torch")
    levels, patch, lat, lon, channels = 4, 4, 41, 48, 6
    rows, columns = lat // patch, lon // patch
    tokens = torch.randn(1, levels, rows, columns, channels)
    decoder = with_forward(torch.nn.Module(), lambda self, x, batch, lead_time, patch_res: x)
    model = with_forward(
        holder(torch, decoder=decoder, encoder=torch.nn.Module()),
        lambda self, batch: self.decoder(tokens.flatten(1, 3), batch, lead_time=None, patch_res=(levels, rows, columns)),
    )
    model.encoder.latent_levels, model.patch_size = levels, patch
    latitude = torch.linspace(90, -90, lat)
    batch = types.SimpleNamespace(metadata=types.SimpleNamespace(lat=latitude, lon=torch.arange(lon)))
    scope = run("Aurora", torch=torch, model=model, batch=batch)
    assert scope["features"].shape == (levels * channels,)
    middles = latitude[:40].reshape(10, 4).mean(1).numpy()
    by_row = tokens[0].numpy().mean(2)  # levels, rows, channels
    expected = np.einsum("lrc,r->lc", by_row, code.area_weights(middles))
    assert np.allclose(scope["features"], expected.ravel(), atol=1e-6)


def fourcastnet_gives_a_row_of_channels(world):
    torch = need("torch")
    tokens = torch.randn(1, 9, 18, 5)
    model = with_forward(holder(torch, head=torch.nn.Linear(5, 4)), lambda self, x: self.head(tokens))
    latitude = np.linspace(90, -90, 73)
    scope = run("FourCastNet", torch=torch, model=model, x=None, latitude=latitude, patch=8)
    middles = latitude[:72].reshape(9, 8).mean(1)
    expected = np.einsum("rc,r->c", tokens[0].numpy().mean(1), code.area_weights(middles))
    assert np.allclose(scope["features"], expected, atol=1e-6)


def sfno_gives_a_row_of_channels_inside_any_wrapper(world):
    torch = need("torch")
    maps = torch.randn(1, 7, 19, 36)
    network = holder(torch, encoder=torch.nn.Identity(), blocks=torch.nn.ModuleList(), decoder=torch.nn.Conv2d(7, 3, 1))
    network = with_forward(network, lambda self, x: self.decoder(maps))
    wrapper = with_forward(holder(torch, inner=holder(torch, model=network)), lambda self, x: self.inner.model(x))
    latitude = np.linspace(90, -90, 19)
    scope = run("SFNO", torch=torch, model=wrapper, x=None, latitude=latitude)
    expected = np.einsum("cr,r->c", maps[0].numpy().mean(2), code.area_weights(latitude))
    assert np.allclose(scope["features"], expected, atol=1e-6)


def exported_pangu(torch, path):
    """Heads as in the pseudocode: transposed convolutions of the surface and of the levels above."""

    class Recovery(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Conv3d(2, 6, 1)
            self.conv = torch.nn.ConvTranspose3d(6, 2, (2, 4, 4), (2, 4, 4))
            self.conv_surface = torch.nn.ConvTranspose2d(6, 3, 4, 4)

        def forward(self, x):
            x = torch.tanh(self.body(x))
            return self.conv(x[:, :, 1:]), self.conv_surface(x[:, :, 0])

    torch.onnx.export(Recovery(), torch.randn(1, 2, 8, 5, 10), path, input_names=["input"])


def pangu_gets_its_heads_inputs_as_outputs(world):
    torch, onnx = need("torch"), need("onnx")
    source, target = world.daemon.folder + "/pangu.onnx", world.daemon.folder + "/heads.onnx"
    exported_pangu(torch, source)
    expose = run("Pangu-Weather: once, needs the package onnx", onnx=onnx)["expose_heads"]
    names = expose(source, target)
    before, after = onnx.load(source), onnx.load(target)
    assert len(names) == 2
    assert [o.name for o in after.graph.output] == [o.name for o in before.graph.output] + names
    assert list(after.graph.node) == list(before.graph.node)
    made = {name for node in after.graph.node for name in node.output}
    assert set(names) <= made, "outputs that no node makes"
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in onnx.shape_inference.infer_shapes(after).graph.value_info}
    found = sorted(shapes[name] for name in names if name in shapes)
    assert not found or found == [[1, 6, 5, 10], [1, 6, 7, 5, 10]], found
    try:
        empty = onnx.helper.make_graph([onnx.helper.make_node("Tanh", ["x"], ["y"], name="last")], "g", [], [])
        onnx.save(onnx.helper.make_model(empty), source)
        expose(source, target)
    except ValueError as refusal:
        assert "Tanh last" in str(refusal)
    else:
        raise AssertionError("a graph without heads was taken")


def pangu_gives_a_row_of_levels_and_channels(world):
    heads = [np.random.default_rng(2).normal(size=shape).astype("f4") for shape in [(1, 6, 5, 10), (1, 6, 7, 5, 10)]]
    latitude = np.linspace(90, -90, 5)
    features = run("Pangu-Weather: heads to features")["features_of_heads"](heads, latitude)
    assert features.shape == (8 * 6,)
    weights = code.area_weights(latitude)
    assert np.allclose(features[:6], np.einsum("crl,r->c", heads[0][0], weights) / 10, atol=1e-6)
    assert np.allclose(features[12:18], np.einsum("crl,r->c", heads[1][0, :, 1], weights) / 10, atol=1e-6)


def every_block_of_the_page_is_used_here(world):
    with open(os.path.abspath(__file__), encoding="utf-8") as source:
        here = source.read()
    for title, body in BLOCKS.items():
        if "curl" not in body:
            compile(body, title, "exec")
    unused = [t for t in BLOCKS if f'run("{t}"' not in here and f'BLOCKS["{t}"]' not in here and not t.startswith("features.f32")]
    assert unused == ["Pangu-Weather: each forecast, needs the package onnxruntime"], unused


# ---- running ------------------------------------------------------------------------------------


class World:
    """An archive of stand-in forecasts, written by the page's code, and a daemon fitted to it."""

    def __init__(self):
        import daemon

        self.build = os.path.abspath(os.environ.get("NTK_BUILD", "build/release"))
        self.daemon = daemon.Daemon(self.build)
        self.archive = self.daemon.folder + "/archive.nc"
        try:
            self.fit()
        except BaseException:
            self.daemon.remove()
            raise

    def fit(self):
        self.write()
        self.client = code.Daemon(self.daemon.url)
        self.dataset = self.client.upload(self.archive)
        job = self.client.send("POST", "/v1/calibrations", {"name": "toy", "datasets": [self.dataset]})
        while job["status"] in ("accepted", "running"):
            time.sleep(0.1)
            job = self.client.send("GET", "/v1/jobs/" + job["jobID"])
        assert job["status"] == "successful", job

    def write(self):
        random = np.random.default_rng(7)
        self.times = [datetime.datetime(2014, 1, 1) + datetime.timedelta(days=i) for i in range(SAMPLES)]
        weights = code.area_weights(np.repeat(LATITUDE, len(LONGITUDE)))
        points = random.normal(size=(SAMPLES, 2, len(weights), CHANNELS))
        self.features = code.pool(points + random.normal(size=(SAMPLES, 2, 1, CHANNELS)), weights).astype("f4")
        shape = (SAMPLES, 2, len(LATITUDE), len(LONGITUDE))
        self.forecast = 280 + random.normal(size=shape)
        index = random.normal(size=shape[:2])
        code.write_archive(
            self.archive, self.times, HOURS, self.features,
            {"t2m": ("air_temperature", "K", self.forecast, self.forecast + random.normal(size=shape)),
             "mean": ("air_temperature", "K", index, index + random.normal(size=index.shape))},
            LATITUDE, LONGITUDE, model="stand-in", layer="head", aggregation="area mean",
        )

    def close(self):
        self.daemon.remove()


TESTS = [
    weights_are_the_areas_of_the_sphere,
    weights_do_not_depend_on_how_many_points_a_ring_has,
    a_region_is_weighted_by_the_cosine_and_one_row_evenly,
    pooling_is_a_weighted_mean_over_the_points,
    a_hook_sees_what_goes_into_the_head_at_every_step,
    a_hook_gives_float32_whatever_the_model_computes_in,
    one_forecast_is_a_row_and_an_answer,
    an_archive_is_taken_as_it_is_written,
    raw_and_json_are_answered_alike,
    a_refusal_is_raised_with_its_sentence,
    requests_sends_the_same,
    the_commands_for_curl_work,
    aifs_gives_a_row_of_channels,
    aurora_gives_a_row_of_levels_and_channels,
    fourcastnet_gives_a_row_of_channels,
    sfno_gives_a_row_of_channels_inside_any_wrapper,
    pangu_gets_its_heads_inputs_as_outputs,
    pangu_gives_a_row_of_levels_and_channels,
    every_block_of_the_page_is_used_here,
]


def main(wanted):
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    failed = skipped = 0
    world = World()
    try:
        for test in tests:
            try:
                test(world)
                print(f"ok   {test.__name__}", flush=True)
            except Skipped as reason:
                skipped += 1
                print(f"SKIPPED {test.__name__}: {reason}", flush=True)
            except Exception:
                failed += 1
                print(f"FAIL {test.__name__}\n{traceback.format_exc()}", flush=True)
    finally:
        world.close()
    return checks.summary(len(tests) - skipped, failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
