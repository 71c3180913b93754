// Numbers, times and judgements as text; colours. Pure functions: tests/web/test_format.mjs.

export const NONE = '–';

const isNumber = value => typeof value === 'number' && Number.isFinite(value);

// A number with so many decimals and a true minus sign.
export const number = (value, decimals = 2) =>
    isNumber(value)
        ? value
              .toFixed(decimals)
              .replace(/^-(?=.*[1-9])/, '−')
              .replace(/^-/, '')
        : NONE;

// Decimals that give the middle one of `values` three significant digits: one count for a column,
// so that its points are below each other.
export function decimalsFor(values) {
    const middle = median(
        values
            .filter(isNumber)
            .map(Math.abs)
            .filter(v => v > 0),
    );
    if (!isNumber(middle)) return 2;
    return Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(middle))));
}

export const percent = (share, decimals = 1) =>
    isNumber(share) ? `${number(100 * share, decimals)} %` : NONE;

// 0.9 is "90 %", 0.995 "99.5 %".
export const level = share => `${+(100 * share).toFixed(3)} %`;

// "m2 s-2" as m² s⁻².
export function units(text) {
    if (!text || text === '1') return '';
    return text.replace(/([A-Za-z])(-?\d+)/g, (_, unit, power) => unit + raise(power));
}

const RAISED = {
    '-': '⁻',
    0: '⁰',
    1: '¹',
    2: '²',
    3: '³',
    4: '⁴',
    5: '⁵',
    6: '⁶',
    7: '⁷',
    8: '⁸',
    9: '⁹',
};
const raise = power => [...String(power)].map(c => RAISED[c]).join('');

// 0.0002 as 2·10⁻⁴; what is not that small or large as it is.
export function power(value) {
    if (!isNumber(value)) return NONE;
    if (value === 0 || (Math.abs(value) >= 0.01 && Math.abs(value) < 10000))
        return String(+value.toPrecision(2));
    const [digits, exponent] = value.toExponential(1).split('e');
    return `${+digits === 1 ? '' : `${+digits}·`}10${raise(+exponent)}`;
}

export const withUnits = (text, unit) => (unit && text !== NONE ? `${text} ${unit}` : text);

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = n => String(n).padStart(2, '0');

// "3 Jan 2014 06:00 UTC"; without the year for what stands beside it.
export function time(text, year = true) {
    const at = new Date(text);
    if (!text || Number.isNaN(at.getTime())) return NONE;
    return (
        `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}${year ? ` ${at.getUTCFullYear()}` : ''} ` +
        `${two(at.getUTCHours())}:${two(at.getUTCMinutes())} UTC`
    );
}

export const clock = date =>
    `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} UTC`;

export const addHours = (text, hours) =>
    new Date(new Date(text).getTime() + 3600000 * hours).toISOString();

// So many days before, as the daemon writes times.
export const daysBefore = (text, days) => `${addHours(text, -24 * days).slice(0, 19)}Z`;

// "1 forecast", "2 forecasts"; what is its own plural stays.
export const count = (n, word, words = `${word}s`) => `${n} ${n === 1 ? word : words}`;

export function age(milliseconds) {
    const steps = [
        [60, 's'],
        [60, 'min'],
        [48, 'h'],
        [730, 'days'],
        [Infinity, 'years'],
    ];
    let value = milliseconds / 1000;
    const divide = [60, 60, 24, 365.25];
    for (const [i, [most, name]] of steps.entries()) {
        if (value < most) return `${Math.max(0, Math.floor(value))} ${name}`;
        value /= divide[i];
    }
}

export const hours = lead => `${+lead.toFixed(2)} h`;

export const latitude = value => `${number(Math.abs(value), 1)}° ${value < 0 ? 'S' : 'N'}`;

export function longitude(value) {
    const turned = ((((value + 180) % 360) + 360) % 360) - 180;
    return `${number(Math.abs(turned), 1)}° ${turned < 0 ? 'W' : 'E'}`;
}

