#!/usr/bin/python3
"""A week of operations and what follows, played through a real daemon over HTTP alone.

Forecasts of every lead time are recorded one after another, first of one network, later of another
that replaces it: canary, promotion, rollback, promotion. Then adaptation is switched on, and from
some forecast on the errors are larger than those the calibration has seen. The forecasts are those
of ../shared/testbed/air_*.nc that nothing was fitted on, in the order of their times: those are 18
hours apart, not six, with gaps where the fitted ones are. Where there is no ../shared, or the build
is not the release, a simulated archive (a day apart) takes their place.

It is played three times:

  disturbed   truths come days late, or before their forecast; in any order, some twice, some in two
              parts; the daemon is killed (SIGKILL) in the middle of a query, of truths, and when a
              query is complete but not answered. What was not acknowledged is sent again.
  undisturbed the same truths are known at every forecast, but each came once, whole and in order,
              none before its forecast's interval could depend on it; nothing is killed.
  prompt      every truth comes in order, at the first forecast that is issued when it is valid.

What "the same final state" means: /v1/widths, /v1/coverage, /v1/adaptation, /v1/alarms, /v1/issued and
the labels are functions of what was issued and of the truths. An interval that is issued while
adaptation is on depends on the truths that are known at that moment, and is never changed after. So
the disturbed run and the undisturbed one must end the same in everything, to the last digit. The
prompt one, which knew more at each forecast, must agree in all that is not about intervals issued
under adaptation: forecasts, truths, alarms, the state of adaptation, labels, and everything of the
week in which adaptation was off. Only the times of the wall clock are left out.

Each test is a function whose name says what holds. Ends with a line in the form of Check, as
tests/run.sh reads it. Names of tests as arguments run these alone.
"""
import collections
import json
import os
import random
import shutil
import sys
import tempfile
import time

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checks  # noqa: E402
import room  # noqa: E402

NAME, CONTROL = "office", "control"

# Forecasts (by number) of the week, and its events.
WEEK = 28
CANARY, PROMOTED, ROLLED_BACK, PROMOTED_AGAIN = 8, 14, 18, 21

# Chosen by tests/operations/recovery.py on the other three networks (docs/operations.md).
GAMMA = 0.05
RECOVERY = 30
FACTOR = 1.4
WINDOW, WINDOW_DAYS = "90d", 90

Operation = collections.namedtuple("Operation", "kind arguments")
Crash = collections.namedtuple("Crash", "share wait")


class Case:
    """Archives of the two versions, the truths, and where the drift begins: RECOVERY forecasts before
    the last 90 days of records."""

    def __init__(self, paths, fits):
        self.paths, self.fits = paths, fits
        self.archives = [room.Archive(path) for path in paths]
        first, second = self.archives
        assert first.times == second.times and first.leads == second.leads
        self.times, self.leads = first.times, first.leads
        end = self.times[-1] - 86400 * WINDOW_DAYS
        self.drift = next(i for i, t in enumerate(self.times) if t > end) - RECOVERY
        assert self.drift > WEEK
        self.truth = room.drifted(second, self.drift, FACTOR)

    def keys(self):
        return [(i, lead) for i in range(len(self.times)) for lead in range(len(self.leads))]

    def issuers(self, i):
        """Labels whose versions issue forecast i, and the versions."""
        stable = 1 if i < PROMOTED or ROLLED_BACK <= i < PROMOTED_AGAIN else 2
        return [("stable", stable)] + [("canary", 2)] * (i >= CANARY and stable == 1)


def testbed_case():
    paths = [f"{room.TESTBED}/air_{network}.nc" for network in ("spectral", "swin")]
    return Case(paths, [{}, {}])


def simulated_case(folder):
    path = room.simulated(folder, 1)
    return Case([path, path], [{}, {"method": "svd", "rank": 3}])


# ---- what happens, in order ---------------------------------------------------------------------


def arrivals(case, seed):
    """Before which forecast each truth comes in the disturbed run: one in six early, up to four
    forecasts before its own is issued; one in six promptly; the others up to four days late."""
    dice = random.Random(seed)
    n = len(case.times)
    first = case.archives[0]
    out = {}
    for i, lead in case.keys():
        use, kind = min(first.use_of(i, lead), n), dice.random()
        if kind < 1 / 6:
            out[i, lead] = dice.randint(max(0, i - 4), use)
        elif kind < 1 / 3:
            out[i, lead] = use
        else:
            known = case.times[i] + 3600 * case.leads[lead] + 86400 * dice.uniform(0, 4)
            out[i, lead] = next((j for j in range(use, n) if case.times[j] >= known), n)
    return out


