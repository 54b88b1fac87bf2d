// One alarm as a row: what it is, what the operator is to do, and the buttons for it.
//
//   makeAlarm(key, hand) -> li, updateAlarm(li, row)     an open alarm; `hand(action, key)` gives the order
//   makeCalm(key, hand), updateCalm(li, row)             a rule of which nothing is told now, and why
//   waits(row)                                           it wants a person: not acknowledged, not put aside
//   urgency(a, b)                                        what waits first, then the louder, then the newer
//
// Rules for whoever changes this: a row is changed in place. What is not known is left out and not shown as a dash.
// The words for reasons are those of `edge-relay alarms`.

import { age, h, moment, number, set, toggle } from "./ui.js";

const LOUDNESS = { critical: 0, high: 1, medium: 2, low: 3, journal: 4 };
const BY_HAND = ["shelved", "out_of_service"]; // said with who, why and until when
const WORDS = {
  disabled: "not watched: `when` is false, or it is outside its hours",
  settling: "not watched yet: it settles",
  undecided: "not watched yet: something that decides was not read",
  by_design: "suppressed: `suppress_while` is true",
  maintenance: "in maintenance",
  trial: "on trial",
};
const ACTIONS = {
  acknowledge: ["Acknowledge", "primary"], reset: ["Reset", "primary"], shelve: ["Shelve…", ""],
  unshelve: ["Unshelve", ""], in_service: ["Back in service", ""],
};

export function waits(row) {
  return !row.acknowledged_by && !row.suppressed_by?.length && !putAside(row);
}

export function putAside(row) {
  return Boolean(row.shelved || row.out_of_service);
}

export function urgency([, a], [, b]) {
  return waits(b) - waits(a)
    || (LOUDNESS[a.priority] ?? 5) - (LOUDNESS[b.priority] ?? 5)
    || String(b.since).localeCompare(String(a.since));
}

/** Which orders can be given for it, in the order of their buttons. */
export function possible(row) {
  const found = [];
  if (row.since && !row.acknowledged_by && !row.why) found.push("acknowledge");
  if (row.needs === "reset") found.push("reset");
  if (row.out_of_service) found.push("in_service");
  found.push(row.shelved ? "unshelve" : "shelve");
  return found.filter((action) => action !== "shelve" || !row.out_of_service);
}

// --- an open alarm --------------------------------------------------------------------------------

const parts = new WeakMap();

export function makeAlarm(key, hand, selected) {
  const id = `alarm-${encodeURIComponent(key)}`;
  const part = {
    select: h("input", {
      type: "checkbox", tabindex: "-1", "aria-label": `Select ${key}`, onchange: () => selected(key, part.select.checked),
    }),
    priority: h("span", { class: "priority", id: `${id}-priority` }),
    condition: h("div", { class: "hint" }),
    level: h("span", { class: "muted" }),
    message: h("div", { class: "message", id: `${id}-message` }),
    response: h("div", { class: "response", hidden: true }),
    notes: h("div", { class: "notes" }),
    value: h("span", { class: "value" }),
    limit: h("span", { class: "limit" }),
    peak: h("span", { class: "limit" }),
    lasts: h("strong", { class: "age" }),
    since: h("time", { class: "muted" }),
    buttons: buttons(key, hand),
    wrong: h("p", { class: "wrong", role: "alert" }),
  };
  const named = `${id}-priority ${id}-name ${id}-message`;
  const li = h("li", { class: "row alarm", tabindex: "-1", "data-key": key, "aria-labelledby": named },
    h("label", { class: "check" }, part.select),
    h("div", {}, part.priority, part.condition),
    h("div", { class: "what" },
      h("span", { class: "name", id: `${id}-name` }, key), " ", part.level, part.message, part.response, part.notes),
    h("div", { class: "measured" }, part.value, part.limit, part.peak),
    h("div", { class: "since" }, part.lasts, part.since),
    h("div", { class: "actions" }, Object.values(part.buttons)),
    part.wrong);
  parts.set(li, part);
  return li;
}

