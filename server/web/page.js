// The page: what is chosen, asking the daemon again and again, and drawing what changed.
import {byId, say, setOptions} from './dom.js';
import {drawFan} from './fan.js';
import {forget, get, learn, offers, readWith, Refused, Unreachable} from './fetch.js';
import * as format from './format.js';
import {drawJobs, follow, isOpen, prepareUpload} from './jobs.js';
import {drawMap, placeName, wantsAllLeads} from './map.js';
import {drawAlarms, drawSeries, drawTiles} from './now.js';
import {drawCalibration} from './spectrum.js';

const CALM_MS = 5000,
    BUSY_MS = 1000,
    REFUSED_MS = 15000, // a daemon that refuses is asked less often
    HISTORY_DAYS = 30;

const view = {groups: [], choose}; // what the last poll found, and what is chosen of it
const chosen = readAddress(); // what was asked for; may not be there

// ---- choosing -----------------------------------------------------------------------------------

// A wall display keeps its choice in the address: #calibration=aifs/3&variable=t2m&lead=24
function readAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1)),
        real = name => (wanted.has(name) ? Number(wanted.get(name)) : undefined);
    return {
        calibration: wanted.get('calibration') ?? undefined,
        variable: wanted.get('variable') ?? undefined,
        level: real('level'),
        lead: real('lead'),
        place: real('place'),
        window: wanted.get('window') ?? '30d',
        colours: wanted.get('colours') ?? undefined,
        reference: wanted.get('reference') ?? undefined,
    };
}

function writeAddress() {
    const entries = Object.entries(chosen).filter(([, value]) => value !== undefined);
    history.replaceState(null, '', `#${new URLSearchParams(entries)}`);
}

function choose(change) {
    const {group, ...rest} = change;
    if (group)
        Object.assign(chosen, {
            calibration: `${group.calibration}/${group.version}`,
            variable: group.variable,
        });
    Object.assign(chosen, rest);
    writeAddress();
    poll();
}

// One group a calibration's version and variable: those whose newest record is as new as any of that
// variable by the calibration; superseded versions are not shown.
function groupsOf(widths, calibrations) {
    const groups = new Map(),
        newest = new Map();
    for (const row of widths?.rows ?? []) {
        const key = `${row.calibration}/${row.version}/${row.variable}`,
            any = `${row.calibration}/${row.variable}`,
            time = row.forecast_reference_time;
        const group = groups.get(key) ?? {
            key,
            calibration: row.calibration,
            version: row.version,
            variable: row.variable,
            unit: row.units,
            points: row.points,
            newest: time,
            rows: [],
        };
        groups.set(key, group);
        group.rows.push(row);
        if (time > group.newest) group.newest = time;
        if (!(newest.get(any) >= time)) newest.set(any, time);
    }
    const list = [...groups.values()].filter(
        group => group.newest === newest.get(`${group.calibration}/${group.variable}`),
    );
    for (const group of list) {
        const labels =
            calibrations?.calibrations?.find(c => c.name === group.calibration)?.labels ?? {};
        group.leads = [...new Set(group.rows.map(row => row.lead_time_hours))].sort(
            (a, b) => a - b,
        );
        group.levels = [...new Set(group.rows.map(row => row.level))].sort((a, b) => a - b);
        group.labels = Object.entries(labels)
            .filter(([, label]) => label?.version === group.version)
            .map(([name]) => name);
    }
    return list.sort((a, b) => (a.key < b.key ? -1 : 1));
}

// Calibrations with records first; those without can be looked at too.
function calibrationOptions() {
    const recorded = [
        ...new Map(view.groups.map(g => [`${g.calibration}/${g.version}`, g])).entries(),
    ].map(([value, g]) => [
        value,
        `${g.calibration} v${g.version}${g.labels.length ? ` (${g.labels.join(', ')})` : ''}`,
    ]);
    const seen = new Set(view.groups.map(g => g.calibration));
    const others = (view.calibrations?.calibrations ?? [])
        .filter(c => c.latest && !seen.has(c.name))
        .map(c => [`${c.name}/${c.latest}`, `${c.name} v${c.latest}, no records`]);
    return [...recorded, ...others];
}

const among = (options, wanted, otherwise) =>
    options.includes(wanted) ? wanted : options.includes(otherwise) ? otherwise : options[0];

