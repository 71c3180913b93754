#!/usr/bin/python3
"""Ranks under a real mpirun: tests/mpi/ranks.c in jails, then ntkuq itself. Skipped where there is no
mpirun or the programs were not built with MPI (make MPI=1 mpi-programs).

    NTK_BUILD=build/release tests/mpi/test_ranks.py
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../operations"))
import checks  # noqa: E402

BUILD = os.environ.get("NTK_BUILD", os.path.join(HERE, "../../build/release"))
RANKS = BUILD + "-mpi/tests/ranks"
WITH_MPI, WITHOUT_MPI = BUILD + "-mpi/ntkuq", BUILD + "/ntkuq"
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-q"]
BAD_DATA, NOT_CONVERGED, NO_INPUT, CANNOT_CREATE, TRY_AGAIN = 2, 3, 4, 5, 7
LONG = 60  # seconds; what hangs is work of 600


def run(n, *arguments, **environment):
    """n processes of a program to their end: exit code, standard output, lines of standard error."""
    command = MPIRUN + [x for name in environment for x in ("-x", name)] + ["-n", n, *arguments]
    result = subprocess.run(
        [str(x) for x in command],
        capture_output=True,
        text=True,
        timeout=LONG,
        env={**os.environ, **environment},
    )
    return result.returncode, result.stdout, result.stderr.splitlines()


def ranks(n, *arguments, **environment):
    return run(n, RANKS, *arguments, **environment)


def expect_failure(outcome, n, status, sentence):
    """All n ranks end with that status and the same sentence, which begins like that (a pattern)."""
    code, output, lines = outcome
    told = [re.fullmatch(r"(\d+): status (\d+): (.*)", line) for line in lines]
    told = [match.groups() for match in told if match]
    assert code == status, outcome
    assert output == "", outcome
    assert sorted(int(rank) for rank, _, _ in told) == list(range(n)), outcome
    assert {said for _, said, _ in told} == {str(status)}, outcome
    assert len({text for _, _, text in told}) == 1, outcome
    assert re.match(sentence, told[0][2]), outcome


# ---- sums and exchanges ----


def sums_have_the_same_bits_on_every_rank(_):
    for n in (2, 3, 5):
        for values, times in ((1, 200), (7, 3), (262145, 2), (0, 3)):
            code, output, lines = ranks(n, "add", values, times)
            assert code == 0 and output.startswith(f"{n} ranks added {values} values"), (output, lines)


def fifty_megabytes_go_through_in_blocks(_):
    code, output, lines = ranks(3, "add", 6250000)
    assert code == 0 and output.startswith("3 ranks added 6250000"), (output, lines)


def bytes_are_gathered_in_the_order_of_ranks(_):
    for size, total in ((0, 0), (5, 15), (5000000, 15000000)):
        code, output, lines = ranks(3, "gather", size)
        assert code == 0 and output == f"3 ranks exchanged {total} bytes\n", (output, lines)


def outer_processes_may_ask_without_a_jail(_):
    code, output, lines = ranks(3, "outside", 300000)
    assert code == 0 and output.endswith("3 ranks exchanged 900000 bytes\n"), (output, lines)


def a_process_that_nobody_launched_is_alone(_):
    result = subprocess.run([RANKS, "add", "5"], capture_output=True, text=True, timeout=LONG)
    assert result.stdout.startswith("1 ranks added 5 values"), result


# ---- failures ----


def work_that_fails_stops_the_work_of_others(_):
    for rank in range(3):
        outcome = ranks(3, "fail", rank, rank)
        expect_failure(outcome, 3, NO_INPUT, f"rank {rank}: its file is not there")


def work_that_fails_is_not_awaited(_):
    for rank, values in ((0, 1), (1, 1000000), (2, 100)):
        outcome = ranks(3, "fail_awaited", rank, values)
        expect_failure(outcome, 3, NOT_CONVERGED, f"rank {rank}: it gave up")


def an_outer_process_that_fails_stops_the_others(_):
    for rank in range(3):
        outcome = ranks(3, "fail_outside", rank)
        expect_failure(outcome, 3, CANNOT_CREATE, f"rank {rank}: no room is left")


def late_work_is_not_awaited(_):
    outcome = ranks(3, "lie", 1, 12, TEST_DEADLINE="2")
    expect_failure(outcome, 3, TRY_AGAIN, "rank ")
    assert "after 2 s of wall clock" in outcome[2][0], outcome


LIES = {
    0: (BAD_DATA, "rank 1: the work asked its parent for something"),
    1: (BAD_DATA, "rank 1: the work asked its parent for something"),
    2: (BAD_DATA, "rank 1 wants a sum of 9223372036854775807 values and rank 0 wants a sum of 100000"),
    3: (BAD_DATA, "rank 1: the work broke off"),
    4: (BAD_DATA, "rank 1: the work broke off"),
    5: (BAD_DATA, "rank 1: the work broke off"),
    6: (BAD_DATA, "the ranks want to exchange more bytes than there are"),
    7: (TRY_AGAIN, "rank [02]: no memory for what the ranks exchange: 4611686018427387915 bytes"),
    8: (BAD_DATA, r"rank 1: \?{400}"),
    9: (BAD_DATA, "rank 1: the work broke off"),
    10: (BAD_DATA, "rank 1: the work ended with code 7"),
    11: (BAD_DATA, "rank 1 wants the end and rank 0 wants a sum of 100000 values"),
}


def work_that_lies_fails_its_job_alone(_):
    for kind, (status, sentence) in LIES.items():
        expect_failure(ranks(3, "lie", 1, kind), 3, status, sentence)


class Lingering:
    """Ranks that wait for the work of rank 1: its pid and its parent's."""

    def __enter__(self):
        command = MPIRUN + ["-n", "3", RANKS, "linger", "1"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.parent, self.work = (int(x) for x in re.fullmatch(r"pids (\d+) (\d+)\.\n", line).groups())
        return self

    def kill(self, pid):
        """How the job ended, after kill -9 of a process that is one of it."""
        assert pid > 1 and os.readlink(f"/proc/{pid}/exe") == os.path.realpath(RANKS), pid
        os.kill(pid, signal.SIGKILL)
        lines = self.process.communicate(timeout=LONG)[1].splitlines()
        return self.process.returncode, "", lines

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def work_that_is_killed_ends_its_job(_):
    with Lingering() as job:
        expect_failure(job.kill(job.work), 3, BAD_DATA, "rank 1: the work was killed by SIGKILL")


def a_rank_that_is_killed_ends_its_job(_):
    with Lingering() as job:
        code, _, lines = job.kill(job.parent)
        assert code == 128 + signal.SIGKILL, (code, lines)


# ---- ntkuq ----


def fit(program, archive, output, n):
    return run(n, program, "fit", "-o", output, archive, SOURCE_DATE_EPOCH="1")


def a_fit_of_several_ranks_is_written_and_printed_once(folder):
    code, output, lines = fit(WITH_MPI, folder + "/archive.nc", folder + "/fitted.safetensors", 3)
    assert code == 0, lines
    assert len(re.findall("^calibration ", output, re.M)) == 1, output
    subprocess.run([WITHOUT_MPI, "inspect", folder + "/fitted.safetensors"], check=True, stdout=subprocess.DEVNULL)
    assert sorted(os.listdir(folder)) == ["archive.nc", "fitted.safetensors"], os.listdir(folder)
    os.unlink(folder + "/fitted.safetensors")


def a_fit_that_fails_says_so_once_and_leaves_nothing(folder):
    for archive, expected in ((folder + "/none.nc", 66), (os.path.abspath(__file__), 65)):
        code, output, lines = fit(WITH_MPI, archive, folder + "/fitted.safetensors", 3)
        assert code == expected and output == "", (code, output)
        assert len([line for line in lines if line.startswith("ntkuq: rank 0: ")]) == 1, lines
        assert len([line for line in lines if line.startswith("ntkuq:")]) == 1, lines
        assert os.listdir(folder) == ["archive.nc"], os.listdir(folder)


def an_output_that_cannot_be_written_fails_all_ranks(folder):
    code, _, lines = fit(WITH_MPI, folder + "/archive.nc", folder + "/none/fitted.safetensors", 3)
    assert code == 73 and lines[0].startswith("ntkuq: rank 0: cannot write "), (code, lines)


def numbers_of(path):
    """The names and numbers of a calibration."""
    with open(path, "rb") as file:
        text = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    text.pop("__metadata__", None)
    numbers = {}
    for name, tensor in text.items():
        begin, end = tensor["data_offsets"]
        kind = {"F64": "f8", "F32": "f4", "I64": "i8"}.get(tensor["dtype"], "u1")
        numbers[name] = numpy.frombuffer(data[begin:end], kind).astype(float)
    return numbers


def a_fit_of_several_ranks_is_that_of_one(folder):
    fitted = []
    for n in (1, 3, 3):
        output = f"{folder}/fitted{len(fitted)}.safetensors"
        arguments = ["fit", "--method", "svd", "-o", output, folder + "/archive.nc"]
        code, _, lines = run(n, WITH_MPI, *arguments, SOURCE_DATE_EPOCH="1")
        assert code == 0, lines
        fitted.append(output)
    with open(fitted[1], "rb") as once, open(fitted[2], "rb") as again:
        assert once.read() == again.read()
    one, three = numbers_of(fitted[0]), numbers_of(fitted[1])
    assert set(one) == set(three)
    for name, values in one.items():
        scale = numpy.nanmax(numpy.abs(values), initial=1e-300)
        difference = numpy.nanmax(numpy.abs(values - three[name]), initial=0) / scale
        assert difference < 1e-10, (name, difference)
    for output in fitted:
        os.unlink(output)


# ---- rescoring ----


def rescore_command(folder, output, n):
    arguments = ["--jobs", "1", folder + "/fitted.safetensors", folder + "/archives", "-o", folder + "/" + output]
    return [*MPIRUN, "-n", str(n), WITH_MPI, "rescore", *arguments]


def contents(folder):
    return {name: open(f"{folder}/{name}", "rb").read() for name in sorted(os.listdir(folder)) if name[0] != "."}


def prepare_rescoring(folder, samples):
    """A calibration and three archives; fitted.safetensors and archives/ in the folder."""
    os.makedirs(folder + "/archives", exist_ok=True)
    for seed in range(3):
        path = f"{folder}/archives/{seed}.nc"
        simulate = [WITHOUT_MPI, "simulate", "-o", path, "--samples", samples, "--features", 32, "--seed", seed]
        subprocess.run([str(x) for x in simulate], check=True)
    output = folder + "/fitted.safetensors"
    subprocess.run([WITHOUT_MPI, "fit", "--method", "svd", "-o", output, folder + "/archive.nc"], check=True, stdout=subprocess.DEVNULL)


def a_rescoring_of_several_ranks_gives_the_bytes_of_one(folder):
    prepare_rescoring(folder, 200)
    for n in (1, 3, 4):
        result = subprocess.run(rescore_command(folder, f"by{n}", n), capture_output=True, text=True, timeout=LONG)
        assert result.returncode == 0, result
        assert result.stdout.count("3 archives done") == 1, result
    assert contents(folder + "/by1") == contents(folder + "/by3") == contents(folder + "/by4")
    assert "manifest.json" in contents(folder + "/by1")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(x) for x in file.read().split()]


