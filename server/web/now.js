// What holds now: alarms, the four figures on top, and the table of series.
import {byId, drawing, element, replace, say} from './dom.js';
import * as format from './format.js';

// ---- alarms -------------------------------------------------------------------------------------

function alarmSubject(alarm) {
    const parts = [`${alarm.calibration} v${alarm.version}`];
    if (alarm.variable) parts.push(alarm.variable);
    if (Number.isFinite(alarm.lead_time_hours)) parts.push(format.hours(alarm.lead_time_hours));
    if (alarm.level) parts.push(format.level(alarm.level));
    return parts.join(' · ');
}

const KINDS = {coverage: 'Coverage', spectrum: 'Features'};

const alarmLine = alarm =>
    element(
        'li',
        {},
        element('strong', {}, `${KINDS[alarm.kind] ?? alarm.kind}: ${alarmSubject(alarm)}`),
        element('span', {}, ` ${alarm.message ?? ''} `),
        alarm.since ? element('span', {class: 'dim'}, `since ${format.time(alarm.since)}`) : null,
    );

const WINDOWS = {
    '7d': 'the last 7 days',
    '30d': 'the last 30 days',
    '90d': 'the last 90 days',
    all: 'all records',
};

export function alarmState(alarms, groups, window) {
    if (!alarms)
        return {
            kind: 'unknown',
            sign: '?',
            text: 'Not watched',
            note: 'this daemon raises no alarms',
        };
    if (alarms.rows.length)
        return {
            kind: 'bad',
            sign: '⚠',
            text: format.count(alarms.rows.length, 'alarm'),
            note: 'see the top of the page',
        };
    if (!groups.length)
        return {kind: 'unknown', sign: '○', text: 'Nothing yet', note: 'no intervals are recorded'};
    const leads = groups.reduce((n, group) => n + group.leads.length, 0);
    return {
        kind: 'good',
        sign: '✓',
        text: 'No alarms',
        note:
            `${format.count(leads, 'series is', 'series are')} watched: no drift found by the ` +
            `sequential tests; rows below compare ${WINDOWS[window] ?? WINDOWS['30d']}`,
    };
}

export function drawAlarms(alarms) {
    const rows = alarms?.rows ?? [];
    byId('alarms').classList.toggle('on', rows.length > 0);
    say(
        byId('alarms-summary'),
        rows.length ? `⚠ ${rows.length === 1 ? 'One alarm' : `${rows.length} alarms`}` : '',
    );
    replace(byId('alarms-list'), rows.map(alarmLine));
    document.title = rows.length
        ? `(${rows.length}) ntkuqd: forecast intervals`
        : 'ntkuqd: forecast intervals';
}

// ---- at a glance --------------------------------------------------------------------------------

const tile = (title, kind, value, note) =>
    element(
        'div',
        {class: `tile ${kind}`},
        element('h3', {}, title),
        element('p', {class: 'value'}, value),
        element('p', {class: 'note'}, note),
    );

function widthTile(row, unit) {
    if (!row) return tile('Width now', 'unknown', format.NONE, 'no interval is recorded');
    const decimals = format.decimalsFor([row.width, row.typical_width]);
    const stands = format.standing(row.percentile);
    const ratio =
        row.typical_width > 0
            ? `${format.number(row.width / row.typical_width)} × its usual width, `
            : '';
    return tile(
        `Width at ${format.hours(row.lead_time_hours)}`,
        stands.kind,
        [format.number(row.width, decimals), element('small', {}, ` ${unit}`)],
        Number.isFinite(row.percentile)
            ? `${stands.sign} ${stands.word}: ${ratio}wider than ` +
                  `${format.number(row.percentile, 0)} % of its history` +
                  (row.novelty >= 97.5
                      ? `; ⚠ features more unusual than ${format.percent(row.novelty / 100)} of those ` +
                        'calibrated on'
                      : '')
            : 'the first of its series',
    );
}