// What is shown of what there is.
function settle() {
    const options = calibrationOptions(),
        value = among(
            options.map(([v]) => v),
            chosen.calibration,
        );
    [view.calibration, view.version] = value
        ? [value.slice(0, value.lastIndexOf('/')), Number(value.slice(value.lastIndexOf('/') + 1))]
        : [null, null];
    const groups = view.groups.filter(
        g => g.calibration === view.calibration && g.version === view.version,
    );
    view.group = groups.find(g => g.variable === chosen.variable) ?? groups[0] ?? null;
    const levels = view.group?.levels ?? [];
    view.level = among(levels, chosen.level, 0.9);
    const leads = view.group?.leads ?? view.description?.leads.map(l => l.lead_time_hours) ?? [];
    view.lead = among(leads, chosen.lead, 24);
    view.unit = format.units(view.group?.unit);
    view.window = chosen.window;
    view.sharedColours = chosen.colours === 'shared';
    view.place = Math.min(
        chosen.place ?? Math.floor((view.group?.points ?? 1) / 2),
        (view.group?.points ?? 1) - 1,
    );
    view.row = view.group?.rows.find(
        r => r.lead_time_hours === view.lead && r.level === view.level,
    );
    setOptions(byId('choose-calibration'), options, value);
    setOptions(
        byId('choose-variable'),
        groups.map(g => [g.variable, `${g.variable}${g.unit ? ` (${format.units(g.unit)})` : ''}`]),
        view.group?.variable,
    );
    setOptions(
        byId('choose-level'),
        levels.map(l => [String(l), format.level(l)]),
        String(view.level),
    );
    setOptions(
        byId('choose-lead'),
        leads.map(l => [String(l), format.hours(l)]),
        String(view.lead),
    );
    byId('choose-window').value = chosen.window;
}

// The forecast that is shown unless another is chosen: the newest that has the chosen lead time.
const newestOfLead = () => view.row?.forecast_reference_time ?? view.group?.newest;

function settleForecast() {
    const times = [
        ...new Set(
            (view.history?.rows ?? [])
                .filter(
                    row =>
                        row.calibration === view.calibration &&
                        row.version === view.version &&
                        row.variable === view.group?.variable,
                )
                .map(row => row.forecast_reference_time),
        ),
    ]
        .sort()
        .reverse();
    const newest = newestOfLead();
    for (const time of [newest, view.group?.newest])
        if (time && !times.includes(time)) times.unshift(time);
    times.sort().reverse();
    view.reference = times.includes(chosen.reference) ? chosen.reference : newest;
    setOptions(
        byId('choose-reference'),
        times.slice(0, 200).map(t => [t, format.time(t)]),
        view.reference,
    );
    byId('choose-place').max = String((view.group?.points ?? 1) - 1);
    byId('choose-place-label').hidden = (view.group?.points ?? 1) < 2;
    if (document.activeElement !== byId('choose-place'))
        byId('choose-place').value = String(view.place);
}

// ---- asking -------------------------------------------------------------------------------------

async function askFixed() {
    [view.alarms, view.calibrations, view.jobs, view.widths, view.coverage, view.adaptation] =
        await Promise.all([
            get('v1/alarms'),
            get('v1/calibrations'),
            get('v1/jobs'),
            get('v1/widths'),
            get('v1/coverage', {window: chosen.window, place_group: 'all'}),
            get('v1/adaptation'),
        ]);
}

// Where the histories of a group begin: each series goes back from its own newest record.
const historyStart = group =>
    format.daysBefore(
        group.rows.map(row => row.forecast_reference_time).reduce((a, b) => (a < b ? a : b)),
        HISTORY_DAYS,
    );

// One question where all groups are as new as each other; otherwise one for each.
async function askHistory() {
    const level = view.level,
        starts = new Set(view.groups.map(historyStart));
    if (starts.size === 1) return get('v1/widths', {level, since: [...starts][0]});
    const parts = await Promise.all(
        view.groups.map(group =>
            get('v1/widths', {
                calibration: group.calibration,
                version: group.version,
                variable: group.variable,
                level,
                since: historyStart(group),
            }),
        ),
    );
    return joined(parts);
}

// The rows of all parts; the same object as before while every part is the same.
let lastParts = [],
    lastJoined = null;
function joined(parts) {
    if (parts.length !== lastParts.length || parts.some((part, i) => part !== lastParts[i])) {
        lastParts = parts;
        lastJoined = {rows: parts.flatMap(part => part?.rows ?? [])};
    }
    return lastJoined;
}

