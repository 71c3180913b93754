// Asking the daemon. What did not change keeps its object, so that `===` tells what to draw anew.

const known = new Map(); // address: {tag, text, data}
let paths = null; // of /openapi.json: what this daemon can be asked

export class Unreachable extends Error {}

async function ask(address, headers = {}) {
    try {
        return await fetch(address, {
            headers,
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

// Forgets what the daemon can be asked: it may be another one after an outage.
export function forget() {
    paths = null;
}

export async function learn() {
    if (!paths) {
        const response = await ask('openapi.json');
        const text = await textOf(response);
        if (!response.ok) throw new Unreachable(`status ${response.status}`);
        const described = JSON.parse(text);
        paths = described.paths;
        paths.version = described.info?.version;
    }
    return paths;
}

// Whether there is such a path, as written in the interface: /v1/jobs/{id}/events.
export const offers = path => Boolean(paths?.[path]);

// The document at `path`, or null when the daemon has none. `parameters` go into the query; those
// that are undefined are left out. Throws Unreachable.
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
    if ([502, 503, 504].includes(response.status))
        throw new Unreachable(`status ${response.status}`);
    const text = await textOf(response);
    if (!response.ok) return null;
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