function coverageTile(row, level) {
    const judged = format.verdict(row);
    if (!row || judged.kind === 'unknown')
        return tile('Coverage', 'unknown', format.NONE, 'no truth is known yet');
    return tile(
        `Coverage at ${format.hours(row.lead_time_hours)}`,
        judged.kind,
        [format.number(100 * row.coverage, 1), element('small', {}, ' %')],
        `${judged.sign} `.trimStart() +
            `${judged.kind === 'kept' ? 'as promised,' : `${judged.word}, promised is`} ` +
            `${format.level(level)}; between ${format.number(100 * row.coverage_lower, 1)} ` +
            `and ${format.percent(row.coverage_upper)}, ${format.count(row.records, 'forecast')}`,
    );
}

// The lead times whose newest record is of that reference time.
const leadsOf = (group, time) =>
    group.leads.filter(lead =>
        group.rows.some(r => r.lead_time_hours === lead && r.forecast_reference_time === time),
    );

function newestTile(group) {
    if (!group) return tile('Newest forecast', 'unknown', format.NONE, 'none is recorded');
    const old = Date.now() - new Date(group.newest).getTime(),
        leads = leadsOf(group, group.newest);
    return tile(
        'Newest forecast',
        old < 0 ? 'wide' : 'plain',
        format.time(group.newest).replace(' UTC', ''),
        (old < 0
            ? `UTC, ⚠ ${format.age(-old)} in the future; `
            : `UTC, ${format.age(old)} ago; `) +
            `${format.count(leads.length, 'lead time')} to ${format.hours(leads.at(-1))}`,
    );
}

export function drawTiles(view) {
    const state = alarmState(view.alarms, view.groups, view.window);
    replace(
        byId('tiles'),
        tile('State', state.kind, `${state.sign} ${state.text}`, state.note),
        newestTile(view.group),
        widthTile(view.row, view.unit),
        coverageTile(view.coverageRow, view.level),
    );
}

// ---- series -------------------------------------------------------------------------------------

// The width as a bar from 0 to twice the usual one, with a line at the usual.
function ratioBar(ratio, kind) {
    const width = 56,
        at = (Math.min(2, ratio) / 2) * width;
    return drawing(
        'svg',
        {
            class: `ratio ${kind}`,
            viewBox: `0 0 ${width} 18`,
            width,
            height: 18,
            'aria-hidden': true,
        },
        drawing('rect', {class: 'rail', x: 0, y: 5, width, height: 8, rx: 2}),
        drawing('rect', {class: 'bar', x: 0, y: 5, width: at, height: 8, rx: 2}),
        drawing('line', {class: 'usual', x1: width / 2, x2: width / 2, y1: 1, y2: 17}),
    );
}

// Coverage as a dot with its bounds, against what was promised.
function coverageDot(row, level, kind) {
    const width = 100,
        low = Math.max(0, Math.min(level - 0.1, 1 - 2.5 * (1 - level))),
        high = 1;
    const x = share => 4 + (width - 8) * Math.min(1, Math.max(0, (share - low) / (high - low)));
    return drawing(
        'svg',
        {
            class: `coverage ${kind}`,
            viewBox: `0 0 ${width} 18`,
            width,
            height: 18,
            'aria-hidden': true,
        },
        drawing('line', {class: 'rail', x1: 0, x2: width, y1: 9, y2: 9}),
        drawing('line', {class: 'nominal', x1: x(level), x2: x(level), y1: 0, y2: 18}),
        drawing('line', {
            class: 'bounds',
            x1: x(row.coverage_lower),
            x2: x(row.coverage_upper),
            y1: 9,
            y2: 9,
        }),
        drawing('circle', {class: 'dot', cx: x(row.coverage), cy: 9, r: 4.5}),
    );
}