def a_rescoring_that_lost_a_rank_goes_on(folder):
    prepare_rescoring(folder, 5000)
    whole = subprocess.run(rescore_command(folder, "whole", 1), capture_output=True, timeout=LONG)
    assert whole.returncode == 0, whole
    process = subprocess.Popen(rescore_command(folder, "lost", 3), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + LONG
    while not os.path.exists(folder + "/lost/.rescore/journal.2") and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)
    ranks_of = [x for x in children_of(process.pid) if os.readlink(f"/proc/{x}/exe") == os.path.realpath(WITH_MPI)]
    assert len(ranks_of) == 3 and min(ranks_of) > 1, "it was over before a rank could be killed"
    os.kill(ranks_of[1], signal.SIGKILL)
    assert process.wait(LONG) == 128 + signal.SIGKILL
    with open(folder + "/lost/manifest.json") as file:
        assert json.load(file)["status"] == "partial"
    again = subprocess.run(rescore_command(folder, "lost", 2), capture_output=True, timeout=LONG)
    assert again.returncode == 0, again
    assert contents(folder + "/lost") == contents(folder + "/whole")


# ---- refusals ----


def several_processes_without_mpi_are_refused(folder):
    code, _, lines = fit(WITHOUT_MPI, folder + "/archive.nc", folder + "/fitted.safetensors", 2)
    assert code == 64 and "built without MPI" in lines[0], (code, lines)
    assert os.listdir(folder) == ["archive.nc"], os.listdir(folder)


