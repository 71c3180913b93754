// The newest forecast over its lead times, with intervals nested in each other.
import {byId, colour, element, font, replace, tableAside, table} from './dom.js';
import * as format from './format.js';

let chart = null;
let watcher = null;

// Columns for uPlot: lead times, then lower and upper of each level from wide to narrow, forecast,
// truth.
export function fanData(records) {
    const sorted = [...records].sort((a, b) => a.lead_time_hours - b.lead_time_hours);
    const levels = [...new Set(sorted.flatMap(record => record.levels))].sort((a, b) => b - a);
    const pick = (record, side, level) => record[side]?.[record.levels.indexOf(level)]?.[0] ?? null;
    return {
        sorted,
        levels,
        columns: [
            sorted.map(record => record.lead_time_hours),
            ...levels.flatMap(level => [
                sorted.map(r => pick(r, 'lower', level)),
                sorted.map(r => pick(r, 'upper', level)),
            ]),
            sorted.map(record => record.forecast?.[0] ?? null),
            sorted.map(record => record.truth?.[0] ?? null),
        ],
    };
}

function describe(fan, i, unit, decimals) {
    const record = fan.sorted[i],
        forecast = fan.columns.at(-2)[i],
        truth = fan.columns.at(-1)[i];
    const parts = [
        `${format.hours(record.lead_time_hours)}, ${format.time(
            record.valid_time ??
                format.addHours(record.forecast_reference_time, record.lead_time_hours),
        )}:`,
        `forecast ${format.withUnits(format.number(forecast, decimals), unit)};`,
    ];
    fan.levels.forEach((level, l) =>
        parts.push(
            `${format.level(level)} ${format.number(fan.columns[1 + 2 * l][i], decimals)} to ` +
                `${format.withUnits(format.number(fan.columns[2 + 2 * l][i], decimals), unit)};`,
        ),
    );
    parts.push(
        truth === null
            ? 'truth not known'
            : `truth ${format.withUnits(format.number(truth, decimals), unit)}`,
    );
    return parts.join(' ');
}

function seriesOf(fan, chosen) {
    const edge = level => ({
        stroke: level === chosen ? colour('accent') : 'transparent',
        width: 1.5,
        points: {show: false},
    });
    return [
        {},
        ...fan.levels.flatMap(level => [edge(level), edge(level)]),
        {stroke: colour('text'), width: 2.5, points: {show: true, size: 6, fill: colour('panel')}},
        {
            stroke: colour('truth'),
            width: 0,
            paths: () => null,
            points: {
                show: true,
                size: 11,
                width: 2,
                fill: colour('truth'),
                stroke: colour('panel'),
            },
        },
    ];
}

// The drawing surface blends: each level lies on the wider one, so the middle is the darkest.
const bandsOf = fan =>
    fan.levels.map((level, l) => ({
        series: [2 + 2 * l, 1 + 2 * l],
        fill: colour(`fan-${Math.min(l + 1, 3)}`),
    }));

const BAR_PX = 24; // half the width of the widest level's bar

// A band needs two lead times: one alone has a bar for each level, narrower the lower the level.
function drawBars(u, fan, chosen) {
    const {ctx} = u,
        scale = window.devicePixelRatio,
        x = u.valToPos(fan.columns[0][0], 'x', true);
    ctx.save();
    fan.levels.forEach((level, l) => {
        const [low, high] = [fan.columns[1 + 2 * l][0], fan.columns[2 + 2 * l][0]];
        if (low === null || high === null) return;
        const half = BAR_PX * scale * (1 - l / (2 * fan.levels.length)),
            top = u.valToPos(high, 'y', true),
            box = [x - half, top, 2 * half, u.valToPos(low, 'y', true) - top];
        ctx.fillStyle = colour(`fan-${Math.min(l + 1, 3)}`);
        ctx.fillRect(...box);
        if (level !== chosen) return;
        ctx.strokeStyle = colour('accent');
        ctx.lineWidth = 1.5 * scale;
        ctx.strokeRect(...box);
    });
    ctx.restore();
}

const axis = label => ({
    label,
    stroke: colour('dim'),
    font: font(14),
    labelFont: font(14),
    grid: {stroke: colour('grid'), width: 1},
    ticks: {stroke: colour('grid'), width: 1},
});

function options(fan, view, box, unit, read) {
    const label = unit ? `${view.group.variable} (${unit})` : view.group.variable;
    return {
        width: box.clientWidth,
        height: box.clientHeight,
        legend: {show: false},
        scales: {
            x: {
                time: false,
                range: (_, low, high) =>
                    high > low
                        ? [low - 0.02 * (high - low), high + 0.02 * (high - low)]
                        : [low - 1, high + 1],
            },
        },
        cursor: {y: false, points: {show: false}, drag: {x: false, y: false}},
        series: seriesOf(fan, view.level),
        bands: bandsOf(fan),
        axes: [
            {
                ...axis('lead time (h)'),
                size: 34,
                labelSize: 22,
                splits: () => thinned(fan.columns[0], box.clientWidth / 48),
                values: (_, list) => list.map(v => +v.toFixed(1)),
            },
            {
                ...axis(label),
                size: 62,
                labelSize: 24,
                values: (_, list) => list.map(v => format.number(v, format.stepDecimals(list))),
            },
        ],
        hooks: {
            setCursor: [u => read(u.cursor.idx)],
            drawAxes: [u => fan.sorted.length === 1 && drawBars(u, fan, view.level)],
        },
    };
}

