#!/bin/bash
# Runs every fuzzer of a build folder for some seconds each; fails when one of them finds something.
#   tests/fuzz/run.sh build/fuzz 30
# Seeds are read from tests/fuzz/corpus/<name>; what is found beyond them stays in the build folder.
set -u
cd "$(dirname "$0")/../.." || exit 70
build=${1:?the build folder is missing}
seconds=${2:-30}
failed=0
ran=0

for program in "$build"/fuzz_*; do
    [ -f "$program" ] && [ -x "$program" ] || continue
    name=${program##*/fuzz_}
    found=$build/corpus/$name
    log=$build/fuzz_$name.log
    mkdir -p "$found" "$build/crashes"
    folders=("$found")
    [ -d "tests/fuzz/corpus/$name" ] && folders+=("tests/fuzz/corpus/$name")
    ran=$((ran + 1))
    if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/crashes/$name-" "${folders[@]}" >"$log" 2>&1; then
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
    else
        failed=$((failed + 1))
        echo "$name: FAILED, the input is in $build/crashes"
        tail -n 40 "$log"
    fi
done
echo "$ran fuzzers, $failed failed"
[ "$failed" -eq 0 ] && [ "$ran" -gt 0 ]
