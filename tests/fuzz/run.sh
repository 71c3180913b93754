#!/bin/sh
# Runs every fuzzer of a build folder for some seconds: tests/fuzz/run.sh build/fuzz 30
# Ends with an error when one of them finds something; the input is left in the build folder.
set -eu
build=$1
seconds=$2
for fuzzer in "$build"/fuzz_*; do
    case $fuzzer in *.*) continue ;; esac
    name=${fuzzer##*/fuzz_}
    corpus=$build/corpus/$name
    mkdir -p "$corpus"
    echo "== $name"
    if ! "$fuzzer" -max_total_time="$seconds" -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$build/found-$name-" "$corpus" >"$build/$name.log" 2>&1; then
        tail -n 40 "$build/$name.log"
        exit 1
    fi
    grep '^stat::number_of_executed_units' "$build/$name.log"
done
