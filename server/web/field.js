// A field of values on a map: from degrees to pixels, colours, coastlines, marks.
import {colour, font} from './dom.js';
import * as format from './format.js';

const MARGIN = {left: 52, bottom: 24, top: 6, right: 10};

let coast = null; // lines of [longitude, latitude], once asked for

// ---- the data -----------------------------------------------------------------------------------

// Widths of one record at one level; null where a limit is unbounded.
export function widths(record, level) {
    const l = record.levels.indexOf(level);
    if (l < 0) return null;
    return record.lower[l].map((low, i) => {
        const high = record.upper[l][i];
        return low === null || high === null ? null : high - low;
    });
}

// Places whose truth fell outside their interval; null where no truth is known.
export function misses(record, level) {
    const l = record.levels.indexOf(level);
    if (l < 0 || !record.truth) return null;
    return record.truth.map(
        (truth, i) =>
            truth !== null &&
            ((record.lower[l][i] ?? -Infinity) > truth || (record.upper[l][i] ?? Infinity) < truth),
    );
}

// Fetches the outline when it is not there yet; whether it is new.
export async function loadCoast() {
    if (coast) return false;
    const response = await fetch('web/coastline.json');
    const packed = await response.json();
    coast = packed.lines.map(line => {
        const points = [[line[0], line[1]]];
        for (let i = 2; i < line.length; i += 2)
            points.push([points.at(-1)[0] + line[i], points.at(-1)[1] + line[i + 1]]);
        return points.map(p => p.map(v => v * packed.degrees));
    });
    return true;
}

// Least and most of the values that are not null.
export const endsOf = values =>
    values.reduce(
        ([least, most], v) =>
            v === null ? [least, most] : [Math.min(least, v), Math.max(most, v)],
        [Infinity, -Infinity],
    );

// ---- from degrees to pixels ---------------------------------------------------------------------

// Edges half a step beyond the outermost places.
function reach(coordinates) {
    const [least, most] = endsOf(coordinates);
    const step = coordinates.length > 1 ? (most - least) / (coordinates.length - 1) : 2;
    return [least - step / 2, most + step / 2];
}

// Places that are not a grid get room around them; what goes round the earth is cut open once.
function extentOf(places) {
    let [west, east] = reach(places.longitude),
        [south, north] = reach(places.latitude);
    if (places.kind !== 'grid') {
        const aside = 0.08 * Math.max(east - west, 2),
            above = Math.max(0.08 * (north - south), 0.125 * (east - west), 2);
        if (east - west + 2 * aside < 360) [west, east] = [west - aside, east + aside];
        [south, north] = [south - above, north + above];
    }
    return {
        west,
        east: Math.min(east, west + 360),
        south: Math.max(-90, south),
        north: Math.min(90, north),
    };
}

// Equirectangular, true to scale in the middle; within the given width and height.
function project(extent, width, height, margin) {
    const shrink = Math.cos((((extent.south + extent.north) / 2) * Math.PI) / 180);
    const dx = (extent.east - extent.west) * shrink,
        dy = extent.north - extent.south;
    const room = [width - margin.left - margin.right, height - margin.top - margin.bottom];
    const scale = Math.min(room[0] / dx, room[1] / dy);
    const left = margin.left + (room[0] - scale * dx) / 2,
        top = margin.top;
    return {
        left,
        top,
        width: scale * dx,
        height: scale * dy,
        x: longitude => left + (longitude - extent.west) * shrink * scale,
        y: latitude => top + (extent.north - latitude) * scale,
        longitude: x => extent.west + (x - left) / (shrink * scale),
        latitude: y => extent.north - (y - top) / scale,
    };
}

// ---- drawing ------------------------------------------------------------------------------------

export const css = ([r, g, b]) => `rgb(${r},${g},${b})`;

const SHADES = 256;

// Colours are made once for all places: there may be a million of them.
function shadesOf(field) {
    const shades = Array.from({length: SHADES}, (_, i) =>
        format.scaleColour(i / (SHADES - 1), field.dark),
    );
    const [least, most] = field.range;
    return value =>
        shades[
            Math.min(
                SHADES - 1,
                Math.max(0, Math.round(((value - least) / (most - least)) * (SHADES - 1))),
            )
        ];
}

// Each pixel takes the colour of the nearest place: grids need not be regular, nor small.
function paintGrid(context, field, on, ratio) {
    const w = Math.round(on.width * ratio),
        h = Math.round(on.height * ratio);
    if (w < 1 || h < 1) return;
    const {latitude, longitude} = field.places,
        image = context.createImageData(w, h);
    const columns = Array.from({length: w}, (_, x) =>
        format.nearest(longitude, on.longitude(on.left + (x + 0.5) / ratio)),
    );
    const shade = shadesOf(field);
    for (let y = 0; y < h; y++) {
        const row =
            format.nearest(latitude, on.latitude(on.top + (y + 0.5) / ratio)) * longitude.length;
        for (let x = 0; x < w; x++) {
            const value = field.values[row + columns[x]],
                at = 4 * (y * w + x);
            if (value === null) continue;
            [image.data[at], image.data[at + 1], image.data[at + 2]] = shade(value);
            image.data[at + 3] = 255;
        }
    }
    context.putImageData(image, Math.round(on.left * ratio), Math.round(on.top * ratio));
}