def grouped(arrival):
    batches = collections.defaultdict(list)
    for key, at in arrival.items():
        batches[at].append(key)
    return batches


def ordered_batches(case, arrival):
    """One POST for all that comes at a time, by valid time."""
    return {
        at: [sorted(keys, key=lambda k: (case.times[k[0]] + 3600 * case.leads[k[1]], k))]
        for at, keys in grouped(arrival).items()
    }


def shuffled_batches(case, arrival, seed):
    """Some in two parts, one in seven again later, in any order, up to five to a POST."""
    dice = random.Random(seed)
    batches = collections.defaultdict(list)
    for key, at in arrival.items():
        parts = [(0,), (1,)] if dice.random() < 0.1 else [()]
        batches[at] += [key + part for part in parts]
        if dice.random() < 1 / 7:
            batches[min(at + dice.randint(0, 9), len(case.times))].append(key)
    posts = {}
    for at, keys in batches.items():
        dice.shuffle(keys)
        posts[at] = []
        while keys:
            size = dice.randint(1, 5)
            posts[at].append(keys[:size])
            keys = keys[size:]
    return posts


# A handful of records may look uncovered by chance, which the daemon refuses without a reason.
UPGRADE = {"version": 2, "override": "a few records of a canary cannot tell"}
LABELS = {
    0: [("stable", {"version": 1})],
    CANARY: [("canary", {"version": 2})],
    PROMOTED: [("stable", UPGRADE)],
    ROLLED_BACK: [("stable", {"rollback": True})],
    PROMOTED_AGAIN: [("stable", UPGRADE)],
}


def operations(case, batches, crashes, control):
    """Everything a run does. crashes: of the first query or truths of these forecasts."""
    for i in range(len(case.times) + 1):
        for label, body in LABELS.get(i, []):
            yield Operation("label", (label, body))
        if i == WEEK:
            yield Operation("adapt", ())
        for keys in batches.get(i, []):
            yield Operation("truths", (keys, crashes.pop((i, "truths"), None)))
        for lead in range(len(case.leads)) if i < len(case.times) else []:
            for label, version in case.issuers(i):
                crash = crashes.pop((i, "query"), None)
                yield Operation("issue", (i, lead, label, version, crash))
            if control and i >= case.drift + RECOVERY:
                yield Operation("control", (i, lead))


# ---- a run --------------------------------------------------------------------------------------


