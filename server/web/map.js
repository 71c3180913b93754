// The width of the interval at each place, for one lead time, with coastlines.
import {byId, colour, drawing, element, font, replace, table, tableAside} from './dom.js';
import * as format from './format.js';

const MARGIN = {left: 52, bottom: 24, top: 6, right: 10};
const TABLE_MOST = 400,
    WIDEST = 50,
    FEW = 20000;

let coast = null; // [{box, points}], once asked for
let watcher = null;
let under = null; // the place that is read

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

// A few thousand places are asked for at all lead times, so that maps share their colours.
export const wantsAllLeads = points => points > 1 && points <= FEW;

async function loadCoast() {
    if (coast) return;
    const response = await fetch('web/coastline.json');
    const packed = await response.json();
    coast = packed.lines.map(line => {
        const points = [[line[0], line[1]]];
        for (let i = 2; i < line.length; i += 2)
            points.push([points.at(-1)[0] + line[i], points.at(-1)[1] + line[i + 1]]);
        return points.map(p => p.map(v => v * packed.degrees));
    });
}

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

const css = ([r, g, b]) => `rgb(${r},${g},${b})`;

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

const placeOf = (places, i) =>
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
function paint(canvas, field, width, most, thumbnail) {
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

function markPlaces(canvas, still, field, at, chosen) {
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

// ---- what is around the map ---------------------------------------------------------------------

function legend(range, unit, dark, label) {
    const width = 420,
        steps = 42,
        marks = format.ticks(...range, 5),
        x = v => 14 + ((width - 28) * (v - range[0])) / (range[1] - range[0]);
    const decimals = format.stepDecimals(marks);
    return drawing(
        'svg',
        {
            class: 'legend',
            viewBox: `0 0 ${width} 52`,
            role: 'img',
            'aria-label': `Colours from ${format.number(range[0], decimals)} to ${format.number(range[1], decimals)} ${unit}`,
        },
        Array.from({length: steps}, (_, i) =>
            drawing('rect', {
                x: 14 + (i * (width - 28)) / steps,
                y: 18,
                width: (width - 28) / steps + 0.6,
                height: 12,
                fill: css(format.scaleColour((i + 0.5) / steps, dark)),
            }),
        ),
        drawing('rect', {class: 'frame', x: 14, y: 18, width: width - 28, height: 12}),
        marks
            .map(v => [
                drawing('line', {class: 'frame', x1: x(v), x2: x(v), y1: 30, y2: 34}),
                drawing(
                    'text',
                    {x: x(v), y: 48, 'text-anchor': 'middle'},
                    format.number(v, decimals),
                ),
            ])
            .flat(),
        drawing('text', {x: 14, y: 12}, `${label}${unit ? ` (${unit})` : ''}`),
    );
}

function describePlace(field, i, unit, decimals) {
    const record = field.record,
        l = record.levels.indexOf(field.level),
        [latitude, longitude] = placeOf(field.places, i);
    const say = v => format.number(v ?? NaN, decimals);
    const width =
        field.values[i] === null
            ? 'unbounded'
            : `${format.withUnits(say(field.values[i]), unit)} wide`;
    const truth = record.truth
        ? `; truth ${say(record.truth[i])}${field.missed?.[i] ? ' ✕ outside' : ', inside'}`
        : '';
    return (
        `${format.latitude(latitude)} ${format.longitude(longitude)}: ${width}; forecast ${say(record.forecast?.[i])}, ` +
        `${say(record.lower[l][i])} to ${format.withUnits(say(record.upper[l][i]), unit)}${truth}`
    );
}

function valuesTable(field, unit, decimals) {
    const {places, values} = field,
        caption = `Width of the ${format.level(field.level)} interval${unit ? ` in ${unit}` : ''} at ${format.hours(field.record.lead_time_hours)}`;
    if (places.kind === 'grid' && values.length <= TABLE_MOST) {
        const rows = places.latitude.map((_, r) => r),
            across = places.longitude.length;
        return table(
            `${caption}; ✕: the truth fell outside`,
            [
                {head: 'Latitude', header: true, text: r => format.latitude(places.latitude[r])},
                ...places.longitude.map((longitude, c) => ({
                    head: format.longitude(longitude),
                    number: true,
                    text: r =>
                        `${format.number(values[r * across + c] ?? NaN, decimals)}${field.missed?.[r * across + c] ? ' ✕' : ''}`,
                })),
            ],
            rows,
        );
    }
    const widest = values
        .map((v, i) => i)
        .sort((a, b) => (values[b] ?? Infinity) - (values[a] ?? Infinity))
        .slice(0, WIDEST);
    return table(
        `${caption}: the ${widest.length} widest of ${values.length} places`,
        [
            {head: 'Latitude', header: true, text: i => format.latitude(placeOf(places, i)[0])},
            {head: 'Longitude', number: true, text: i => format.longitude(placeOf(places, i)[1])},
            {head: 'Width', number: true, text: i => format.number(values[i] ?? NaN, decimals)},
        ],
        widest,
    );
}

function missText(field) {
    if (!field.missed) return 'What verified is not known yet.';
    const n = field.missed.filter(Boolean).length;
    return (
        `✕ ${n} of ${field.missed.length} places verified outside (${format.percent(n / field.missed.length)}; ` +
        `${format.percent(1 - field.level)} is promised on average).`
    );
}

// ---- choosing -----------------------------------------------------------------------------------

function leadChooser(view, fields) {
    return element(
        'div',
        {class: 'leads', role: 'radiogroup', 'aria-label': 'Lead time of the map'},
        view.group.leads.map(lead => {
            const id = `map lead ${lead}`;
            return element(
                'label',
                {},
                element('input', {
                    type: 'radio',
                    name: 'map-lead',
                    value: String(lead),
                    'data-key': id,
                    checked: lead === view.lead,
                    onchange: () => view.choose({lead}),
                }),
                fields.has(lead)
                    ? element('canvas', {'data-lead': String(lead), 'aria-hidden': true})
                    : null,
                element('span', {}, format.hours(lead)),
            );
        }),
    );
}

const endsOf = values =>
    values.reduce(
        ([least, most], v) =>
            v === null ? [least, most] : [Math.min(least, v), Math.max(most, v)],
        [Infinity, -Infinity],
    );

const colourChooser = view =>
    element(
        'label',
        {class: 'check'},
        element('input', {
            type: 'checkbox',
            'data-key': 'map colours',
            checked: view.sharedColours,
            onchange: event => view.choose({colours: event.target.checked ? 'shared' : undefined}),
        }),
        ' The same colours for all lead times',
    );

function fieldsOf(view, dark) {
    const fields = new Map(),
        places = view.map.places;
    for (const record of view.map.records) {
        const values = widths(record, view.level);
        if (values)
            fields.set(record.lead_time_hours, {
                record,
                values,
                places,
                dark,
                level: view.level,
                missed: misses(record, view.level),
            });
    }
    const all = [...fields.values()].flatMap(field => field.values);
    for (const field of fields.values())
        field.range = format.roundRange(...endsOf(view.sharedColours ? all : field.values));
    return fields;
}

function nearestPlace(places, longitude, latitude) {
    if (places.kind === 'grid')
        return (
            format.nearest(places.latitude, latitude) * places.longitude.length +
            format.nearest(places.longitude, longitude)
        );
    let best = 0,
        least = Infinity;
    places.latitude.forEach((lat, i) => {
        const away = Math.hypot(
            lat - latitude,
            (places.longitude[i] - longitude) * Math.cos((latitude * Math.PI) / 180),
        );
        if (away < least) [best, least] = [i, away];
    });
    return best;
}

// The next place in the direction of an arrow key.
function step(places, i, key) {
    const across = places.kind === 'grid' ? places.longitude.length : places.latitude.length;
    const down = places.latitude[0] > places.latitude.at(-1) ? 1 : -1,
        last = places.kind === 'grid' ? across * places.latitude.length : across;
    if (places.kind !== 'grid')
        return {ArrowLeft: i - 1, ArrowUp: i - 1, ArrowRight: i + 1, ArrowDown: i + 1}[key] ?? i;
    const to = {
        ArrowLeft: i % across ? i - 1 : i,
        ArrowRight: (i + 1) % across ? i + 1 : i,
        ArrowDown: i + down * across,
        ArrowUp: i - down * across,
    }[key];
    return to >= 0 && to < last ? to : i;
}

function empty(view) {
    if (!view.group) return 'The field of interval widths is drawn here.';
    if (!view.map?.records?.length) return 'This forecast has no records.';
    if (view.group.points === 1)
        return `${view.group.variable} is one number for each forecast: there is no map of it.`;
    return `It is not known where the ${view.group.points} places of ${view.group.variable} are: its archive has no latitudes and longitudes.`;
}

function listen(canvas, read, field, at, view) {
    const find = event =>
        nearestPlace(field.places, at().longitude(event.offsetX), at().latitude(event.offsetY));
    canvas.addEventListener('pointermove', event => read(find(event), false));
    canvas.addEventListener('pointerleave', () => read(null, false));
    canvas.addEventListener('click', event => view.choose({place: find(event)}));
    canvas.addEventListener('keydown', event => {
        if (event.key === 'Enter' && under !== null) view.choose({place: under});
        if (!event.key.startsWith('Arrow')) return;
        event.preventDefault();
        const to = under === null ? view.place : step(field.places, under, event.key);
        read(Math.min(field.values.length - 1, Math.max(0, to)), true);
    });
}

function drawField(view, fields) {
    const field = fields.get(view.lead) ?? fields.values().next().value,
        unit = format.units(field.record.units);
    const decimals = format.decimalsFor(field.values),
        body = byId('map-body'),
        [least, most] = endsOf(field.values);
    const canvas = element('canvas', {
        class: 'map',
        tabindex: 0,
        role: 'application',
        'data-key': 'map canvas',
        'aria-label':
            `Map of the width of the ${format.level(field.level)} interval at ${format.hours(field.record.lead_time_hours)}, from ` +
            `${format.number(least, decimals)} to ${format.number(most, decimals)} ${unit}. ` +
            'Arrow keys move between places, Enter shows one in the chart.',
    });
    const reading = element('p', {class: 'reading', 'aria-live': 'polite'});
    const holder = element('div', {class: 'map-holder'}, canvas);
    let at = null;
    const still = document.createElement('canvas'); // the map without rings, which move
    const redraw = () => {
        at = paint(
            still,
            field,
            holder.clientWidth,
            Math.max(220, Math.min(560, 0.9 * holder.clientWidth)),
            false,
        );
        mark();
    };
    const mark = () => markPlaces(canvas, still, field, at, view.place);
    const read = (i, keyed) => {
        if (i === under && !keyed) return;
        under = i;
        reading.textContent = describePlace(field, i ?? view.place, unit, decimals);
        mark();
    };
    replace(
        body,
        leadChooser(view, fields),
        holder,
        legend(
            field.range,
            unit,
            field.dark,
            `Width of the ${format.level(field.level)} interval of ${view.group.variable}`,
        ),
        reading,
        element('p', {class: 'note'}, missText(field)),
        fields.size > 1 ? colourChooser(view) : null,
        tableAside('map values', 'Values as a table', () => valuesTable(field, unit, decimals)),
    );
    reading.textContent = describePlace(
        field,
        Math.min(under ?? view.place, field.values.length - 1),
        unit,
        decimals,
    );
    redraw();
    for (const small of body.querySelectorAll('canvas[data-lead]'))
        paint(small, fields.get(Number(small.dataset.lead)), 56, 48, true);
    listen(canvas, read, field, () => at, view);
    watcher = new ResizeObserver(redraw);
    watcher.observe(holder);
    if (!coast) loadCoast().then(redraw, () => {}); // without an outline the map is still a map
}

export function drawMap(view) {
    watcher?.disconnect();
    const fields =
        view.map?.records?.length && view.map.places && view.group.points > 1
            ? fieldsOf(view, view.dark)
            : new Map();
    if (fields.size) drawField(view, fields);
    else replace(byId('map-body'), element('p', {class: 'empty'}, empty(view)));
}

// The name of a place, "" when it has none.
export const placeName = (places, i) =>
    places &&
    i <
        (places.kind === 'grid'
            ? places.latitude.length * places.longitude.length
            : places.latitude.length)
        ? `${format.latitude(placeOf(places, i)[0])} ${format.longitude(placeOf(places, i)[1])}`
        : '';