// Lead times with room for their labels: the last one, and those far enough from the next.
function thinned(leads, room) {
    const span = leads.at(-1) - leads[0],
        kept = [];
    for (let i = leads.length - 1; i >= 0; i--)
        if (!kept.length || kept[0] - leads[i] >= span / room) kept.unshift(leads[i]);
    return kept;
}

function valuesTable(fan, unit, decimals) {
    const columns = [
        {head: 'Lead', header: true, text: i => format.hours(fan.columns[0][i])},
        {head: 'Forecast', number: true, text: i => format.number(fan.columns.at(-2)[i], decimals)},
        ...fan.levels.flatMap((level, l) =>
            [
                ['lower', 1],
                ['upper', 2],
            ].map(([side, offset]) => ({
                head: `${format.level(level)} ${side}`,
                number: true,
                text: i => format.number(fan.columns[offset + 2 * l][i], decimals),
            })),
        ),
        {head: 'Truth', number: true, text: i => format.number(fan.columns.at(-1)[i], decimals)},
    ];
    return table(
        `Forecast and limits${unit ? ` in ${unit}` : ''}`,
        columns,
        fan.sorted.map((_, i) => i),
    );
}

function keys(fan) {
    return element(
        'p',
        {class: 'keys', 'aria-hidden': true},
        fan.levels.map((level, l) =>
            element(
                'span',
                {},
                element('i', {class: `key fan-${Math.min(l + 1, 3)}`}),
                format.level(level),
            ),
        ),
        element('span', {}, element('i', {class: 'key forecast'}), 'forecast'),
        element('span', {}, element('i', {class: 'key truth'}), 'truth'),
    );
}

function moveByKeys(event, fan) {
    const step = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity}[event.key];
    if (!step || !chart) return;
    event.preventDefault();
    const last = fan.sorted.length - 1,
        at = Math.min(last, Math.max(0, (chart.cursor.idx ?? (step > 0 ? -1 : last + 1)) + step));
    chart.setCursor({left: chart.valToPos(fan.columns[0][at], 'x'), top: 0});
}

export function drawFan(view) {
    const body = byId('fan-body');
    chart?.destroy();
    chart = null;
    watcher?.disconnect();
    byId('fan-choose').hidden = !view.fan?.records?.length;
    if (!view.fan?.records?.length) {
        replace(
            body,
            element(
                'p',
                {class: 'empty'},
                view.group
                    ? 'This forecast has no records.'
                    : 'The newest recorded forecast is drawn here, with its intervals.',
            ),
        );
        return;
    }
    const fan = fanData(view.fan.records),
        unit = format.units(view.fan.records[0].units);
    const numbers = fan.columns
        .slice(1)
        .flat()
        .filter(v => v !== null);
    const widths = fan.columns[2].map((upper, i) =>
        upper === null ? null : upper - fan.columns[1][i],
    );
    const decimals = format.decimalsFor(widths.length ? widths : numbers);
    const last = fan.sorted.length - 1;
    const unbounded = fan.columns
        .slice(1, 1 + 2 * fan.levels.length)
        .flat()
        .filter(v => v === null).length;
    const box = element('div', {
        class: 'chart',
        tabindex: 0,
        role: 'img',
        'data-key': 'fan chart',
        'aria-label':
            `${view.group.variable} over ${format.count(fan.sorted.length, 'lead time')}. Last: ` +
            `${describe(fan, last, unit, decimals)}. ` +
            'Left and right arrow keys read each lead time.',
    });
    const reading = element('p', {class: 'reading', 'aria-live': 'polite'});
    const read = i => {
        reading.textContent =
            i === null || i === undefined
                ? 'Point at a lead time, or use the arrow keys, to read its values.'
                : describe(fan, i, unit, decimals);
    };
    read(null);
    box.addEventListener('keydown', event => moveByKeys(event, fan));
    replace(
        body,
        keys(fan),
        box,
        reading,
        unbounded
            ? element(
                  'p',
                  {class: 'note'},
                  `${format.count(unbounded, 'limit has', 'limits have')} no finite value and ` +
                      `${unbounded === 1 ? 'is' : 'are'} not drawn: ` +
                      'too few past errors for that level.',
              )
            : null,
        tableAside('fan values', 'Values as a table', () => valuesTable(fan, unit, decimals)),
    );
    chart = new window.uPlot(options(fan, view, box, unit, read), fan.columns, box);
    watcher = new ResizeObserver(() =>
        chart?.setSize({width: box.clientWidth, height: box.clientHeight}),
    );
    watcher.observe(box);
}