class Run:
    """A daemon, and all that it acknowledged: limits by (version, i, lead, variable), and truths."""

    def __init__(self, world):
        self.case, self.sha256 = world.case, world.sha256
        self.room = room.Room(state=world.base)
        self.records, self.issued, self.told = {}, set(), set()
        self.told_early = self.told_again = self.known_after_crash = self.levels_moved = 0
        self.revision = collections.Counter()

    def play(self, batches, crashes=None, control=False):
        for operation in operations(self.case, batches, dict(crashes or {}), control):
            getattr(self, operation.kind)(*operation.arguments)

    def _disturb(self, path, body, crash):
        if crash:
            self.room.begin_post(path, body, crash.share)
            time.sleep(crash.wait)
            self.room.crash()

    def label(self, label, body):
        """Moved by who has seen its newest revision; who has seen an older one does not move it."""
        path = f"v1/calibrations/{NAME}/labels/{label}"
        seen = self.revision[label]
        if seen:
            stale = {"If-Match": f'"{seen - 1}"'}
            status, reply = self.room.request("PUT", path, body, headers=stale)
            assert status == 412, reply
        match = {"If-Match": f'"{seen}"'} if seen else {}
        status, reply = self.room.request("PUT", path, body, headers=match)
        assert status == 200, reply
        self.revision[label] = reply["revision"]

    def adapt(self):
        path = f"v1/calibrations/{NAME}/adaptation"
        status, reply = self.room.request("PUT", path, {"enabled": True, "gamma": GAMMA})
        assert status == 200 and reply["enabled"], reply

    def truths_body(self, keys):
        """One truth for a key and variable; one part of a key has every other place."""
        out = []
        for i, lead, *part in keys:
            for truth in room.truths_of(self.case.archives[0], self.case.truth, i, lead):
                values = truth["values"]
                for place in range(1 - part[0], len(values), 2) if part and len(values) > 1 else []:
                    values[place] = None
                out.append(truth)
        return {"truths": out}

    def truths(self, keys, crash):
        body = self.truths_body(keys)
        self._disturb("v1/truths", body, crash)
        reply = self.room.post("v1/truths", body)
        assert reply["added"] + reply["known"] == len(body["truths"]), reply
        self.told_again += reply["known"]
        for i, lead, *_ in keys:
            self.told_early += (i, lead) not in self.issued
            self.told.add((i, lead))

    def issue(self, i, lead, label, version, crash):
        archive = self.case.archives[version - 1]
        query = room.query_of(NAME, archive, i, lead, label=label)
        self._disturb("v1/intervals", query, crash)
        reply = self.room.post("v1/intervals", query)
        assert (reply["calibration"], reply["version"]) == (NAME, version), reply["version"]
        assert reply["sha256"] == self.sha256[version], "another artifact answered"
        assert self.room.headers["NTKUQ-Calibration"] == f"{NAME}/{version}"
        assert self.room.headers["NTKUQ-Artifact"] == self.sha256[version]
        recorded = reply["recorded"]
        assert recorded["added"] + recorded["known"] == len(archive.forecast), recorded
        self.known_after_crash += bool(crash) * (recorded["known"] > 0)
        self.issued.add((i, lead))
        for name, variable in reply["samples"][0]["variables"].items():
            self.levels_moved += "levels_in_use" in variable
            self.records[version, i, lead, name] = fingerprint(variable["lower"], variable["upper"])

    def control(self, i, lead):
        self.room.post("v1/intervals", room.query_of(CONTROL, self.case.archives[1], i, lead))


# ---- what is there at the end -------------------------------------------------------------------


def fingerprint(*arrays):
    """Equal for equal numbers, whether a place's or a field's."""
    return hash(tuple(numpy.concatenate([numpy.ravel(array) for array in arrays]).tolist()))


def settled_alarms(daemon_room):
    """The alarms, once the watch has looked at all there is. It rests nine times as long as it
    looked, so that on a busy machine they must stay for a while."""
    seen, since, end = None, time.monotonic(), time.monotonic() + 120
    while time.monotonic() < end and time.monotonic() - since < 12:
        found = daemon_room.get("v1/alarms")["rows"]
        if found != seen:
            seen, since = found, time.monotonic()
        time.sleep(0.1)
    return seen


class State:
    """Everything the daemon shows of a calibration. `issued` has a row for each record: its key,
    and fingerprints of forecast, limits and truth."""

    def __init__(self, run):
        self.run = run
        self.alarms = [row for row in settled_alarms(run.room) if row["calibration"] == NAME]
        first = room.text_of(run.case.times[0])
        self.widths = self._rows(f"v1/widths?calibration={NAME}&since={first}")
        self.coverage = self._rows(f"v1/coverage?calibration={NAME}")
        self.adaptation = self._rows(f"v1/adaptation?calibration={NAME}")
        labels = run.room.get(f"v1/calibrations/{NAME}/labels")
        self.labels = json.loads(json.dumps(labels), object_hook=without_clock)
        self.issued = {}
        for i, seconds in enumerate(run.case.times):
            self._take(i, room.text_of(seconds))

    def _rows(self, path):
        return self.run.room.get(path)["rows"]

    def _take(self, i, moment):
        path = f"v1/issued?calibration={NAME}&forecast_reference_time={moment}"
        for record in self.run.room.get(path)["records"]:
            lead = self.run.case.leads.index(record["lead_time_hours"])
            key = record["version"], i, lead, record["variable"]
            assert key not in self.issued, f"{key} is there twice"
            self.issued[key] = {
                "forecast": fingerprint(record["forecast"]),
                "limits": fingerprint(record["lower"], record["upper"]),
                "truth": record["truth"] and fingerprint(record["truth"]),
            }

    def forecasts_and_truths(self):
        return {key: (row["forecast"], row["truth"]) for key, row in self.issued.items()}

    def of_the_week(self):
        """What was issued while adaptation was off."""
        end = room.text_of(self.run.case.times[WEEK])
        return (
            {key: row for key, row in self.issued.items() if key[1] < WEEK},
            [
                row
                for row in self.widths
                if row["forecast_reference_time"] < end and row["version"] == 1
            ],
            [row for row in self.coverage if row["version"] == 1],
        )


