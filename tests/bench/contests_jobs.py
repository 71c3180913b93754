"""Whole commands on archives: rescoring beside the NetCDF library alone, on the disk of TMPDIR, with
inputs in the page cache, nothing left to write at the beginning and the output written at the end;
and two MPI ranks beside one, with all files in memory."""
import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
import time

from contests_compute import memory_available
from measure import Contest, Figure, Missing

FEATURES, LATITUDES, LONGITUDES = 256, 121, 240
ROW = 4 * (FEATURES + 2 * LATITUDES * LONGITUDES)  # bytes of a sample: features, forecast, truth
MEMORY = "/dev/shm"  # where ranks are compared, as they share the disk
COPY, ONE_RANK = "NetCDF library alone", "1 rank"


def write_archive(path, samples, features=FEATURES, grid=(LATITUDES, LONGITUDES), number=0):
    """Forecasts of one variable on a grid, with errors that follow the features' size. Archives of
    other numbers have other times."""
    import netCDF4
    import numpy

    block = 100
    generator = numpy.random.default_rng(number)
    basis = numpy.random.default_rng(features).standard_normal((10, features)).astype("f4")
    with netCDF4.Dataset(path, "w") as file:
        names = {"sample": samples, "feature": features, "latitude": grid[0], "longitude": grid[1]}
        for name, length in names.items():
            file.createDimension(name, length)
        times = file.createVariable("forecast_reference_time", "f8", ("sample",))
        times.standard_name = "forecast_reference_time"
        times.units, times.calendar = "hours since 2000-01-01", "standard"
        times[:] = 6.0 * (numpy.arange(samples) + number * samples)
        leads = file.createVariable("forecast_period", "f4", ("sample",))
        leads.standard_name, leads.units = "forecast_period", "hours"
        leads[:] = 24
        axes = {"latitude": ("degrees_north", 60, -60), "longitude": ("degrees_east", 0, 358)}
        for name, (units, first, last) in axes.items():
            axis = file.createVariable(name, "f4", (name,))
            axis.standard_name, axis.units = name, units
            axis[:] = numpy.linspace(first, last, names[name])
        phi = file.createVariable("features", "f4", ("sample", "feature"))
        phi.units = "1"
        fields = [
            file.createVariable(name, "f4", ("sample", "latitude", "longitude"))
            for name in ("t", "t_truth")
        ]
        for field in fields:
            field.standard_name, field.units = "air_temperature", "K"
        noise = generator.standard_normal((block, *grid)).astype("f4")
        for first in range(0, samples, block):
            n = min(block, samples - first)
            coefficients = generator.laplace(size=(n, 10)).astype("f4")
            size = numpy.abs(coefficients).mean(1)[:, None, None]
            shift = generator.integers(grid[1])
            phi[first : first + n] = coefficients @ basis + 0.05 * generator.standard_normal(
                (n, features)
            )
            fields[0][first : first + n] = 280 + 5 * noise[:n]
            fields[1][first : first + n] = (
                280 + 5 * noise[:n] + size * numpy.roll(noise[:n], shift, 2)
            )


def has_command(program, command):
    """Asked of its help, which names every command."""
    said = subprocess.run([program, "--help"], capture_output=True, text=True)
    return f"ntkuq {command} " in said.stdout + said.stderr


def must(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-500:]}"
        )


def timed(out, *command):
    """A side: seconds of a command that makes `out`."""

    def run():
        if os.path.isdir(out):
            shutil.rmtree(out)
        elif os.path.exists(out):
            os.remove(out)
        os.sync()
        start = time.perf_counter()
        must(*command)
        return time.perf_counter() - start

    return run


@contextlib.contextmanager
def room(gigabytes, parent=None):
    """A folder with so much room, below TMPDIR or `parent`."""
    with tempfile.TemporaryDirectory(prefix="ntkuq-bench.", dir=parent) as folder:
        if shutil.disk_usage(folder).free < gigabytes * 1e9:
            raise Missing(f"{folder} has less than {gigabytes} GB of room")
        yield functools.partial(os.path.join, folder)


def calibrated(program, at):
    """A calibration of the archives' kind."""
    few, calibration = at("few.nc"), at("c.safetensors")
    write_archive(few, 200)
    must(program, "fit", "-o", calibration, "--method", "svd", "--rank", "10", few)
    return calibration


def rescore(build):
    ntkuq, gigabytes = os.path.join(build, "ntkuq"), 2

    @contextlib.contextmanager
    def sides():
        if not has_command(ntkuq, "rescore"):
            raise Missing("ntkuq has no rescore")
        with room(5 * gigabytes + 2) as at:
            archive, out = at("archive.nc"), at("out")
            calibration = calibrated(ntkuq, at)
            write_archive(archive, int(gigabytes * 1e9 / ROW))
            command = [ntkuq, "rescore", calibration, archive, "-o", out, "--levels", "0.9"]
            yield {
                "ours": timed(out, *command),
                COPY: timed(
                    at("copy.nc"), os.path.join(build, "bench_copy"), archive, at("copy.nc")
                ),
            }

    figures = [Figure(COPY, least=0.8)]
    name = "rescore of a 2 GB archive"
    return Contest(name, sides, figures, seconds=60, least=3, most=5, warm=False)


# ---- MPI ----------------------------------------------------------------------------------------


def ranks(n, *command):
    """By mpirun as it is by default, so that each rank has a core, and so has the only one; but it
    does not look for networks, which takes longer than many a job."""
    return ["mpirun", "--allow-run-as-root", "--mca", "pml", "ob1", "-n", str(n), *command]


def mpi(build, name, prepare, gigabytes):
    """prepare(ntkuq, at) gives the command; its output is `out`."""
    ntkuq = os.path.join(os.path.dirname(os.path.abspath(build)), "release-mpi", "ntkuq")

    @contextlib.contextmanager
    def sides():
        if not shutil.which("mpirun") or not os.path.exists(ntkuq):
            raise Missing("no mpirun, or no build with MPI=1")
        if memory_available() < 1e9 * gigabytes:
            raise Missing(f"less than {gigabytes} GB of memory are free")
        with room(gigabytes, MEMORY) as at:
            command = prepare(ntkuq, at)
            yield {
                "ours": timed(at("out"), *ranks(2, *command)),
                ONE_RANK: timed(at("out"), *ranks(1, *command)),
            }

    figures = [Figure(ONE_RANK, least=1.8)]
    name += " on 2 MPI ranks"
    return Contest(name, sides, figures, seconds=30, least=3, most=5, warm=False)


def prepare_rescore(ntkuq, at):
    if not has_command(ntkuq, "rescore"):
        raise Missing("ntkuq has no rescore")
    calibration = calibrated(ntkuq, at)
    for number in range(4):
        write_archive(at(f"archive_{number}.nc"), int(5e8 / ROW), number=number)
    return [ntkuq, "rescore", calibration, at("archive_*.nc"), "-o", at("out"), "--levels", "0.9"]


def prepare_fit(ntkuq, at):
    archives = [at(f"archive_{number}.nc") for number in range(2)]
    for number, archive in enumerate(archives):
        write_archive(archive, 25000, features=1024, grid=(2, 3), number=number)
    options = ["--method", "svd", "--rank", "10", "--out-of-core", "yes"]
    return [ntkuq, "fit", "-o", at("out"), *options, *archives]


def contests(build):
    yield rescore(build)
    yield mpi(build, "rescore of 2 GB", prepare_rescore, 8)
    yield mpi(build, "fit of 50000 x 1024", prepare_fit, 1)