// The history of a width; the dashed line is the usual one.
function sparkline(rows, typical, words) {
    const width = 100,
        height = 26,
        values = rows.map(row => row.width).filter(Number.isFinite);
    if (values.length < 2) return element('span', {class: 'dim'}, 'too short');
    const all = Number.isFinite(typical) ? [...values, typical] : values;
    const least = Math.min(...all),
        span = Math.max(...all) - least || 1;
    const x = i => 2 + (i * (width - 7)) / (values.length - 1),
        y = v => height - 3 - ((v - least) / span) * (height - 6);
    return drawing(
        'svg',
        {
            class: 'spark',
            viewBox: `0 0 ${width} ${height}`,
            width,
            height,
            role: 'img',
            'aria-label': words,
        },
        Number.isFinite(typical)
            ? drawing('line', {class: 'usual', x1: 0, x2: width, y1: y(typical), y2: y(typical)})
            : null,
        drawing('polyline', {
            points: values.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(' '),
        }),
        drawing('circle', {cx: x(values.length - 1), cy: y(values.at(-1)), r: 3}),
    );
}

const SPARK_DAYS = 30; // back from the newest of the series, as coverage is

const HEADS = [
    'Lead',
    'Width now',
    'Against usual',
    'Wider than',
    `Last ${SPARK_DAYS} days`,
    'Coverage and its promise',
    '',
    'Level in use',
];

function headLine(unit) {
    return element(
        'tr',
        {},
        HEADS.map((head, i) =>
            element(
                'th',
                {scope: 'col', class: [1, 3, 7].includes(i) ? 'number' : null},
                i === 1 && unit
                    ? [head, element('span', {class: 'dim'}, ` (${unit})`)]
                    : head || element('span', {class: 'unseen'}, 'Verdict'),
            ),
        ),
    );
}

function adaptationText(row) {
    if (!row) return format.NONE;
    return row.enabled ? format.percent(row.level_in_use) : 'off';
}

function seriesLine(view, group, lead, decimals) {
    const find = rows =>
        rows?.find(
            row =>
                row.calibration === group.calibration &&
                row.version === group.version &&
                row.variable === group.variable &&
                row.lead_time_hours === lead &&
                row.level === view.level,
        );
    const row = group.rows.find(r => r.lead_time_hours === lead && r.level === view.level);
    const coverage = find(view.coverage?.rows),
        adaptation = find(view.adaptation?.rows);
    const stands = format.standing(row?.percentile),
        judged = format.verdict(coverage);
    const ratio =
        row && row.typical_width > 0 && row.width !== null ? row.width / row.typical_width : NaN;
    const since = row ? format.daysBefore(row.forecast_reference_time, SPARK_DAYS) : '';
    const history = (view.history?.rows ?? []).filter(
        r =>
            r.calibration === group.calibration &&
            r.version === group.version &&
            r.variable === group.variable &&
            r.lead_time_hours === lead &&
            r.forecast_reference_time >= since,
    );
    const words =
        `width since ${format.time(history[0]?.forecast_reference_time)}, ` +
        format.count(history.length, 'forecast');
    const chosen = group === view.group && lead === view.lead;
    const cell = (label, attributes, ...content) =>
        element('td', {'data-label': label, ...attributes}, ...content);
    return element(
        'tr',
        {class: chosen ? 'chosen' : null},
        element(
            'th',
            {scope: 'row'},
            element(
                'button',
                {
                    type: 'button',
                    class: 'lead',
                    'aria-pressed': String(chosen),
                    'aria-label': `Show ${group.variable} at ${format.hours(lead)}`,
                    'data-key': `series ${group.key} ${lead}`,
                    onclick: () => view.choose({group, lead}),
                },
                format.hours(lead),
            ),
            row && row.forecast_reference_time !== group.newest
                ? element(
                      'span',
                      {class: 'dim other-time'},
                      `of ${format.time(row.forecast_reference_time).replace(' UTC', '')}`,
                  )
                : null,
        ),
        cell('Width now', {class: 'number big'}, format.number(row?.width, decimals)),
        cell(
            'Against usual',
            {class: 'pair'},
            Number.isFinite(ratio) ? ratioBar(ratio, stands.kind) : null,
            element(
                'span',
                {class: 'figure'},
                Number.isFinite(ratio) ? `${format.number(ratio)} ×` : format.NONE,
            ),
        ),
        cell(
            'Wider than',
            {class: `number ${stands.kind}`},
            Number.isFinite(row?.percentile)
                ? [
                      `${format.number(row.percentile, 0)} %`,
                      element('span', {class: 'sign', title: stands.word}, stands.sign),
                  ]
                : [format.NONE, element('span', {class: 'sign'})],
        ),
        cell(`Last ${SPARK_DAYS} days`, {}, sparkline(history, row?.typical_width, words)),
        cell(
            'Coverage',
            {class: 'pair'},
            judged.kind === 'unknown' ? null : coverageDot(coverage, view.level, judged.kind),
            element(
                'span',
                {
                    class: 'figure',
                    title:
                        judged.kind === 'unknown'
                            ? null
                            : `between ${format.percent(coverage.coverage_lower)} and ` +
                              `${format.percent(coverage.coverage_upper)}, ` +
                              format.count(coverage.records, 'forecast'),
                },
                format.percent(coverage?.coverage),
            ),
        ),
        cell('Verdict', {class: `judged ${judged.kind}`}, `${judged.sign} ${judged.word}`.trim()),
        cell('Level in use', {class: 'number'}, adaptationText(adaptation)),
    );
}

