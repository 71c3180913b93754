// The width of the interval at each place, for one lead time: what is around the map, and reading it.
import {byId, drawing, element, replace, table, tableAside} from './dom.js';
import {css, endsOf, loadCoast, markPlaces, misses, paint, placeOf, widths} from './field.js';
import * as format from './format.js';

const TABLE_MOST = 400, // places in a table of rows and columns
    WIDEST = 50,
    FEW = 20000;

let watcher = null;
let under = null; // the place that is read

// A few thousand places are asked for at all lead times, so that maps share their colours.
export const wantsAllLeads = points => points > 1 && points <= FEW;

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
            'aria-label':
                `Colours from ${format.number(range[0], decimals)} ` +
                `to ${format.number(range[1], decimals)} ${unit}`,
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
        `${format.latitude(latitude)} ${format.longitude(longitude)}: ${width}; ` +
        `forecast ${say(record.forecast?.[i])}, ` +
        `${say(record.lower[l][i])} to ${format.withUnits(say(record.upper[l][i]), unit)}${truth}`
    );
}

function valuesTable(field, unit, decimals) {
    const {places, values} = field,
        caption =
            `Width of the ${format.level(field.level)} interval${unit ? ` in ${unit}` : ''} ` +
            `at ${format.hours(field.record.lead_time_hours)}`;
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
                        format.number(values[r * across + c] ?? NaN, decimals) +
                        (field.missed?.[r * across + c] ? ' ✕' : ''),
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
        `✕ ${n} of ${field.missed.length} places verified outside ` +
        `(${format.percent(n / field.missed.length)}; ` +
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
    if (view.group.points === 1)
        return `${view.group.variable} is one number for each forecast: there is no map of it.`;
    if (!view.map?.records?.length) return 'This forecast has no records.';
    return (
        `It is not known where the ${view.group.points} places of ${view.group.variable} are: ` +
        'its archive has no latitudes and longitudes.'
    );
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
            `Map of the width of the ${format.level(field.level)} interval ` +
            `at ${format.hours(field.record.lead_time_hours)}, from ` +
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
    const mark = () => markPlaces(canvas, still, field, at, view.place, under);
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
    loadCoast().then(
        isNew => isNew && redraw(),
        () => {},
    ); // without it a map is still a map
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