// The description and the spectrum of a version never change: they are asked for once.
const once = new Map();
async function getOnce(path, parameters, pattern) {
    const key = `${path}?${new URLSearchParams(parameters)}`;
    if (!once.has(key)) once.set(key, await get(path, parameters, pattern));
    if (once.size > 30) once.delete(once.keys().next().value);
    return once.get(key);
}

const describeVersion = async () =>
    view.calibration
        ? getOnce(
              `v1/calibrations/${encodeURIComponent(view.calibration)}/versions/${view.version}`,
              {},
              '/v1/calibrations/{name}/versions/{version}',
          )
        : null;

const describeSpectrum = async () =>
    view.calibration && view.lead !== undefined
        ? getOnce(
              `v1/calibrations/${encodeURIComponent(view.calibration)}` +
                  `/versions/${view.version}/spectrum`,
              {lead_time_hours: view.lead},
              '/v1/calibrations/{name}/versions/{version}/spectrum',
          )
        : null;

async function askIssued() {
    if (!view.group) return [null, null];
    const field = {
        calibration: view.calibration,
        version: view.version,
        variable: view.group.variable,
        forecast_reference_time: view.reference,
    };
    const lead = wantsAllLeads(view.group.points) ? undefined : view.lead;
    return Promise.all([
        get('v1/issued', {...field, place: view.place}),
        view.group.points > 1 ? get('v1/issued', {...field, lead_time_hours: lead}) : null,
    ]);
}

async function askChosen() {
    view.history = view.group ? await askHistory() : null;
    settleForecast();
    [view.spectrum, [view.fan, view.map]] = await Promise.all([describeSpectrum(), askIssued()]);
}

// ---- drawing ------------------------------------------------------------------------------------

const drawn = new Map();

// Draws again when one of the things it shows is another object or value than last time.
function drawIfChanged(name, draw, ...shown) {
    const before = drawn.get(name);
    if (before && before.length === shown.length && shown.every((value, i) => value === before[i]))
        return;
    drawn.set(name, shown);
    draw();
}

function findCoverage() {
    return (
        view.group &&
        view.coverage?.rows?.find(
            row =>
                row.calibration === view.calibration &&
                row.version === view.version &&
                row.variable === view.group.variable &&
                row.lead_time_hours === view.lead &&
                row.level === view.level,
        )
    );
}

function draw() {
    const {groups, group, level, lead, place, reference, dark, calibrations} = view;
    view.coverageRow = findCoverage();
    drawIfChanged('alarms', () => drawAlarms(view.alarms), view.alarms);
    drawIfChanged(
        'tiles',
        () => drawTiles(view),
        view.alarms,
        view.widths,
        view.coverage,
        calibrations,
        group?.key,
        level,
        lead,
        chosen.window,
        Math.floor(Date.now() / 60000),
    );
    drawIfChanged(
        'series',
        () => drawSeries(view),
        view.widths,
        view.coverage,
        view.adaptation,
        view.history,
        calibrations,
        level,
        lead,
        group?.key,
        groups.length,
    );
    drawIfChanged('fan', () => drawFan(view), view.fan, level, reference, dark, group?.key);
    drawIfChanged(
        'map',
        () => drawMap(view),
        view.map,
        level,
        lead,
        place,
        dark,
        view.sharedColours,
        group?.key,
    );
    drawIfChanged(
        'calibration',
        () => drawCalibration(view),
        view.description,
        view.spectrum,
        calibrations,
        lead,
        dark,
    );
    drawIfChanged('jobs', () => drawJobs(view.jobs), view.jobs);
    say(byId('place-name'), group && group.points > 1 ? placeName(view.map?.places, place) : '');
}

// ---- whether the daemon answers -----------------------------------------------------------------

let lastSeen = null,
    outageSince = null;

function showReached() {
    lastSeen = new Date();
    outageSince = null;
    document.body.classList.remove('stale');
    byId('outage').hidden = true;
    byId('access').hidden = true;
    say(byId('outage'), '');
    byId('connection').dataset.state = 'live';
    byId('connection-text').textContent = `Updated ${format.clock(lastSeen)}`;
}

// Nothing on the page is known to hold now, and why.
function showTrouble(state, short, words) {
    document.body.classList.add('stale');
    byId('outage').hidden = false;
    say(
        byId('outage'),
        `✕ ${words} ` +
            (lastSeen
                ? `What is shown is of ${format.clock(lastSeen)} and may be out of date.`
                : 'Nothing could be fetched yet.'),
    );
    byId('connection').dataset.state = state;
    say(byId('connection-text'), short);
    forget();
}