function groupTable(view, group) {
    const unit = format.units(group.unit);
    const rows = group.rows.filter(row => row.level === view.level);
    const decimals = format.decimalsFor(rows.map(row => row.width));
    const labels = group.labels.length ? ` (${group.labels.join(', ')})` : '';
    return element(
        'table',
        {class: `series${group === view.group ? ' chosen' : ''}`},
        element(
            'caption',
            {},
            element('strong', {}, group.variable),
            ` by ${group.calibration} v${group.version}${labels}, ${format.level(view.level)} interval, ` +
                (rows.every(row => row.forecast_reference_time === group.newest)
                    ? 'forecast of '
                    : 'each lead time’s newest forecast, where not said otherwise of ') +
                format.time(group.newest),
        ),
        element('thead', {}, headLine(unit)),
        element(
            'tbody',
            {},
            group.leads.map(lead => seriesLine(view, group, lead, decimals)),
        ),
    );
}

const howToRecord = () => [
    element(
        'p',
        {},
        'No intervals are recorded yet. Add ',
        element('code', {}, '"record": true'),
        ' to a query, and send what verified:',
    ),
    element(
        'pre',
        {tabindex: 0, 'aria-label': 'How to record'},
        'POST /v1/intervals  {"calibration": …, "record": true,\n' +
            '                     "forecast_reference_time": …, "forecast": …}\n' +
            'POST /v1/truths     {"truths": [{"calibration": …, "values": […]}]}',
    ),
];

export function drawSeries(view) {
    const body = byId('series-body');
    if (!view.calibrations?.calibrations?.length) {
        replace(
            body,
            element(
                'p',
                {class: 'empty'},
                'There is no calibration yet: upload an archive of past forecasts and what verified, ' +
                    'under “Jobs”.',
            ),
        );
    } else if (!view.groups.length) {
        replace(body, element('div', {class: 'empty'}, howToRecord()));
    } else {
        replace(
            body,
            element(
                'div',
                {
                    class: 'scroll',
                    'data-scroll': 'series',
                    tabindex: 0,
                    role: 'region',
                    'aria-label': 'Series',
                },
                [...view.groups]
                    .sort((a, b) => (b === view.group) - (a === view.group))
                    .map(group => groupTable(view, group)),
            ),
        );
    }
}
