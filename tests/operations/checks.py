"""Runs tests that are functions of a world, and sums up in the form of Check, for tests/run.sh."""
import time
import traceback


def report(tests, world):
    """0 when all hold, 1 otherwise."""
    failed = 0
    for test in tests:
        started = time.monotonic()
        try:
            test(world)
            print(f"ok   {test.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {test.__name__}\n{traceback.format_exc()}", flush=True)
    return summary(len(tests), failed)


def summary(checks, failed):
    share = 100 * (checks - failed) // max(1, checks)
    print(f"{checks - failed} passed, {failed} failed")
    print(f"{share}%: Checks: {checks}, Failures: {failed}, Errors: 0")
    return 1 if failed else 0