def alone(program, folder, **environment):
    arguments = [program, "fit", "-o", folder + "/alone.safetensors", folder + "/archive.nc"]
    result = subprocess.run(
        arguments, capture_output=True, text=True, timeout=LONG, env={**os.environ, **environment}
    )
    written = os.path.exists(folder + "/alone.safetensors")
    if written:
        os.unlink(folder + "/alone.safetensors")
    return result.returncode, result.stderr, written


def tasks_of_slurm_that_cannot_speak_are_refused(folder):
    for program in (WITH_MPI, WITHOUT_MPI):
        code, text, written = alone(program, folder, SLURM_STEP_NUM_TASKS="2", SLURM_PROCID="1")
        assert (code, written) == (64, False) and "SLURM_STEP_NUM_TASKS" in text, text


def the_script_of_a_slurm_job_is_one_process(folder):
    for program in (WITH_MPI, WITHOUT_MPI):
        code, text, written = alone(program, folder, SLURM_NTASKS="4", SLURM_PROCID="0")
        assert (code, written) == (0, True), text


TESTS = [
    sums_have_the_same_bits_on_every_rank,
    fifty_megabytes_go_through_in_blocks,
    bytes_are_gathered_in_the_order_of_ranks,
    outer_processes_may_ask_without_a_jail,
    a_process_that_nobody_launched_is_alone,
    work_that_fails_stops_the_work_of_others,
    work_that_fails_is_not_awaited,
    an_outer_process_that_fails_stops_the_others,
    late_work_is_not_awaited,
    work_that_lies_fails_its_job_alone,
    work_that_is_killed_ends_its_job,
    a_rank_that_is_killed_ends_its_job,
    a_fit_of_several_ranks_is_written_and_printed_once,
    a_fit_that_fails_says_so_once_and_leaves_nothing,
    an_output_that_cannot_be_written_fails_all_ranks,
    a_fit_of_several_ranks_is_that_of_one,
    several_processes_without_mpi_are_refused,
    tasks_of_slurm_that_cannot_speak_are_refused,
    the_script_of_a_slurm_job_is_one_process,
    a_rescoring_of_several_ranks_gives_the_bytes_of_one,
    a_rescoring_that_lost_a_rank_goes_on,
]


def main():
    if not shutil.which("mpirun") or not os.path.exists(RANKS):
        print("skipped: no mpirun, or no program with MPI")
        return checks.summary(0, 0)
    for name in [x for x in os.environ if x.startswith(("SLURM_", "PMI", "OMPI_COMM"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        archive = [WITHOUT_MPI, "simulate", "-o", folder + "/archive.nc", "--samples", "120", "--features", "32"]
        subprocess.run(archive, check=True)
        return checks.report(TESTS, folder)


if __name__ == "__main__":
    sys.exit(main())