def without_clock(document):
    return {key: value for key, value in document.items() if key != "changed"}


VIEWS = ("issued", "widths", "coverage", "adaptation", "alarms", "labels")


class World:
    """The three runs and what they left."""

    def __init__(self, case, folder):
        self.case, self.runs, self.states = case, {}, {}
        self.base, self.sha256 = os.path.join(folder, "state"), {}
        self.arrival = arrivals(case, seed=4)
        n = len(case.times)
        self.use = {key: min(case.archives[0].use_of(*key), n) for key in case.keys()}

    def fit(self):
        """Uploads and fits once: each run begins with a copy of that state folder."""
        daemon_room, case = room.Room(), self.case
        try:
            for version, (path, fit) in enumerate(zip(case.paths, case.fits), 1):
                result = daemon_room.fit(NAME, path, **fit)["result"]
                assert result["version"] == version
                self.sha256[version] = result["sha256"]
            daemon_room.fit(CONTROL, case.paths[1], **case.fits[1])
            daemon_room.stop()
            shutil.copytree(os.path.join(daemon_room.folder, "state"), self.base)
        finally:
            daemon_room.remove()

    def play(self):
        self.fit()
        for name in ("disturbed", "undisturbed", "prompt"):
            started = time.monotonic()
            run = self.runs[name] = Run(self)
            crashes = self.crashes() if name == "disturbed" else {}
            run.play(self.batches(name), crashes, control=name == "prompt")
            self.states[name] = State(run)
            print(f"{name} run: {time.monotonic() - started:.1f} s", flush=True)

    def batches(self, name):
        if name == "disturbed":
            return shuffled_batches(self.case, self.arrival, seed=5)
        arrival = self.use
        if name == "undisturbed":
            arrival = {key: max(at, self.use[key]) for key, at in self.arrival.items()}
        return ordered_batches(self.case, arrival)

    def crashes(self):
        """In the week, at its end, and when the drift has begun."""
        late = self.case.drift + 10
        return {
            (PROMOTED + 1, "query"): Crash(share=0.5, wait=0.01),
            (ROLLED_BACK + 1, "truths"): Crash(share=1, wait=0.003),
            (WEEK - 1, "truths"): Crash(share=1, wait=0.2),
            (WEEK + 1, "query"): Crash(share=1, wait=0.2),
            (late, "query"): Crash(share=1, wait=0.001),
        }

    def close(self):
        for run in self.runs.values():
            run.room.remove()


# ---- what is true -------------------------------------------------------------------------------


def the_week_is_disturbed_indeed(world):
    run = world.runs["disturbed"]
    late = sum(at > world.use[key] for key, at in world.arrival.items())
    assert late > len(world.arrival) / 2, "few truths are late"
    assert run.told_early > 20 and run.told_again > 20, (run.told_early, run.told_again)
    assert run.room.restarts == run.room.resent == len(world.crashes())
    assert run.known_after_crash >= 1, "no query was stored without being acknowledged"
    assert run.levels_moved > 100, "adaptation moved nothing"


def nothing_acknowledged_is_lost(world):
    run, state = world.runs["disturbed"], world.states["disturbed"]
    limits = {key: row["limits"] for key, row in state.issued.items()}
    assert limits == run.records
    assert run.told == set(world.case.keys())
    for (version, i, lead, variable), row in state.issued.items():
        truth = fingerprint(world.case.truth[variable][i, lead])
        assert row["truth"] == truth, f"the truth of {variable}, forecast {i}, is another"


def disorder_and_crashes_leave_no_trace(world):
    for view in VIEWS:
        disturbed = getattr(world.states["disturbed"], view)
        undisturbed = getattr(world.states["undisturbed"], view)
        assert len(disturbed) > 0, f"there is nothing in {view}"
        assert disturbed == undisturbed, f"{view} differs"


