"""A Slurm of one machine in a temporary folder, on loopback, without systemd and cgroups; it needs
root, as slurmd starts jobs. Everything it starts is stopped by its pid."""
import os
import shutil
import signal
import socket
import subprocess
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
PATIENCE = 60  # seconds

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=600
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000
PartitionName=all Nodes={host} Default=YES DefMemPerCPU=500 State=UP
"""


def missing():
    """What is not there, or ""."""
    for program in PROGRAMS:
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
            return program
    return "" if os.getuid() == 0 else "root"


def free_port():
    """Below those that the system hands out by itself."""
    for port in range(20000, 30000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError("no free port")


class Slurm:
    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.environment = dict(os.environ, SLURM_CONF=folder + "/slurm.conf")
        for name in ("state", "spool", "jobs"):
            os.mkdir(f"{folder}/{name}")
        os.chmod(folder, 0o755)

    def __enter__(self):
        try:
            self.start_munge()
            self.configure()
            for program in ("slurmctld", "slurmd"):
                self.start(program, "-D")
            self.wait("the node", lambda: "idle" in self.run("sinfo", "-h", "-o", "%T").stdout)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.run("scancel", "--user=root")
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, program, *arguments):
        path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
        log = open(f"{self.folder}/{program}.out", "w")
        process = subprocess.Popen([path, *arguments], stdout=log, stderr=log, env=self.environment)
        log.close()
        self.processes.append(process)

    def start_munge(self):
        key = self.folder + "/munge.key"
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(os.urandom(1024))
        files = {"key-file": key, "socket": self.folder + "/munge.socket"}
        for name in ("pid-file", "log-file", "seed-file"):
            files[name] = f"{self.folder}/munged.{name}"
        options = [f"--{name}={path}" for name, path in files.items()]
        self.start("munged", "--foreground", "--force", *options)
        self.wait("munged", lambda: os.path.exists(files["socket"]))

    def configure(self):
        controller = free_port()
        values = {
            "host": socket.gethostname().split(".")[0],
            "controller": controller,
            "node": controller + 1,
            "folder": self.folder,
        }
        with open(self.folder + "/slurm.conf", "w") as file:
            file.write(CONFIGURATION.format(**values))
        with open(self.folder + "/cgroup.conf", "w") as file:
            file.write("CgroupAutomount=no\n")

    def wait(self, what, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: {self.logs()}")
            time.sleep(0.1)

    def logs(self):
        texts = []
        for process in ("munged", "slurmctld", "slurmd"):
            try:
                with open(f"{self.folder}/{process}.out") as file:
                    texts.append(process + ": " + file.read()[-1500:])
            except OSError:
                continue
        return "\n".join(texts)

    def run(self, *command, **environment):
        return subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**self.environment, **environment},
        )

    def submit(self, *arguments, **environment):
        """A job's number; its log is jobs/NUMBER or, of an array, jobs/NUMBER_TASK."""
        log = self.folder + "/jobs/%j"
        if any(str(word).startswith("--array") for word in arguments):
            log = self.folder + "/jobs/%A_%a"
        result = self.run("sbatch", "--parsable", "-o", log, *arguments, **environment)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def state(self, job):
        text = self.run("scontrol", "show", "job", "-o", job).stdout
        states = [word.split("=")[1] for word in text.split() if word.startswith("JobState=")]
        codes = [word.split("=")[1] for word in text.split() if word.startswith("ExitCode=")]
        return states, codes

    def finish(self, job):
        """States and exit codes ("65:0": code and signal) of a job, or of an array's, at the end."""
        unfinished = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING"}
        self.wait(f"job {job}", lambda: not unfinished & set(self.state(job)[0]))
        return self.state(job)

    def log(self, name):
        with open(f"{self.folder}/jobs/{name}") as file:
            return file.read()
