// Jobs and their progress, and the form that starts one.
import {byId, element, replace, say} from './dom.js';
import {canFollow, offers, send} from './fetch.js';
import * as format from './format.js';

const SHOWN = 6;
const STATES = {
    accepted: ['…', 'waiting'],
    running: ['▶', 'running'],
    successful: ['✓', 'finished'],
    failed: ['✕', 'failed'],
    dismissed: ['–', 'dismissed'],
};

export const isOpen = job => job.status === 'accepted' || job.status === 'running';

function outcome(job) {
    if (job.status === 'failed') return job.error ?? job.message ?? '';
    if (job.processID === 'rescore' && job.files)
        return `${job.files_done} of ${job.files} archives: ${job.message ?? ''}`;
    if (job.status === 'successful' && job.result)
        return `${job.result.calibration} v${job.result.version} can be used`;
    return job.message ?? '';
}

// To what became of each archive.
function manifestLink(job) {
    const link = (job.links ?? []).find(item => item.rel === 'describedby');
    return link
        ? element(
              'p',
              {class: 'note'},
              element('a', {href: `v1/rescores/${encodeURIComponent(job.jobID)}`}, 'Manifest'),
          )
        : null;
}

function jobLine(job) {
    const [sign, word] = STATES[job.status] ?? ['?', job.status];
    const subject = job.calibration ?? job.result?.calibration ?? job.processID ?? 'job';
    return element(
        'li',
        {class: `job ${job.status}`},
        element(
            'p',
            {},
            element('strong', {}, `${job.processID ?? 'job'} ${subject}`),
            element('span', {class: 'state'}, `${sign} ${word}`),
            element(
                'span',
                {class: 'dim'},
                format.time(job.finished ?? job.started ?? job.created),
            ),
        ),
        isOpen(job)
            ? element('progress', {
                  max: 100,
                  value: job.progress ?? 0,
                  'aria-label': `Progress of ${subject}`,
              })
            : null,
        element(
            'p',
            {class: 'note'},
            isOpen(job) ? `${job.progress ?? 0} %  ${outcome(job)}` : outcome(job),
        ),
        manifestLink(job),
    );
}

export function drawJobs(jobs) {
    const list = jobs?.jobs ?? [];
    replace(
        byId('jobs-body'),
        list.length
            ? element('ul', {class: 'jobs'}, list.slice(0, SHOWN).map(jobLine))
            : element('p', {class: 'empty'}, 'No jobs yet.'),
        list.length > SHOWN
            ? element('p', {class: 'note'}, `and ${list.length - SHOWN} earlier ones`)
            : null,
    );
}

// ---- following one by events --------------------------------------------------------------------

const followed = new Map(); // id: EventSource

// Tells `changed(job)` of every event of the running job; polling does the rest.
export function follow(jobs, changed) {
    if (!offers('/v1/jobs/{id}/events') || !canFollow()) return;
    const running = (jobs?.jobs ?? []).filter(job => job.status === 'running').slice(0, 1);
    for (const job of running) {
        if (followed.has(job.jobID)) continue;
        const source = new EventSource(`v1/jobs/${encodeURIComponent(job.jobID)}/events`);
        const close = () => source.close();
        followed.set(job.jobID, source);
        source.onerror = close;
        source.addEventListener('status', event => {
            const now = JSON.parse(event.data);
            if (!isOpen(now)) close();
            changed(now);
        });
    }
}

// ---- starting one -------------------------------------------------------------------------------

const problemOf = reply => reply.data.detail ?? `the daemon answered with status ${reply.status}`;

async function uploadAndFit(form, file, token, tell, progress) {
    tell(`Uploading ${file.name} (${format.number(file.size / 1e6, 1)} MB) …`);
    const stored = await send('POST', 'v1/datasets', 'application/x-netcdf', file, token, progress);
    if (!stored.ok) return tell(`The archive was not taken: ${problemOf(stored)}.`);
    const wish = JSON.stringify({name: form.name, datasets: [stored.data.id], method: form.method});
    const job = await send('POST', 'v1/calibrations', 'application/json', wish, token);
    tell(
        job.ok
            ? `The fit of ${form.name} has begun.`
            : `The fit was not started: ${problemOf(job)}.`,
    );
}

// `started` is called when there may be a new job.
export function prepareUpload(started) {
    const form = byId('upload-form'),
        bar = byId('upload-progress'),
        button = form.querySelector('button');
    const tell = text => say(byId('upload-message'), text);
    form.addEventListener('submit', async event => {
        event.preventDefault();
        const [file] = byId('upload-file').files;
        if (!file) return;
        button.disabled = true;
        bar.hidden = false;
        try {
            await uploadAndFit(
                {name: byId('upload-name').value, method: byId('upload-method').value},
                file,
                byId('upload-token').value,
                tell,
                share => {
                    bar.value = 100 * share;
                },
            );
        } catch (problem) {
            tell(`The daemon gave no reply: ${problem.message}.`);
        }
        button.disabled = false;
        bar.hidden = true;
        started();
    });
}