def late_truths_change_only_what_was_issued_without_them(world):
    disturbed, prompt = world.states["disturbed"], world.states["prompt"]
    for view in ("adaptation", "alarms", "labels"):
        assert getattr(disturbed, view) == getattr(prompt, view), f"{view} differs"
    assert disturbed.forecasts_and_truths() == prompt.forecasts_and_truths()
    assert disturbed.of_the_week() == prompt.of_the_week()
    assert disturbed.issued != prompt.issued, "knowing truths later changed no interval"


def a_crash_at_the_end_changes_nothing(world):
    before, run = world.states["disturbed"], world.runs["disturbed"]
    run.room.crash()
    run.room.recover()
    after = State(run)
    for view in VIEWS:
        assert getattr(before, view) == getattr(after, view), f"{view} differs"


def versions_issued_what_the_labels_said(world):
    state = world.states["disturbed"]
    history = [(row["label"], row["version"]) for row in state.labels["history"]]
    assert history == [("stable", 1), ("canary", 2), ("stable", 2), ("stable", 1), ("stable", 2)]
    for i in range(len(world.case.times)):
        versions = {version for version, at, _, _ in state.issued if at == i}
        assert versions == {version for _, version in world.case.issuers(i)}, i


def last_window(daemon_room, name, case):
    """Coverage at 90 % in the last 90 days, all of them RECOVERY records or more after the drift."""
    path = f"v1/coverage?calibration={name}&level=0.9&place_group=all&window={WINDOW}"
    rows = [
        row for row in daemon_room.get(path)["rows"] if row["version"] == (2 if name == NAME else 1)
    ]
    start = room.text_of(case.times[case.drift + RECOVERY])
    assert len(rows) == len(case.leads) * len(case.truth)
    assert all(row["first_reference_time"] >= start and row["records"] >= 40 for row in rows)
    return rows


def after_the_stated_number_of_records_coverage_is_back(world):
    for name in ("prompt", "disturbed"):
        for row in last_window(world.runs[name].room, NAME, world.case):
            told = [
                row[key]
                for key in ("lead_time_hours", "coverage_lower", "coverage", "coverage_upper")
            ]
            print(
                f"     {name}: {row['variable']} {told[0]:g} h: {told[1]:.3f} {told[2]:.3f} {told[3]:.3f}"
                f" of {row['records']} records"
            )
            assert told[1] <= 0.9 <= told[3], f"{name}: {told}"


def without_adaptation_it_is_not(world):
    """Of fields: 60 single numbers say too little."""
    rows = last_window(world.runs["prompt"].room, CONTROL, world.case)
    fields = [v for v, truth in world.case.truth.items() if truth.shape[2] > 1]
    assert all(row["coverage_upper"] < 0.88 for row in rows if row["variable"] in fields), rows


def the_drift_raises_an_alarm_after_it_began(world):
    began = room.text_of(world.case.times[world.case.drift])
    alarms = [row for row in world.states["prompt"].alarms if row["kind"] == "coverage"]
    often = [row for row in alarms if row["version"] == 2 and "too often" in row["message"]]
    for row in often:
        print(
            f"     {row['level']} {row['lead_time_hours']:g} h since {row['since']}, drift {began}"
        )
    assert often and all(row["since"] >= began for row in often)


TESTS = [
    the_week_is_disturbed_indeed,
    nothing_acknowledged_is_lost,
    versions_issued_what_the_labels_said,
    disorder_and_crashes_leave_no_trace,
    late_truths_change_only_what_was_issued_without_them,
    after_the_stated_number_of_records_coverage_is_back,
    without_adaptation_it_is_not,
    the_drift_raises_an_alarm_after_it_began,
    a_crash_at_the_end_changes_nothing,
]


def case_of(folder):
    if os.path.isdir(room.TESTBED) and os.path.basename(os.path.abspath(room.BUILD)) == "release":
        return testbed_case()
    print(
        "the week is played on a simulated archive: this is no release build, or there is no ../shared"
    )
    return simulated_case(folder)


def main(wanted):
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    with tempfile.TemporaryDirectory(prefix="ntkuq-week.") as folder:
        world = World(case_of(folder), folder)
        try:
            world.play()
            return checks.report(tests, world)
        finally:
            world.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
