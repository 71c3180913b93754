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
    "$fuzzer" -max_total_time="$seconds" -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$build/found-$name-" "$corpus" 2>&1 | tail -n 12
done
