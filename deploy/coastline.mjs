// Natural Earth's land at 1:50 million as polylines small enough to be part of the daemon.
//
//   node coastline.mjs land-50m.json topojson-client.js > coastline.json
//
// Each line is [x, y, dx, dy, dx, dy, ...] in units of `degrees`, longitude first. What a map of a
// few hundred pixels would not show is left out: bends below TOLERANCE and islands below SMALLEST.
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {resolve} from 'node:path';

const UNIT = 0.05,
    TOLERANCE = 0.07,
    SMALLEST = 0.25; // degrees

// Douglas and Peucker, 1973: the points farther than `tolerance` from the chord are kept.
function simplify(points, tolerance) {
    const keep = new Uint8Array(points.length);
    keep[0] = keep[points.length - 1] = 1;
    const open = [[0, points.length - 1]];
    while (open.length) {
        const [first, last] = open.pop();
        let at = -1,
            farthest = tolerance;
        for (let i = first + 1; i < last; i++) {
            const away = distance(points[i], points[first], points[last]);
            if (away > farthest) [at, farthest] = [i, away];
        }
        if (at < 0) continue;
        keep[at] = 1;
        open.push([first, at], [at, last]);
    }
    return points.filter((_, i) => keep[i]);
}

// Of a point from a segment, with a degree of longitude as short as it is there.
function distance([x, y], [x0, y0], [x1, y1]) {
    const shrink = Math.cos((y * Math.PI) / 180);
    const dx = (x1 - x0) * shrink,
        dy = y1 - y0,
        px = (x - x0) * shrink,
        py = y - y0;
    const length = dx * dx + dy * dy;
    const t = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
    return Math.hypot(px - t * dx, py - t * dy);
}

function extent(points, axis) {
    const values = points.map(p => p[axis]);
    return Math.max(...values) - Math.min(...values);
}

// The land is closed along the date line and the pole, where there is no coast.
const isSeam = ([x, y]) => Math.abs(x) > 179.99 || y < -89.9;

function cutAtSeams(points) {
    const lines = [[]];
    points.forEach((point, i) => {
        const before = points[i - 1];
        if (i && ((isSeam(point) && isSeam(before)) || Math.abs(point[0] - before[0]) > 180))
            lines.push([]);
        lines.at(-1).push(point);
    });
    return lines.filter(line => line.length > 1);
}

function encode(points) {
    const grid = points.map(p => p.map(v => Math.round(v / UNIT)));
    const line = [...grid[0]];
    for (let i = 1; i < grid.length; i++) {
        const dx = grid[i][0] - grid[i - 1][0],
            dy = grid[i][1] - grid[i - 1][1];
        if (dx || dy) line.push(dx, dy);
    }
    return line;
}

// A ring has no chord: it is simplified as two halves.
function simplifyRing(points) {
    const half = points.length >> 1;
    if (points.length < 8) return points;
    return [
        ...simplify(points.slice(0, half + 1), TOLERANCE).slice(0, -1),
        ...simplify(points.slice(half), TOLERANCE),
    ];
}

const [topologyFile, clientFile] = process.argv.slice(2);
const topology = JSON.parse(readFileSync(topologyFile));
const topojson = createRequire(import.meta.url)(resolve(clientFile));
const lines = topojson
    .mesh(topology, topology.objects.land)
    .coordinates.filter(points => Math.max(extent(points, 0), extent(points, 1)) >= SMALLEST)
    .flatMap(cutAtSeams)
    .map(simplifyRing)
    .map(encode)
    .filter(line => line.length > 4);
console.log(
    JSON.stringify({
        source: 'Natural Earth 1:50m land (public domain), by way of the npm package world-atlas',
        degrees: UNIT,
        lines,
    }),
);
