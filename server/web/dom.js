// Building elements, and exchanging them without taking the keyboard's place away.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
        else node.setAttribute(name, value === true ? '' : value);
    }
    node.append(...children.flat().filter(child => child !== null && child !== undefined));
    return node;
}

// element('p', {class: 'note'}, 'text', otherElement); null children and attributes are left out.
export const element = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);

export const drawing = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

export const byId = id => document.getElementById(id);

// Exchanges what is in `container`. Focus stays on the element with the same data-key, details with
// the same data-key stay open, and what was scrolled stays where it was.
export function replace(container, ...children) {
    const focused = container.contains(document.activeElement)
        ? document.activeElement.dataset.key
        : undefined;
    const open = new Set(
        [...container.querySelectorAll('details[data-key][open]')].map(d => d.dataset.key),
    );
    const scrolled = new Map(
        [...container.querySelectorAll('[data-scroll]')].map(s => [
            s.dataset.scroll,
            [s.scrollLeft, s.scrollTop],
        ]),
    );
    container.replaceChildren(
        ...children.flat().filter(child => child !== null && child !== undefined),
    );
    for (const details of container.querySelectorAll('details[data-key]'))
        details.open ||= open.has(details.dataset.key);
    for (const box of container.querySelectorAll('[data-scroll]'))
        [box.scrollLeft, box.scrollTop] = scrolled.get(box.dataset.scroll) ?? [0, 0];
    if (focused)
        container
            .querySelector(`[data-key="${CSS.escape(focused)}"]`)
            ?.focus({preventScroll: true});
}

// Writes text only when it differs: a live region speaks at every write.
export function say(node, text) {
    if (node.textContent !== text) node.textContent = text;
}

// The options of a select, [[value, text], ...]; the chosen one stays while it is there.
export function setOptions(select, options, chosen) {
    const now = JSON.stringify(options),
        shown = options.length ? options : [['', '–']];
    if (select.dataset.options !== now) {
        select.replaceChildren(...shown.map(([value, text]) => element('option', {value}, text)));
        select.dataset.options = now;
    }
    select.value = options.length ? (chosen ?? '') : '';
    select.disabled = options.length === 0;
}

// A table that says what it is. Columns: [{head, text(row), header, number}].
export function table(caption, columns, rows, attributes = {}) {
    return element(
        'table',
        attributes,
        element('caption', {}, caption),
        element(
            'thead',
            {},
            element(
                'tr',
                {},
                columns.map(column =>
                    element(
                        'th',
                        {scope: 'col', class: column.number ? 'number' : null},
                        column.head,
                    ),
                ),
            ),
        ),
        element(
            'tbody',
            {},
            rows.map(row =>
                element(
                    'tr',
                    {},
                    columns.map(column =>
                        element(
                            column.header ? 'th' : 'td',
                            {
                                scope: column.header ? 'row' : null,
                                class: column.number ? 'number' : null,
                            },
                            column.text(row),
                        ),
                    ),
                ),
            ),
        ),
    );
}

// A table behind a line that opens it, in a box that scrolls; `build` makes it when it is opened.
export function tableAside(key, summary, build) {
    const box = element('div', {
        class: 'scroll',
        tabindex: 0,
        role: 'region',
        'aria-label': summary,
        'data-scroll': key,
    });
    const details = element(
        'details',
        {'data-key': key, class: 'aside'},
        element('summary', {'data-key': `${key} summary`}, summary),
        box,
    );
    details.addEventListener(
        'toggle',
        () => details.open && !box.firstChild && box.append(build()),
    );
    return details;
}

export const colour = name =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// The page's font for a canvas.
export const font = pixels => `${pixels}px ${getComputedStyle(document.body).fontFamily}`;
