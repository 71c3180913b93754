// The calibration behind the intervals: its spectrum, what was kept, and why.
import {byId, colour, element, font, replace, table, tableAside} from './dom.js';
import * as format from './format.js';

let chart = null;
let watcher = null;

const axis = label => ({
    label,
    stroke: colour('dim'),
    font: font(13),
    labelFont: font(13),
    grid: {stroke: colour('grid'), width: 1},
    ticks: {stroke: colour('grid'), width: 1},
});

// Shades the kept components behind the points.
function shadeKept(u, rank) {
    const {left, top, width, height} = u.bbox,
        end = u.valToPos(rank + 0.5, 'x', true);
    u.ctx.fillStyle = colour('kept');
    u.ctx.fillRect(left, top, Math.max(0, Math.min(end, left + width) - left), height);
}

function options(spectrum, box) {
    return {
        width: box.clientWidth,
        height: box.clientHeight,
        legend: {show: false},
        cursor: {show: false},
        scales: {x: {time: false, range: (_, low, high) => [0, high + 1]}, y: {distr: 3}},
        series: [
            {},
            {
                stroke: colour('accent'),
                width: 1.5,
                points: {show: true, size: 5, fill: colour('accent')},
            },
        ],
        axes: [
            {...axis('component'), size: 36, labelSize: 20},
            {
                ...axis('eigenvalue'),
                size: 62,
                labelSize: 20,
                values: (_, list) => list.map(v => (v === null ? '' : format.power(v))),
            },
        ],
        hooks: {drawClear: [u => shadeKept(u, spectrum.rank)]},
    };
}

const fact = (name, value, note) =>
    element(
        'div',
        {},
        element('dt', {}, name),
        element('dd', {}, value, note ? element('span', {class: 'dim'}, ` ${note}`) : null),
    );

function facts(view, lead) {
    const d = lead.diagnostics;
    return element(
        'dl',
        {class: 'facts'},
        fact(
            'Method',
            lead.method.toUpperCase(),
            lead.rule_method === lead.method
                ? ''
                : `the rule says ${lead.rule_method.toUpperCase()}`,
        ),
        fact('Kept rank', String(lead.rank), `of ${lead.numerical_rank}`),
        fact(
            'Collapse ratio R',
            format.number(d.collapse_ratio, 3),
            d.collapse_ratio >= 0.9 ? '▲ collapsed' : 'below 0.9',
        ),
        fact('Effective rank', format.number(d.effective_rank, 1)),
        fact('Fitted on', String(lead.n), `samples, worth ${format.number(lead.n_effective, 0)}`),
    );
}

function versions(view) {
    const entry = view.calibrations?.calibrations?.find(c => c.name === view.calibration);
    if (!entry?.versions) return null;
    const labelsOf = v =>
        Object.entries(entry.labels ?? {})
            .filter(([, l]) => l?.version === v.version)
            .map(([name]) => name);
    const list = [...entry.versions].sort((a, b) => b.version - a.version).slice(0, 4);
    return element(
        'div',
        {class: 'versions'},
        element('h3', {}, 'Versions'),
        element(
            'ul',
            {},
            list.map(v =>
                element(
                    'li',
                    {},
                    element(
                        'strong',
                        {class: v.version === view.version ? 'current' : null},
                        `v${v.version}`,
                    ),
                    labelsOf(v).map(name => element('span', {class: `label ${name}`}, name)),
                    v.version === entry.latest ? element('span', {class: 'label'}, 'latest') : null,
                    element(
                        'span',
                        {class: 'dim'},
                        v.error
                            ? ` cannot be served: ${v.error}`
                            : ` ${v.created ? format.time(v.created) : ''}`,
                    ),
                    v.sha256 ? element('code', {title: v.sha256}, v.sha256.slice(0, 8)) : null,
                ),
            ),
        ),
    );
}

function sweepTable(spectrum) {
    return table(
        'Candidates of the cross-validation',
        [
            {head: 'Method', header: true, text: r => r.method.toUpperCase()},
            {head: 'Rank', number: true, text: r => String(r.rank)},
            {head: 'R', number: true, text: r => format.number(r.collapse_ratio, 3)},
            {head: 'Coverage at 90 %', number: true, text: r => format.percent(r.coverage)},
            {head: 'Width / mean error', number: true, text: r => format.number(r.width, 3)},
            {head: 'CRPS / mean error', number: true, text: r => format.number(r.crps, 4)},
        ],
        spectrum.sweep,
    );
}

function spectrumFigure(view) {
    const spectrum = view.spectrum;
    if (!spectrum?.eigenvalues?.length) return null;
    const shown = spectrum.eigenvalues.length;
    return element(
        'figure',
        {},
        element('div', {
            class: 'chart small',
            role: 'img',
            id: 'spectrum-chart',
            'aria-label':
                `${shown} eigenvalues from ${format.power(spectrum.eigenvalues[0])} to ` +
                `${format.power(spectrum.eigenvalues.at(-1))}, the first ${spectrum.rank} are kept`,
        }),
        element(
            'figcaption',
            {class: 'note'},
            `Eigenvalues of the features’ kernel at ${format.hours(spectrum.lead_time_hours)}; ` +
                `the shaded ${spectrum.rank} are kept.` +
                (spectrum.cut
                    ? ` The first ${shown} of ${spectrum.eigenvalue_count} are shown.`
                    : ''),
        ),
    );
}

function drawChart(view) {
    const box = byId('spectrum-chart');
    if (!box) return;
    const values = view.spectrum.eigenvalues.map(v => (v > 0 ? v : null));
    chart = new window.uPlot(
        options(view.spectrum, box),
        [values.map((_, i) => i + 1), values],
        box,
    );
    watcher = new ResizeObserver(() =>
        chart?.setSize({width: box.clientWidth, height: box.clientHeight}),
    );
    watcher.observe(box);
}

export function drawCalibration(view) {
    const body = byId('calibration-body'),
        description = view.description;
    chart?.destroy();
    chart = null;
    watcher?.disconnect();
    if (!description) {
        replace(
            body,
            element(
                'p',
                {class: 'empty'},
                'The spectrum of the features and what was chosen are drawn here.',
            ),
        );
        return;
    }
    const lead =
        description.leads.find(l => Math.abs(l.lead_time_hours - view.lead) < 1e-3) ??
        description.leads[0];
    replace(
        body,
        element(
            'p',
            {class: 'subject'},
            element('strong', {}, `${view.calibration} v${view.version}`),
            ` at ${format.hours(lead.lead_time_hours)}, for ${description.forecast_model} ` +
                `with ${description.feature_count} features`,
        ),
        facts(view, lead),
        element(
            'div',
            {class: 'beside'},
            spectrumFigure(view),
            element(
                'div',
                {},
                element(
                    'p',
                    {class: 'why'},
                    element('strong', {}, 'Why this method: '),
                    `${lead.method_reason}.`,
                ),
                element(
                    'p',
                    {class: 'why'},
                    element('strong', {}, 'Why this rank: '),
                    `${lead.rank_reason}.`,
                ),
                versions(view),
            ),
        ),
        view.spectrum?.sweep?.length
            ? tableAside('sweep', 'Candidates as a table', () => sweepTable(view.spectrum))
            : null,
    );
    drawChart(view);
}
