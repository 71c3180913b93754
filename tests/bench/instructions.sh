#!/bin/bash
# Instructions of one sigma and of cblas_sgemv of the same shape, counted by callgrind: the same on every
# run and under any load. Valgrind has no AVX-512, so both take their AVX2 code.
#   tests/bench/instructions.sh build/release
set -eu
build=${1:-build/release}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
count() {  # instructions a call of function $1 in d $2, k $3; the bench makes 20
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no "--toggle-collect=$1" \
        "$build/bench" "$build" --once "$2" "$3" >/dev/null 2>"$log"
    echo $(($(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log") / 20))
}
for shape in "256 10" "256 100" "1536 10" "1536 100" "6144 10" "6144 100"; do
    read -r d k <<<"$shape"
    ours=$(count ntk_posterior_eval_f32 "$d" "$k")
    rival=$(count cblas_sgemv "$d" "$k")
    awk -v d="$d" -v k="$k" -v a="$ours" -v b="$rival" 'BEGIN { printf "{\"figure\": \"instructions of one sigma, d %d, k %d\", \"instructions\": %d, \"cblas_sgemv\": %d, \"ratio\": %.2f}\n", d, k, a, b, a / b }'
done
