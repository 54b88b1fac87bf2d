// What the views are made of: elements, lists that are kept up to date in place, ages, numbers, times of day.
//
//   h("button", { class: "button", onclick: fn }, "Pause ", h("b", {}, name))
//       attributes by name; on... a listener; a value of false, null or undefined: left out; true: bare.
//       `style: { width: "3em" }` goes by the CSSOM. Children: text, numbers, nodes, arrays; null is left out.
//   set(el, "text"), toggle(el, "hidden", yes), fill(el, ...children)     change only what differs
//   const list = rows(parent, (key) => el, (el, row, key) => ...)
//   list([[key, row], ...], changed)     in this order; rows of `changed` keys (no Set: all) and new ones are updated
//   age(el?, stamp, (text) => `for ${text}`) -> el     "12 s", "in 3 min": counted by the agent's clock, one timer
//   moment(stamp) -> <time>              local time of day, with the date when it is not today; UTC in the title
//   number(value, unit) -> "12.5 bar";   stamps: text as in the events, or milliseconds since 1970 UTC
//   sentence(text) -> nodes              what stands in `backticks`, a command, becomes <code>, a stamp local time
//   tone(text, "bad") -> a chip          tones: bad, warn, good, quiet; never colour alone, so text is not optional
//
// Rules for whoever changes this: text becomes textContent and never markup, whoever wrote it (a relay's stranger
// may have). A row that has the focus is never moved or replaced: the others are moved around it.

import { live } from "./stream.js";

const SECOND = 1_000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

export function h(name, attributes = {}, ...children) {
  const el = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(el.style, value);
    else if (key === "value") el.value = value;
    else el.setAttribute(key, value === true ? "" : value);
  }
  el.append(...flat(children));
  return el;
}

export function fill(el, ...children) {
  el.replaceChildren(...flat(children));
  return el;
}

export function set(el, text) {
  const wanted = String(text ?? "");
  if (el.textContent !== wanted) el.textContent = wanted;
  return el;
}

/** An attribute: true: there, false or null: not there, else its value. */
export function toggle(el, name, value) {
  if (value === false || value === null || value === undefined) {
    if (el.hasAttribute(name)) el.removeAttribute(name);
  } else {
    const wanted = value === true ? "" : String(value);
    if (el.getAttribute(name) !== wanted) el.setAttribute(name, wanted);
  }
  return el;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

// --- lists ----------------------------------------------------------------------------------------

/** Keep the children of `parent` as rows by key; see the head of the file. Other children it must not have. */
export function rows(parent, make, update) {
  const known = new Map();
  return (entries, changed = null) => {
    const wanted = entries.map(([key, row]) => {
      let el = known.get(key);
      const fresh = !el;
      if (fresh) known.set(key, (el = make(key)));
      if (fresh || !changed || changed.has(key)) update(el, row, key);
      return el;
    });
    const stay = new Set(wanted);
    for (const [key, el] of known) if (!stay.has(el)) known.delete(key);
    arrange(parent, wanted, stay);
  };
}

function arrange(parent, wanted, stay) {
  const held = [...parent.children].findIndex((el) => el.contains(document.activeElement));
  const focused = held < 0 ? null : parent.children[held];
  for (const el of [...parent.children]) if (!stay.has(el)) el.remove();
  let next = parent.firstChild;
  for (const el of wanted) {
    if (el === focused) while (next !== el) next = putLast(parent, next);
    if (el === next) next = next.nextSibling;
    else parent.insertBefore(el, next);
  }
  if (focused && !stay.has(focused)) focusNear(parent, held);
}

function putLast(parent, el) {
  const next = el.nextSibling;
  parent.append(el); // those that are wanted before are put there when their turn comes
  return next;
}

/** The row that had the focus is gone: whoever works by keyboard goes on at the one in its place. */
function focusNear(parent, index) {
  const row = parent.children[Math.min(index, parent.children.length - 1)];
  const target = row?.matches("[tabindex]") ? row : row?.querySelector("button, a[href], input, [tabindex]");
  (target ?? parent.closest("[tabindex]"))?.focus({ preventScroll: true });
}

// --- time -----------------------------------------------------------------------------------------

/** Milliseconds since 1970 UTC of a stamp; NaN: it is none. */
export function instant(stamp) {
  return typeof stamp === "number" ? stamp : Date.parse(stamp);
}

const said = new WeakMap(); // what an element counts from, and how it says so
const shown = new Set(); // those in sight: no other needs to be right
const sight = new IntersectionObserver(
  (seen) => {
    for (const { target, isIntersecting } of seen) {
      if (isIntersecting && said.has(target)) shown.add(target);
      else shown.delete(target);
      tell(target);
    }
  },
  { rootMargin: "50%" },
);

export function age(el, stamp, worded = (text) => text) {
  el ??= h("time", { class: "age" });
  if (!said.has(el)) sight.observe(el);
  const at = instant(stamp);
  if (Number.isNaN(at)) {
    said.delete(el);
    return set(el, "");
  }
  if (said.get(el)?.at !== at) {
    toggle(el, "datetime", new Date(at).toISOString());
    toggle(el, "title", `${local(at)}, ${new Date(at).toISOString()}`);
  }
  said.set(el, { at, worded });
  tell(el);
  return el;
}

function tell(el) {
  const what = said.get(el);
  if (what) set(el, what.worded(elapsed(live.now() - what.at)));
}

setInterval(() => shown.forEach(tell), SECOND);

/** A stretch of milliseconds in words: "12 s", "3 min", "2 h 5 min", "4 d 3 h"; one that lies ahead: "in 12 s". */
export function elapsed(ms) {
  const length = Math.abs(ms);
  const text =
    length < MINUTE ? `${Math.floor(length / SECOND)} s`
    : length < HOUR ? `${Math.floor(length / MINUTE)} min`
    : length < DAY ? two(length, HOUR, "h", MINUTE, "min")
    : two(length, DAY, "d", HOUR, "h");
  return ms < -SECOND ? `in ${text}` : text;
}

function two(length, large, largeWord, small, smallWord) {
  const rest = Math.floor((length % large) / small);
  return `${Math.floor(length / large)} ${largeWord}${rest ? ` ${rest} ${smallWord}` : ""}`;
}

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }; // a shift has 24 hours
const DAYS = { day: "numeric", month: "short" };
const timeOfDay = new Intl.DateTimeFormat("en-GB", TIME);
const dateAndTime = new Intl.DateTimeFormat("en-GB", { ...DAYS, ...TIME });
const wholeDate = new Intl.DateTimeFormat("en-GB", { ...DAYS, year: "numeric", ...TIME });

