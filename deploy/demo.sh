#!/bin/sh
# The whole main job, once, on this machine: start a daemon on a free loopback port, upload an archive,
# fit, query, score on data that was not fitted on, stop. Leaves nothing behind.
#
#   deploy/demo.sh BUILD_DIR [ARCHIVE.nc]
#
# Without ARCHIVE.nc a simulated one is made. Needs curl, jq and ncdump.
set -eu

[ $# -ge 1 ] || { echo "usage: demo.sh BUILD_DIR [ARCHIVE.nc]" >&2; exit 64; }
build=$1
archive=${2:-}
folder=$(mktemp -d "${TMPDIR:-/tmp}/ntkuq-demo.XXXXXX")
log=$folder/daemon.log
daemon=""

stop_daemon()
{
    [ -n "$daemon" ] || return 0
    kill "$daemon" 2>/dev/null || fail "the daemon was gone already"
    tries=0
    while kill -0 "$daemon" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "the daemon did not stop within 30 seconds"
        sleep 0.1
    done
    pid=$daemon
    daemon=""
    wait "$pid" || fail "the daemon did not stop cleanly"
}

clean_up()
{
    [ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null || true
    rm -rf "$folder"
}

fail()
{
    echo "demo failed: $1" >&2
    if [ -s "$log" ]; then
        echo "--- the daemon's log" >&2
        cat "$log" >&2
    fi
    exit 1
}

heading()
{
    printf '\n== %s\n' "$1"
}

# request METHOD PATH [curl arguments]: leaves the reply's body in $folder/reply; what the server refuses
# ends the demo.
request()
{
    method=$1
    path=$2
    shift 2
    status=$(curl --silent --show-error --max-time 300 --request "$method" \
        --header "Authorization: Bearer $(cat "$folder/token")" \
        --output "$folder/reply" --write-out '%{http_code}' "$@" "$url$path") ||
        fail "$method $path: no reply"
    case $status in
    2??) ;;
    *) fail "$method $path: status $status: $(cat "$folder/reply")" ;;
    esac
}

# A value of the last reply, which must be there.
reply()
{
    jq -er "$1" "$folder/reply" || fail "no $1 in the reply: $(cat "$folder/reply")"
}

# All values of a NetCDF variable, one a line, in order.
values()
{
    ncdump -p 9,17 -v "$1" "$2" | awk -v name="$1" '
        /^data:/ { data = 1 }
        data && $1 == name && $2 == "=" { inside = 1; sub(/^[^=]*=/, "") }
        inside {
            last = index($0, ";")
            gsub(/[,;]/, " ")
            for (i = 1; i <= NF; i++) print $i
            if (last) exit
        }'
}

trap clean_up EXIT
trap 'exit 130' INT TERM

# ---- an archive and a daemon -------------------------------------------------------------------

if [ -z "$archive" ]; then
    heading "ntkuq simulate: a chaotic toy atmosphere and its forecasts"
    archive=$folder/simulated.nc
    "$build/ntkuq" simulate -o "$archive" || fail "no archive was simulated"
fi
[ -r "$archive" ] || fail "$archive cannot be read"

heading "ntkuq inspect: what the archive holds"
"$build/ntkuq" inspect "$archive" || fail "the archive cannot be inspected"
"$build/ntkuq" inspect --json "$archive" >"$folder/archive.json"

heading "ntkuqd: starting on a free loopback port"
(umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$folder/token")
"$build/ntkuqd" --listen_address 127.0.0.1 --port 0 --port_file "$folder/port" \
    --state_dir "$folder/state" --ntkuq_program "$(realpath "$build")/ntkuq" \
    --token_file "$folder/token" 2>"$log" &
daemon=$!
tries=0
until [ -s "$folder/port" ]; do
    kill -0 "$daemon" 2>/dev/null || fail "the daemon did not start"
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "the daemon said no port within 10 seconds"
    sleep 0.1
done
url=http://127.0.0.1:$(cat "$folder/port")
request GET /healthz
echo "$url is healthy"

# ---- upload and fit ----------------------------------------------------------------------------

heading "POST /v1/datasets: upload"
request POST /v1/datasets --header 'Content-Type: application/x-netcdf' --upload-file "$archive"
dataset=$(reply .id)
echo "dataset $dataset"

heading "POST /v1/calibrations: fit"
request POST /v1/calibrations --header 'Content-Type: application/json' \
    --data "{\"name\": \"demo\", \"datasets\": [\"$dataset\"]}"
job=$(reply .jobID)
shown=""
while :; do
    request GET "/v1/jobs/$job"
    state=$(reply .status)
    line=$(reply '"\(.status) \(.progress) % \(.message // "")"')
    [ "$line" = "$shown" ] || echo "$line"
    shown=$line
    case $state in
    accepted | running) sleep 0.2 ;;
    successful) break ;;
    *) fail "job $job ended as $state: $(cat "$folder/reply")" ;;
    esac
