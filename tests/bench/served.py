"""The bench program, which times ours and the rivals in C on request: tests/bench/bench.h."""
import os
import subprocess


class Served:
    def __init__(self, build):
        self.process = subprocess.Popen(
            [os.path.join(build, "bench")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, *words):
        """The numbers of the answer."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the bench program ended at {words}")
        return [float(number) for number in answer.split()]

    def side(self, *words):
        """As a side of a contest."""
        return lambda: self.ask(*words)[0]