function local(at) {
  const [then, now] = [new Date(at), new Date(live.now())];
  const same = then.getFullYear() === now.getFullYear() ? dateAndTime : wholeDate;
  return (then.toDateString() === now.toDateString() ? timeOfDay : same).format(at);
}

export function moment(stamp, el = h("time")) {
  const at = instant(stamp);
  if (Number.isNaN(at)) return set(el, "");
  const utc = new Date(at).toISOString();
  toggle(el, "datetime", utc);
  toggle(el, "title", utc);
  return set(el, local(at));
}

// --- words ----------------------------------------------------------------------------------------

/** A value as people read it: six digits, no grouping, and the unit. */
export function number(value, unit = "") {
  if (value === null || value === undefined) return "unknown";
  let text = String(value);
  if (typeof value === "number" && !Number.isInteger(value)) {
    const wide = Math.abs(value) >= 1e6 || Math.abs(value) < 1e-4;
    text = wide ? value.toPrecision(6).replace(/\.?0+(e|$)/, "$1") : String(Number(value.toPrecision(6)));
  }
  return unit ? `${text}\u00a0${unit}` : text;
}

/** "1 event", "3 events". */
export function many(count, one, more = `${one}s`) {
  return `${count} ${count === 1 ? one : more}`;
}

const STAMP = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/;

/** A sentence of the agent: commands stand in backticks, moments are UTC there and local here. */
export function sentence(text) {
  const parts = String(text ?? "").split("`");
  const paired = parts.length % 2 === 1;
  return parts.map((part, index) => (paired && index % 2 ? h("code", {}, part) : timed(part)));
}

function timed(text) {
  return text.split(STAMP).map((part, index) => (index % 2 ? moment(part) : part));
}

/** A word with a tone; without an element, a new chip. */
export function tone(text, kind, el = h("span", { class: "chip" })) {
  toggle(el, "data-tone", kind);
  return set(el, text);
}

let polite, toasts;

/** Say it: a note for a few seconds, read aloud by a screen reader. Tones as of chips. */
export function say(text, kind = "quiet") {
  polite ??= document.getElementById("said");
  toasts ??= document.getElementById("toasts");
  const region = kind === "bad" ? document.getElementById("alert") : polite;
  region.textContent = "";
  setTimeout(() => set(region, text), 50); // the same sentence twice is said twice
  const note = h("div", { class: "toast", "data-tone": kind, "aria-hidden": "true" }, text);
  toasts.append(note);
  setTimeout(() => note.remove(), Math.max(4_000, text.length * 80));
}