done

heading "GET /v1/calibrations/demo: what was chosen, and why"
request GET /v1/calibrations/demo
version=$(reply .version)
jq -r '.leads[] | "\(.lead_time_hours) h: \(.method), rank \(.rank)\n    \(.method_reason)\n    \(.rank_reason)"' \
    "$folder/reply"

# ---- query -------------------------------------------------------------------------------------

heading "POST /v1/intervals: the archive as NetCDF in, intervals as NetCDF out"
request POST '/v1/intervals?calibration=demo&levels=0.9' \
    --header 'Content-Type: application/x-netcdf' --header 'Accept: application/x-netcdf' \
    --upload-file "$archive"
mv "$folder/reply" "$folder/intervals.nc"
samples=$(jq .samples "$folder/archive.json")
columns=$(jq .features.columns "$folder/archive.json")
leads=$(jq 'if .lead_dimension then .leads | length else 1 end' "$folder/archive.json")
variable=$(jq -r '[.variables[] | select(.truth)][0].name // empty' "$folder/archive.json")
points=$(jq --arg v "$variable" '[.variables[] | select(.name == $v)][0].points' "$folder/archive.json")
lead=$(jq 'if .lead_dimension then [.leads[].lead_time_hours] | (index(24) // 0) else 0 end' \
    "$folder/archive.json")
hours=$(jq --argjson lead "$lead" '.leads[$lead].lead_time_hours' "$folder/archive.json")
if ncdump -h "$archive" | grep -q 'byte split('; then
    tests=$(values split "$archive" | awk '$1 == 2 { print NR - 1 }' | head -n 5)
else
    tests=$((samples - 1))
fi
if [ -n "$variable" ]; then
    values "$variable" "$folder/intervals.nc" >"$folder/forecast"
    values "${variable}_lower" "$folder/intervals.nc" >"$folder/lower"
    values "${variable}_upper" "$folder/intervals.nc" >"$folder/upper"
    values "${variable}_truth" "$archive" >"$folder/truth"
    echo "$variable, first point, lead time $hours h, 90 % interval, test samples:"
    paste "$folder/forecast" "$folder/truth" "$folder/lower" "$folder/upper" |
        awk -F '\t' -v tests="$tests" -v leads="$leads" -v lead="$lead" -v points="$points" '
            BEGIN { n = split(tests, wanted, /[ \n]+/)
                    printf "%8s %12s %12s %12s %12s\n", "sample", "forecast", "lower", "upper", "truth" }
            { forecast[NR - 1] = $1; truth[NR - 1] = $2; lower[NR - 1] = $3; upper[NR - 1] = $4 }
            END { for (i = 1; i <= n; i++) {
                      at = (wanted[i] * leads + lead) * points
                      printf "%8d %12.5g %12.5g %12.5g %12.5g\n", wanted[i], forecast[at],
                             lower[at], upper[at], truth[at] } }'
fi

sample=$(echo "$tests" | head -n 1)
heading "POST /v1/intervals: the features of test sample $sample as JSON"
feature_name=$(jq -r .features.name "$folder/archive.json")
values "$feature_name" "$archive" >"$folder/features"
rows=$(($(wc -l <"$folder/features") / samples / columns))
[ "$rows" -gt "$lead" ] || lead=0
tail -n +$(((sample * rows + lead) * columns + 1)) "$folder/features" | head -n "$columns" |
    jq -s --argjson hours "$hours" \
       '{calibration: "demo", lead_time_hours: $hours, features: [.], levels: [0.5, 0.9]}' \
       >"$folder/query.json" || fail "the features of sample $sample are not all numbers"
request POST /v1/intervals --header 'Content-Type: application/json' \
    --data-binary @"$folder/query.json"
reply '"\(.calibration) version \(.version), \(.method) of rank \(.rank), SHA-256 \(.sha256)"'
reply 'def r: . * 1000000 | round / 1000000; .samples[0] |
       "sigma \(.sigma | r), prior variance \(.prior_variance | r), correction \(.correction | r), " +
       "novelty \(.novelty | r) %"'
reply 'def r: . * 1000000 | round / 1000000; .samples[0].variables | to_entries[] |
       "\(.key): standard error \(.value.std | r), 90 % interval: forecast " +
       "\(.value.lower[1] | r) to +\(.value.upper[1] | r)"'

# ---- score -------------------------------------------------------------------------------------

if [ -n "$variable" ]; then
    heading "ntkuq report: coverage on the test samples, which nothing was fitted on"
    "$build/ntkuq" report --levels 0.5,0.9 "$folder/state/calibrations/demo/$version.safetensors" \
        "$archive" || fail "the archive cannot be scored"
fi

heading "stopping"
stop_daemon
echo "the daemon has stopped; nothing is left behind"
