#!/bin/sh
# Installs what a Debian 12 machine lacks. Arguments name what the machine is for:
#   run    what the two programs need to run
#   build  compilers and -dev packages
#   test   test frameworks and second opinions
#   features  PyTorch and ONNX, for the tests of docs/features.md (540 MiB; skipped without)
#   mpi    Open MPI, for make MPI=1
#   slurm  a Slurm of one node, for tests/mpi/test_slurm.py (skipped without)
#   bench  the rivals of make bench
# The one list of packages: Makefile, Dockerfile and CI all call this script.
# docs/dependencies.md says why each one is here.
set -eu

run="libmicrohttpd12 libjansson4 libnetcdf19 libhdf5-103-1 libopenblas0-pthread liblapacke
     libsodium23 libsqlite3-0 libseccomp2 libudunits2-0 libgnutls30 libsystemd0 curl ca-certificates"
build="gcc g++ make pkg-config libc6-dev linux-libc-dev libmicrohttpd-dev libjansson-dev libnetcdf-dev
       libhdf5-dev libopenblas-pthread-dev liblapacke-dev libsodium-dev libseccomp-dev
       libdragonbox-dev libfast-float-dev libsqlite3-dev libudunits2-dev libgnutls28-dev libsystemd-dev
       curl jq netcdf-bin"
test="check curl openssl clang libclang-rt-14-dev valgrind gcovr netcdf-bin python3 python3-netcdf4
      chromium chromium-driver python3-selenium prometheus python3-jsonschema python3-requests"
mpi="libopenmpi-dev openmpi-bin"
slurm="slurm-wlm munge $mpi"
test="$test $mpi"
features="python3-torch python3-onnx"
bench="valgrind wrk python3 python3-netcdf4 python3-scipy python3-sklearn python3-torch
       python3-fastapi python3-uvicorn python3-uvloop python3-httptools"

wanted=""
[ $# -gt 0 ] || set -- build test
for purpose in "$@"; do
    case $purpose in
    run) wanted="$wanted $run" ;;
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    features) wanted="$wanted $features" ;;
    mpi) wanted="$wanted $mpi" ;;
    slurm) wanted="$wanted $slurm" ;;
    bench) wanted="$wanted $bench" ;;
    *) echo "install-deps.sh: '$purpose' is not run, build, test, features, mpi, slurm or bench" >&2; exit 64 ;;
    esac
done

missing=""
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo
echo "installing:$missing"
case "$missing " in
*" prometheus "*) # promtool alone is wanted: its service must not start
    [ ! -d /run/systemd/system ] || $as_root systemctl mask -q prometheus.service ;;
esac
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086  # the list is meant to be split
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