export function updateAlarm(li, row, isSelected) {
  const part = parts.get(li);
  li.classList.toggle("waits", waits(row));
  toggle(li, "data-priority", row.priority);
  toggle(part.priority, "data-priority", row.priority);
  set(part.priority, capital(row.priority ?? "alarm"));
  set(part.condition, condition(row));
  set(part.level, row.level && row.level !== "normal" ? row.level.replaceAll("_", "-") : "");
  set(part.message, said(row, li.dataset.key));
  set(part.response, row.response ? `What to do: ${row.response}` : "");
  part.response.hidden = !row.response;
  note(part.notes, notes(row));
  set(part.value, "value" in row ? number(row.value, row.unit) : "");
  set(part.limit, row.limit === undefined ? "" : `limit ${number(row.limit, row.unit)}`);
  set(part.peak, row.peak === undefined || row.peak === row.value ? "" : `peak ${number(row.peak, row.unit)}`);
  age(part.lasts, row.since);
  moment(row.since, part.since);
  part.select.checked = isSelected;
  allow(li, part.buttons, possible(row));
}

/** Its message, without the name that stands before it already. */
function said(row, key) {
  const text = row.message ?? "";
  const lead = [key, row.rule].find((name) => text.startsWith(`${name}: `));
  return lead ? text.slice(lead.length + 2) : text;
}

/** Acknowledged or not, active or returned (ISA-18.2's states, in plain words). */
function condition(row) {
  if (row.needs) return `returned, waits for ${row.needs === "reset" ? "a reset" : "you"}`;
  return row.acknowledged_by ? "acknowledged" : "not acknowledged";
}

function notes(row) {
  return [
    row.quality && row.quality !== "good" ? `its value is ${row.quality}` : null,
    row.chattering ? "chatters: it comes and goes; its return is told when it stays away" : null,
    row.acknowledged_by ? `acknowledged by ${row.acknowledged_by}` : null,
    ...worded(row.suppressed_by ?? []),
    ...aside(row),
  ].filter(Boolean);
}

function worded(reasons) {
  return reasons.filter((word) => !BY_HAND.includes(word)).map((word) => WORDS[word] ?? word);
}

/** What a person has done to it: text, and elements that count. */
function aside(row) {
  const found = [];
  if (row.shelved) {
    const { until, reason, by, one_shot: once } = row.shelved;
    const end = once ? " or its return" : "";
    found.push(h("span", {}, "shelved until ", moment(until), " (", age(null, until), `)${end} by ${by}: ${reason}`));
  }
  if (row.out_of_service) found.push(`out of service: ${row.out_of_service}`);
  return found;
}

/** Written anew only when something else is said: a screen reader would begin again. */
function note(el, found) {
  const written = found.map((each) => each.textContent ?? each).join("; ");
  if (el.dataset.written === written) return;
  el.dataset.written = written;
  el.replaceChildren(...found.flatMap((each, index) => (index ? ["; ", each] : [each])));
}

// --- a rule of which nothing is told --------------------------------------------------------------

export function makeCalm(key, hand) {
  const part = {
    level: h("span", { class: "muted" }), message: h("div"), why: h("div", { class: "notes" }),
    buttons: buttons(key, hand), wrong: h("p", { class: "wrong", role: "alert" }),
  };
  const li = h("li", { class: "row alarm calm", tabindex: "-1", "data-key": key, "aria-label": key },
    h("div", {}, h("span", { class: "name" }, key), " ", part.level, part.message, part.why),
    h("div", { class: "actions" }, Object.values(part.buttons)), part.wrong);
  parts.set(li, part);
  return li;
}

export function updateCalm(li, row) {
  const part = parts.get(li);
  const open = row.since && !row.why;
  set(part.level, open ? `${row.priority}, ${condition(row)}` : "");
  set(part.message, open ? said(row, li.dataset.key) : "");
  note(part.why, [...worded(row.why ?? []), ...aside(row)]);
  allow(li, part.buttons, possible(row));
}

// --- buttons --------------------------------------------------------------------------------------

function buttons(key, hand) {
  return Object.fromEntries(Object.entries(ACTIONS).map(([action, [label, kind]]) => {
    const button = h("button", {
      class: `button ${kind}`, type: "button", "data-action": action, tabindex: "-1",
      "aria-label": `${label.replace("…", "")} ${key}`, onclick: () => hand(action, key),
    }, label);
    return [action, button];
  }));
}

function allow(li, all, actions) {
  if (li.dataset.may !== actions.join()) refuse(li, ""); // it was refused in another state
  li.dataset.may = actions.join();
  for (const [action, button] of Object.entries(all)) {
    const gone = !actions.includes(action);
    if (gone && button === document.activeElement) li.focus({ preventScroll: true });
    button.hidden = gone;
  }
}

/** What the agent said to an order that it refused, at its row; empty: nothing. */
export function refuse(li, sentence) {
  set(parts.get(li).wrong, sentence);
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
