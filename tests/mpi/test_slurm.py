#!/usr/bin/python3
"""The job scripts of deploy/slurm in a real Slurm of one machine. Skipped without Slurm, root or the
programs with MPI (deploy/install-deps.sh slurm; make MPI=1 mpi-programs).

    NTK_BUILD=build/release tests/mpi/test_slurm.py
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../operations"))
sys.path.insert(0, HERE)
import checks  # noqa: E402
import slurm  # noqa: E402

BUILD = os.path.abspath(os.environ.get("NTK_BUILD", os.path.join(HERE, "../../build/release")))
SCRIPTS = os.path.join(HERE, "../../deploy/slurm")
WITH_MPI, WITHOUT_MPI = BUILD + "-mpi/ntkuq", BUILD + "/ntkuq"
RANKS = BUILD + "-mpi/tests/ranks"
MEGABYTES = ("--mem-per-cpu=1000",)


class World:
    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.folder = folder
        self.archives = [self.make(f"archive{seed}", seed, 120, 32) for seed in range(3)]

    def make(self, name, seed, samples, features):
        path = f"{self.folder}/{name}.nc"
        command = [WITHOUT_MPI, "simulate", "-o", path, "--seed", seed, "--samples", samples, "--features", features]
        subprocess.run([str(word) for word in command], check=True)
        return path

    def calibration(self):
        path = self.folder + "/calibration.safetensors"
        command = [WITHOUT_MPI, "fit", "--method", "svd", "-o", path, self.archives[0]]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return path

    def job(self, script, options, arguments, program=WITH_MPI):
        """A job's states, exit codes and log."""
        path = os.path.join(SCRIPTS, script)
        job = self.cluster.submit(*MEGABYTES, *options, path, *arguments, NTKUQ=program)
        states, codes = self.cluster.finish(job)
        return states, codes, self.cluster.log(job)


def ranks_of_srun_find_each_other(world):
    for n in (2, 4):
        result = world.cluster.run("srun", "--mpi=pmix", "-n", n, RANKS, "add", 300000)
        assert result.stdout.startswith(f"{n} ranks added 300000 values"), result


def a_rank_that_fails_ends_its_step(world):
    result = world.cluster.run("srun", "--mpi=pmix", "-n", 3, RANKS, "fail", 1, 2)
    assert result.returncode == 4, result
    assert result.stderr.count("rank 1: its file is not there") == 3, result


def the_fit_script_fits_with_all_its_tasks(world):
    output = world.folder + "/fitted.safetensors"
    states, codes, log = world.job("fit.sbatch", ["--ntasks=3"], ["-o", output, "--method", "svd", world.archives[0]])
    assert (states, codes) == (["COMPLETED"], ["0:0"]), log
    assert log.count("\ncalibration ") + log.startswith("calibration ") == 1, log
    subprocess.run([WITHOUT_MPI, "inspect", output], check=True, stdout=subprocess.DEVNULL)
    os.unlink(output)


def the_fit_script_fails_with_the_code_and_the_sentence(world):
    arguments = ["-o", world.folder + "/fitted.safetensors", world.folder + "/none.nc"]
    states, codes, log = world.job("fit.sbatch", ["--ntasks=3"], arguments)
    assert (states, codes) == (["FAILED"], ["66:0"]), (states, codes, log)
    assert log.count("ntkuq: rank 0: cannot open ") == 1, log
    assert not os.path.exists(world.folder + "/fitted.safetensors")


def a_fit_that_is_cancelled_leaves_nothing(world):
    folder = world.folder + "/cancelled"
    os.mkdir(folder)
    arguments = ["-o", folder + "/fitted.safetensors", world.make("large", 0, 2000, 256)]
    job = world.cluster.submit(*MEGABYTES, "--ntasks=3", SCRIPTS + "/fit.sbatch", *arguments, NTKUQ=WITH_MPI)
    world.cluster.wait("the unfinished output", lambda: os.listdir(folder))
    world.cluster.run("scancel", job)
    states, _ = world.cluster.finish(job)
    assert states == ["CANCELLED"], (states, world.cluster.log(job))
    world.cluster.wait("the folder to be empty", lambda: not os.listdir(folder))


def a_program_without_mpi_is_refused(world):
    arguments = ["-o", world.folder + "/fitted.safetensors", world.archives[0]]
    states, codes, log = world.job("fit.sbatch", ["--ntasks=2"], arguments, WITHOUT_MPI)
    assert (states, codes) == (["FAILED"], ["64:0"]), (states, codes, log)
    assert "built without MPI" in log, log


def the_rescore_script_rescores_with_all_its_ranks(world):
    options = ["--ntasks-per-node=3", "--nodes=1", "--cpus-per-task=2"]
    arguments = [world.calibration(), world.folder + "/archive*.nc", "-o", world.folder + "/ranks"]
    states, codes, log = world.job("rescore.sbatch", options, arguments)
    assert (states, codes) == (["COMPLETED"], ["0:0"]), log
    assert log.count("3 archives done") == 1, log
    alone = [WITHOUT_MPI, "rescore", *arguments[:-1], world.folder + "/alone"]
    subprocess.run(alone, check=True, stdout=subprocess.DEVNULL)
    assert contents(world.folder + "/ranks") == contents(world.folder + "/alone")


def contents(folder):
    return {name: open(f"{folder}/{name}", "rb").read() for name in sorted(os.listdir(folder)) if name[0] != "."}


def the_array_script_shares_the_archives_out(world):
    arguments = [world.calibration(), world.folder + "/archive*.nc", "-o", world.folder + "/array"]
    path = SCRIPTS + "/rescore-array.sbatch"
    job = world.cluster.submit(*MEGABYTES, "--array=0-2", "--cpus-per-task=1", path, *arguments, NTKUQ=WITHOUT_MPI)
    states, codes = world.cluster.finish(job)
    assert (states, codes) == (["COMPLETED"] * 3, ["0:0"] * 3), world.cluster.log(job + "_0")
    states, _, log = world.job("rescore.sbatch", ["--nodes=1"], arguments)
    assert states == ["COMPLETED"], log
    alone = [WITHOUT_MPI, "rescore", *arguments[:-1], world.folder + "/alone_again"]
    subprocess.run(alone, check=True, stdout=subprocess.DEVNULL)
    assert contents(world.folder + "/array") == contents(world.folder + "/alone_again")


TESTS = [
    ranks_of_srun_find_each_other,
    a_rank_that_fails_ends_its_step,
    the_fit_script_fits_with_all_its_tasks,
    the_fit_script_fails_with_the_code_and_the_sentence,
    a_fit_that_is_cancelled_leaves_nothing,
    a_program_without_mpi_is_refused,
    the_rescore_script_rescores_with_all_its_ranks,
]


def main():
    absent = slurm.missing() or ("" if os.path.exists(RANKS) else RANKS)
    if absent:
        print(f"skipped: {absent} is not there")
        return checks.summary(0, 0)
    if "--share" in subprocess.run([WITHOUT_MPI, "--help"], capture_output=True, text=True).stdout:
        TESTS.append(the_array_script_shares_the_archives_out)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as state:
        with slurm.Slurm(state) as cluster:
            return checks.report(TESTS, World(cluster, folder))


if __name__ == "__main__":
    sys.exit(main())
