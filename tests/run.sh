#!/bin/bash
# Runs every test program of the given build modes; the last lines are what failed and
# "N passed, N failed".
#   tests/run.sh release asan
# A program that crashes or prints no summary counts as one failure.
set -u
cd "$(dirname "$0")/.." || exit 70
passed=0
failed=0
log=$(mktemp)
failures_seen=$(mktemp)
trap 'rm -f "$log" "$failures_seen"' EXIT

export OPENBLAS_NUM_THREADS=1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0
export UBSAN_OPTIONS=print_stacktrace=1

for mode in "$@"; do
    export NTK_BUILD="$PWD/build/$mode"
    for program in build/"$mode"/tests/test_* tests/web/test_page.py tests/openapi/test_openapi.py \
        tests/mpi/test_ranks.py tests/mpi/test_slurm.py tests/operations/week.py tests/operations/load.py \
        tests/features/test_features.py tests/bench/test_counts.py; do
        [ -x "$program" ] || continue
        case $program in build/*.*) continue ;; esac
        echo "== $program"
        started=$SECONDS
        timeout 1500 "$program" >"$log" 2>&1
        code=$?
        grep -v '^Running suite' "$log"
        summary=$(grep -E '^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+' "$log" | tail -n 1)
        if [ -z "$summary" ]; then
            echo "$program ended with code $code and no summary" | tee -a "$failures_seen"
            failed=$((failed + 1))
            continue
        fi
        read -r checks failures errors < <(echo "$summary" | tr -dc '0-9 :\n' | awk -F: '{print $3+0, $4+0, $5+0}')
        failed=$((failed + failures + errors))
        grep -E '^[^ ]+:[FE]:|^FAIL ' "$log" | sed "s|^|$program: |" >>"$failures_seen"
        passed=$((passed + checks - failures - errors))
        [ "$code" -eq 0 ] || [ $((failures + errors)) -gt 0 ] || failed=$((failed + 1))
        echo "   $((SECONDS - started)) s"
    done
done
cat "$failures_seen"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