export function median(values) {
    if (!values.length) return NaN;
    const sorted = [...values].sort((a, b) => a - b),
        half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// How a width stands in its own history.
export function standing(percentile) {
    if (!isNumber(percentile)) return {word: 'no history yet', sign: '', kind: 'unknown'};
    if (percentile >= 95) return {word: 'very wide', sign: '▲▲', kind: 'wide'};
    if (percentile >= 80) return {word: 'wide', sign: '▲', kind: 'wide'};
    if (percentile <= 5) return {word: 'very narrow', sign: '▼▼', kind: 'narrow'};
    if (percentile <= 20) return {word: 'narrow', sign: '▼', kind: 'narrow'};
    return {word: 'usual', sign: '', kind: 'usual'};
}

const FEWEST = 10, // verified forecasts that a judgement needs,
    LOOSEST = 0.2; // and bounds no further apart

const isLoose = row =>
    row.records < FEWEST || row.coverage_upper - row.coverage_lower > LOOSEST + 1e-9;

// Whether the bounds of a coverage leave out what was promised.
export function verdict(row) {
    if (!row || !isNumber(row.coverage)) return {word: 'no truths yet', sign: '', kind: 'unknown'};
    if (isLoose(row)) return {word: 'too few to say', sign: '', kind: 'few'};
    if (isNumber(row.coverage_upper) && row.coverage_upper < row.level)
        return {word: 'too low', sign: '▼', kind: 'below'};
    if (isNumber(row.coverage_lower) && row.coverage_lower > row.level)
        return {word: 'above', sign: '▲', kind: 'above'};
    return {word: 'kept', sign: '✓', kind: 'kept'};
}

// Round numbers that divide [least, most] into about n parts.
export function ticks(least, most, n = 5) {
    const span = most - least;
    if (!(span > 0)) return [least];
    const raw = span / n,
        power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].find(s => s * power >= raw * 0.999) * power;
    const list = [];
    for (let i = Math.ceil(least / step - 1e-9); i * step <= most + 1e-9 * span; i++)
        list.push(i * step);
    return list;
}

// Decimals that marks so far apart need: 2.5 needs one, 10 none.
export function stepDecimals(marks) {
    const step = marks.length > 1 ? Math.abs(marks[1] - marks[0]) : Math.abs(marks[0] || 1);
    for (let decimals = 0; decimals < 9; decimals++) {
        const scaled = step * 10 ** decimals;
        if (scaled > 0.5 && Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return decimals;
    }
    return 9;
}

// least and most widened to round numbers.
export function roundRange(least, most) {
    if (!isNumber(least) || !isNumber(most)) return [0, 1];
    if (!(most > least))
        return [
            least - Math.max(Math.abs(least) * 0.05, 1e-9),
            most + Math.max(Math.abs(most) * 0.05, 1e-9),
        ];
    const list = ticks(least, most, 6),
        step = list.length > 1 ? list[1] - list[0] : most - least;
    return [Math.floor(least / step + 1e-9) * step, Math.ceil(most / step - 1e-9) * step];
}

// OKLCH (Ottosson 2020) to sRGB bytes: equal steps of lightness look equal.
export function oklch(lightness, chroma, hue) {
    const a = chroma * Math.cos((hue * Math.PI) / 180),
        b = chroma * Math.sin((hue * Math.PI) / 180);
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    return [
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ].map(linear => {
        const c = Math.min(1, Math.max(0, linear));
        return Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
    });
}

// A colour for t in 0..1. What is wide stands out: dark on a light page, bright on a dark one.
export function scaleColour(t, dark) {
    const u = Math.min(1, Math.max(0, t));
    return dark
        ? oklch(0.27 + 0.65 * u, 0.085 + 0.075 * Math.sin(Math.PI * u), 285 - 190 * u)
        : oklch(0.96 - 0.64 * u, 0.05 + 0.1 * Math.sin(Math.PI * u), 100 + 190 * u);
}

// Which of the ascending or descending coordinates is nearest.
export function nearest(coordinates, value) {
    let best = 0;
    for (let i = 1; i < coordinates.length; i++)
        if (Math.abs(coordinates[i] - value) < Math.abs(coordinates[best] - value)) best = i;
    return best;
}
