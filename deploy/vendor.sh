#!/bin/sh
# Fetches what the page uses and does not write itself, and puts it into server/web/vendor. Run by
# `make vendor`, only to change a version: the files are committed. Needs npm and node.
set -eu
cd "$(dirname "$0")/.."
to=server/web/vendor
folder=$(mktemp -d "${TMPDIR:-/tmp}/ntkuq-vendor.XXXXXX")
trap 'rm -rf "$folder"' EXIT

for package in uplot@1.6.32 world-atlas@2.0.2 topojson-client@3.1.0; do
    name=${package%@*}
    mkdir -p "$folder/$name"
    archive=$(npm pack --silent --pack-destination "$folder" "$package")
    tar -xzf "$folder/$archive" -C "$folder/$name" --strip-components=1
done

mkdir -p "$to"
cp "$folder/uplot/dist/uPlot.iife.min.js" "$folder/uplot/dist/uPlot.min.css" "$to/"
cp "$folder/uplot/LICENSE" "$to/uPlot.LICENSE"
node deploy/coastline.mjs "$folder/world-atlas/land-50m.json" \
    "$folder/topojson-client/dist/topojson-client.js" >"$to/coastline.json"