function showOutage() {
    outageSince ??= new Date();
    byId('access').hidden = true;
    showTrouble(
        'lost',
        'No connection',
        `The daemon cannot be reached since ${format.clock(outageSince)}.`,
    );
}

const REFUSALS = {
    401: ['Needs a token', 'The daemon wants a token to be read'],
    403: ['Not allowed', 'The daemon does not allow this to be read'],
    429: ['Asked too often', 'The daemon was asked too often and answers later'],
    503: ['Busy', 'The daemon does not answer reads now'],
};

// What a refusal hides is not known: it is told, and what was drawn before is left standing.
function showRefusal({status, message}) {
    const [short, words] = REFUSALS[status] ?? [
        'Refused',
        `The daemon answered with status ${status}`,
    ];
    outageSince = null;
    byId('access').hidden = status !== 401 && status !== 403;
    showTrouble('refused', short, `${words}: ${message.replace(/\.$/, '')}.`);
}

// ---- again and again ----------------------------------------------------------------------------

let timer = 0,
    running = false,
    again = false;

async function askAndDraw() {
    const described = await learn();
    say(byId('version'), described.version ? `ntkuqd ${described.version}` : '');
    await askFixed();
    view.groups = groupsOf(view.widths, view.calibrations);
    settle();
    view.description = await describeVersion();
    settle();
    await askChosen();
    showReached();
    draw();
    follow(view.jobs, takeEvent);
}

// What a job said between two polls.
function takeEvent(job) {
    view.jobs = {
        ...view.jobs,
        jobs: view.jobs.jobs.map(other => (other.jobID === job.jobID ? job : other)),
    };
    draw();
    if (!isOpen(job)) poll();
}

// One poll at a time; what was chosen meanwhile is asked for right after.
async function poll() {
    if (running) {
        again = true;
        return;
    }
    let pause = CALM_MS;
    running = true;
    clearTimeout(timer);
    try {
        do {
            again = false;
            await askAndDraw();
        } while (again);
    } catch (problem) {
        if (problem instanceof Refused) {
            showRefusal(problem);
            pause = REFUSED_MS;
        } else {
            if (!(problem instanceof Unreachable)) console.error(problem);
            showOutage();
        }
    }
    running = false;
    schedule(view.jobs?.jobs?.some(isOpen) && offers('/v1/jobs') ? BUSY_MS : pause);
}

function schedule(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(() => (document.hidden ? schedule(CALM_MS) : poll()), milliseconds);
}

// ---- light and dark -----------------------------------------------------------------------------

const THEMES = ['auto', 'light', 'dark'],
    prefersDark = matchMedia('(prefers-color-scheme: dark)');

function applyTheme(theme) {
    document.documentElement.dataset.theme = theme;
    view.dark = theme === 'dark' || (theme === 'auto' && prefersDark.matches);
    byId('theme').textContent = `Theme: ${theme}`;
}

function storedTheme() {
    try {
        return THEMES.includes(localStorage.theme) ? localStorage.theme : 'auto';
    } catch {
        return 'auto'; // storage is switched off
    }
}

function nextTheme() {
    const theme =
        THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    try {
        localStorage.theme = theme;
    } catch {
        /* it lasts until the page is closed */
    }
    applyTheme(theme);
    draw();
}

// ---- begin --------------------------------------------------------------------------------------

function listen() {
    const on = (id, change) =>
        byId(id).addEventListener('change', event => choose(change(event.target.value)));
    on('choose-calibration', value => ({calibration: value, reference: undefined}));
    on('choose-variable', value => ({variable: value, place: undefined, reference: undefined}));
    on('choose-lead', value => ({lead: Number(value)}));
    on('choose-level', value => ({level: Number(value)}));
    on('choose-window', value => ({window: value}));
    on('choose-reference', value => ({
        reference: value === newestOfLead() ? undefined : value,
    }));
    on('choose-place', value => ({place: Math.max(0, Math.floor(Number(value) || 0))}));
    for (const form of ['choose', 'fan-choose'])
        byId(form).addEventListener('submit', event => event.preventDefault());
    byId('access').addEventListener('submit', event => {
        event.preventDefault();
        readWith(byId('access-token').value.trim());
        byId('access-token').value = '';
        poll();
    });
    byId('theme').addEventListener('click', nextTheme);
    prefersDark.addEventListener('change', () => {
        applyTheme(storedTheme());
        draw();
    });
    document.addEventListener('visibilitychange', () => document.hidden || poll());
    prepareUpload(poll);
}

applyTheme(storedTheme());
listen();
poll();