function paintPoints(context, field, at, size) {
    const shade = shadesOf(field);
    field.values.forEach((v, i) => {
        if (v === null) return;
        context.beginPath();
        context.arc(at.x(field.places.longitude[i]), at.y(field.places.latitude[i]), size, 0, 7);
        context.fillStyle = css(shade(v));
        context.fill();
        context.strokeStyle = colour('dim');
        context.lineWidth = 0.75;
        context.stroke();
    });
}

// A light line on a dark one is seen on every colour of the scale.
function paintCoast(context, extent, at) {
    if (!coast) return;
    context.save();
    context.beginPath();
    context.rect(at.left, at.top, at.width, at.height);
    context.clip();
    context.beginPath();
    for (const shift of [-360, 0, 360]) {
        for (const line of coast) {
            if (
                !line.some(
                    ([x, y]) =>
                        x + shift >= extent.west - 2 &&
                        x + shift <= extent.east + 2 &&
                        y >= extent.south - 2 &&
                        y <= extent.north + 2,
                )
            )
                continue;
            line.forEach(([x, y], i) =>
                i
                    ? context.lineTo(at.x(x + shift), at.y(y))
                    : context.moveTo(at.x(x + shift), at.y(y)),
            );
        }
    }
    context.lineJoin = 'round';
    context.strokeStyle = colour('coast-halo');
    context.lineWidth = 3.2;
    context.stroke();
    context.strokeStyle = colour('coast');
    context.lineWidth = 1.3;
    context.stroke();
    context.restore();
}

function paintAxes(context, extent, at) {
    context.font = font(13);
    context.fillStyle = colour('dim');
    context.strokeStyle = colour('line');
    context.lineWidth = 1;
    context.strokeRect(at.left, at.top, at.width, at.height);
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const v of format.ticks(extent.south, extent.north, Math.max(2, at.height / 70)))
        context.fillText(format.latitude(v).replace('.0', ''), at.left - 6, at.y(v));
    context.textAlign = 'center';
    context.textBaseline = 'top';
    for (const v of format.ticks(extent.west, extent.east, Math.max(2, at.width / 100)))
        context.fillText(format.longitude(v).replace('.0', ''), at.x(v), at.top + at.height + 6);
}

export const placeOf = (places, i) =>
    places.kind === 'grid'
        ? [
              places.latitude[Math.floor(i / places.longitude.length)],
              places.longitude[i % places.longitude.length],
          ]
        : [places.latitude[i], places.longitude[i]];

function paintMisses(context, field, at) {
    const marks = field.missed?.filter(Boolean).length ?? 0;
    if (!marks || field.values.length > 5000) return;
    context.beginPath();
    field.missed.forEach((missed, i) => {
        if (!missed) return;
        const [latitude, longitude] = placeOf(field.places, i),
            x = at.x(longitude),
            y = at.y(latitude);
        context.moveTo(x - 4, y - 4);
        context.lineTo(x + 4, y + 4);
        context.moveTo(x - 4, y + 4);
        context.lineTo(x + 4, y - 4);
    });
    context.strokeStyle = colour('panel');
    context.lineWidth = 4.5;
    context.stroke();
    context.strokeStyle = colour('bad');
    context.lineWidth = 2;
    context.stroke();
}

function paintRing(context, field, at, i, strong) {
    if (i === null || i === undefined || i >= field.values.length) return;
    const [latitude, longitude] = placeOf(field.places, i),
        x = at.x(longitude),
        y = at.y(latitude);
    for (const [stroke, width] of [
        [colour('panel'), 5],
        [strong ? colour('text') : colour('accent'), 2.5],
    ]) {
        context.beginPath();
        context.arc(x, y, 9, 0, 7);
        context.strokeStyle = stroke;
        context.lineWidth = width;
        context.stroke();
    }
}

function prepare(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1,
        context = canvas.getContext('2d');
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return [context, ratio];
}

// Draws the field; gives the projection. A thumbnail has neither axes nor marks.
export function paint(canvas, field, width, most, thumbnail) {
    const extent = extentOf(field.places),
        margin = thumbnail ? {left: 0, right: 0, top: 0, bottom: 0} : MARGIN;
    const at = project(extent, width, most, margin);
    const height = Math.ceil(at.height + margin.top + margin.bottom);
    const [context, ratio] = prepare(canvas, width, height);
    if (field.places.kind === 'grid') paintGrid(context, field, at, ratio);
    else paintPoints(context, field, at, thumbnail ? 2.5 : 8);
    if (thumbnail) return at;
    paintCoast(context, extent, at);
    paintAxes(context, extent, at);
    paintMisses(context, field, at);
    return at;
}

export function markPlaces(canvas, still, field, at, chosen, under) {
    const [context] = prepare(
        canvas,
        parseFloat(still.style.width),
        parseFloat(still.style.height),
    );
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(still, 0, 0);
    context.restore();
    paintRing(context, field, at, chosen, false);
    paintRing(context, field, at, under, true);
}
