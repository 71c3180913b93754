// Asking the daemon. What did not change keeps its object, so that `===` tells what to draw anew.

const known = new Map(); // address: {tag, text, data}
let paths = null; // of /openapi.json: what this daemon can be asked

let readToken = ''; // for reads; in memory only

export class Unreachable extends Error {}

// The daemon answered, but not with what was asked for: `status` and its own words in `message`.
export class Refused extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

// The token that all reads carry from now on; '' for none. Never stored.
export function readWith(token) {
    readToken = token;
}

async function ask(address, headers = {}) {
    const allowed = readToken ? {...headers, Authorization: `Bearer ${readToken}`} : headers;
    try {
        return await fetch(address, {
            headers: allowed,
            cache: 'no-store',
            signal: AbortSignal.timeout(15000),
        });
    } catch (problem) {
        throw new Unreachable(problem.message);
    }
}

async function textOf(response) {
    try {
        return await response.text();
    } catch (problem) {
        throw new Unreachable(problem.message);
    }
}

// A gateway's status says that nobody is behind it; any other comes from the daemon itself.
function problemOf(status, text) {
    if (status === 502 || status === 504) return new Unreachable(`status ${status}`);
    let words;
    try {
        words = JSON.parse(text).detail;
    } catch {
        /* the status says enough */
    }
    return new Refused(status, words || `status ${status}`);
}

// Forgets what the daemon can be asked: it may be another one after an outage.
export function forget() {
    paths = null;
}

export async function learn() {
    if (!paths) {
        const response = await ask('openapi.json');
        const text = await textOf(response);
        if (!response.ok) throw problemOf(response.status, text);
        const described = JSON.parse(text);
        paths = described.paths;
        paths.version = described.info?.version;
    }
    return paths;
}

// Whether there is such a path, as written in the interface: /v1/jobs/{id}/events.
export const offers = path => Boolean(paths?.[path]);

// The document at `path`, or null when the daemon has none: only 404 says so. `parameters` go into
// the query; those that are undefined are left out. Throws Unreachable and Refused.
export async function get(path, parameters = {}, pattern = `/${path}`) {
    if (!offers(pattern)) return null;
    const query = new URLSearchParams(
        Object.entries(parameters).filter(([, v]) => v !== undefined && v !== null),
    );
    const address = `${query}` ? `${path}?${query}` : path;
    const before = known.get(address);
    const response = await ask(address, before?.tag ? {'If-None-Match': before.tag} : {});
    if (response.status === 304) {
        refresh(address, before);
        return before.data;
    }
    const text = await textOf(response);
    if (response.status === 404) return null;
    if (!response.ok) throw problemOf(response.status, text);
    if (before && before.text === text) {
        refresh(address, {...before, tag: response.headers.get('ETag')});
        return before.data;
    }
    const now = {tag: response.headers.get('ETag'), text, data: JSON.parse(text)};
    refresh(address, now);
    return now.data;
}

const KEPT = 60;

// The least recently asked is forgotten first: maps are large.
function refresh(address, entry) {
    known.delete(address);
    known.set(address, entry);
    if (known.size > KEPT) known.delete(known.keys().next().value);
}

// Whether reads can be followed as events: an EventSource cannot carry a token.
export const canFollow = () => !readToken && Boolean(window.EventSource);

// A write: gives {ok, status, data}; `progress` is told the share sent.
export function send(method, path, type, body, token, progress) {
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open(method, path);
        request.setRequestHeader('Content-Type', type);
        if (token) request.setRequestHeader('Authorization', `Bearer ${token}`);
        request.upload.onprogress = event =>
            event.lengthComputable && progress?.(event.loaded / event.total);
        request.onerror = () => reject(new Unreachable('no reply'));
        request.onload = () => {
            let data = {};
            try {
                data = JSON.parse(request.responseText);
            } catch {
                /* the status says enough */
            }
            resolve({ok: request.status < 300, status: request.status, data});
        };
        request.send(body);
    });
}
