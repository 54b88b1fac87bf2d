// One tag: how far its value can be believed, how it stands in its list, and all that is known of it.
//
// Rules for whoever changes this: a value is never shown without its quality; what is not good says why, in the
// agent's own words, and "good" is said only of what is fresh by the agent's clock. Long numbers are rounded where
// they are read, and are exact in the title.

import { tell } from "./dialogs.js";
import { canvas, extent, sparkline } from "./trend.js";
import { elapsed, fill, h, instant, moment, number, say, sentence, set, toggle, tone } from "./ui.js";

/** What can be said of a tag, the worst first. */
export const STATES = {
  bad: { word: "Bad", tone: "bad", sign: "✕" },
  none: { word: "No value", tone: "warn", sign: "○" },
  stale: { word: "Stale", tone: "warn", sign: "◷" },
  uncertain: { word: "Uncertain", tone: "warn", sign: "?" },
  good: { word: "Good", tone: "good", sign: "" },
};

const TOLD_LATE = 1_000; // the page is told each half second: what is read faster is not stale for that

/** Which of `STATES` a tag is in now. */
export function stateOf(tag, value, source, now) {
  if (value === undefined) return "none";
  if (value.quality === "bad") return "bad";
  const waits = tag.stale_after_ms;
  if (waits === null ? source !== undefined && source.state !== "up" : now - value.at > waits + TOLD_LATE) return "stale";
  return value.quality === "uncertain" ? "uncertain" : "good";
}

/** Why it is not good; empty: it is. */
export function whyNot(state, tag, value, source) {
  const link = source === undefined || source.state === "up" ? "" : `${tag.source} is ${source.state}: ${source.reason}`;
  switch (state) {
    case "none":
      return link || "nothing has come yet";
    case "stale":
      return link || `nothing new has come for longer than ${lasting(tag.stale_after_ms)}`;
    case "good":
      return "";
    default:
      return value.reason || link || "the device does not say why";
  }
}

/** A stretch that is configured, which may be a part of a second. */
function lasting(ms) {
  return ms < 60_000 ? `${ms / 1000} s` : elapsed(ms);
}

/** The value as it is read. */
export function valueText(tag, value) {
  if (value === undefined || value.value === null) return "unknown";
  if (value.value === "") return "empty text";
  return number(value.value, typeof value.value === "number" ? tag.unit : "");
}

function exact(tag, value) {
  if (value === undefined || value.value === null) return "";
  return `${value.value}${tag.unit && typeof value.value === "number" ? ` ${tag.unit}` : ""}`;
}

// --- in its list ------------------------------------------------------------------------------------

const parts = new WeakMap();

export function makeRow() {
  const cell = (name, ...children) => h("div", { class: `tag-${name}`, role: "gridcell" }, children);
  const part = {
    name: h("span", { class: "tag-title" }), source: h("span", { class: "muted" }), value: h("span", { class: "value" }),
    chip: h("span", { class: "chip" }), why: h("span", { class: "tag-why" }), range: h("div", { class: "range", role: "img" }, h("span")),
    spark: canvas("spark"), age: h("span", { class: "age" }), line: null,
  };
  const el = h("div", { class: "grid-row tag-row", role: "row" },
    cell("name", part.name, part.source), cell("value", part.value), cell("quality", part.chip, " ", part.why),
    cell("range", part.range), cell("spark", part.spark), cell("age", part.age));
  parts.set(el, part);
  return el;
}

/** Write a row anew; only what differs is touched. */
export function writeRow(el, name, { tag, value, source, now, trend }) {
  const part = parts.get(el);
  const state = stateOf(tag, value, source, now);
  const why = whyNot(state, tag, value, source);
  if (part.name.textContent !== name) toggle(set(part.name, name), "title", name);
  set(part.source, tag.source);
  if (value === undefined || part.shown !== value) toggle(set(part.value, valueText(tag, value)), "title", exact(tag, value));
  part.shown = value;
  const { word, sign, tone: kind } = STATES[state];
  tone(sign ? `${sign} ${word}` : word, kind, part.chip);
  toggle(el, "data-state", state);
  if (part.why.textContent !== why) toggle(set(part.why, why), "title", why);
  writeRange(part.range, tag, value);
  set(part.age, value === undefined ? "" : elapsed(Math.max(0, now - value.at)));
  if (part.line !== trend) sparkline(part.spark, trend);
  part.line = trend;
}

/** Where a value stands between its lowest and its highest; hidden when that means nothing. */
function writeRange(el, tag, value) {
  const has = tag.low !== null && tag.high !== null && tag.high > tag.low && typeof value?.value === "number";
  toggle(el, "hidden", !has);
  if (!has) return;
  const share = (100 * (value.value - tag.low)) / (tag.high - tag.low);
  const left = `${Math.min(100, Math.max(0, share)).toFixed(0)}%`;
  if (el.firstChild.style.left !== left) el.firstChild.style.left = left;
  const outside = share < 0 ? "below" : share > 100 ? "above" : null;
  toggle(el, "data-outside", outside);
  const between = `${number(tag.low)} to ${number(tag.high, tag.unit)}`;
  toggle(el, "aria-label", outside ? `${outside} its range, ${between}` : `${share.toFixed(0)} % of ${between}`);
  toggle(el, "title", el.getAttribute("aria-label"));
}

// --- all that is known of it ------------------------------------------------------------------------

/** Show one in a window that goes on living. `facts(name)` as of `writeRow`; `again()` wants its trend. */
export function openTag(name, facts, again) {
  const chart = canvas("chart");
  const part = {
    value: h("p", { class: "tag-now value" }), chip: h("span", { class: "chip" }), why: h("p", { class: "reason" }), chart,
    high: h("span", { class: "chart-high" }), low: h("span", { class: "chart-low" }), read: h("figcaption", { class: "hint" }),
    facts: h("dl", { class: "facts" }),
  };
  const plot = h("div", { class: "plot", role: "img" }, chart, part.high, part.low);
  const copy = h("button", { class: "button", type: "button", onclick: () => copyText(name) }, "Copy name");
  const body = h("div", { class: "tag-whole", "data-wide": true },
    h("div", { class: "actions" }, part.value, part.chip), part.why,
    h("figure", { class: "trend" }, plot, h("div", { class: "chart-times muted" }, h("span", {}, "10 min ago"), h("span", {}, "now")), part.read),
    part.facts, h("div", { class: "actions" }, copy));
  plot.addEventListener("pointermove", (event) => (part.at = (event.clientX - plot.getBoundingClientRect().left) / plot.clientWidth));
  plot.addEventListener("pointerleave", () => (part.at = undefined));
  plot.addEventListener("pointermove", () => writeTrend(part, plot, facts(name)));
  const write = () => writeWhole(part, plot, name, facts(name));
  tell(name, body);
  write();
  again();
  const timer = setInterval(() => (body.isConnected ? write() : clearInterval(timer)), 1_000);
}

function writeWhole(part, plot, name, all) {
  const { tag, value, source, now } = all;
  if (tag === undefined) {
    set(part.why, "This tag is not configured any more.");
    return;
  }
  const state = stateOf(tag, value, source, now);
  toggle(set(part.value, valueText(tag, value)), "title", exact(tag, value));
  const { word, sign, tone: kind } = STATES[state];
  tone(sign ? `${sign} ${word}` : word, kind, part.chip);
  const why = whyNot(state, tag, value, source);
  if (part.said !== why) fill(part.why, sentence(why));
  part.said = why;
  toggle(part.why, "hidden", why === "");
  writeTrend(part, plot, all);
  writeFacts(part, all);
}

function writeTrend(part, plot, { tag, value, trend }) {
  sparkline(part.chart, trend);
  const { lowest, highest } = extent(trend?.values ?? []);
  const text = (value) => number(value, tag.unit);
  const flat = lowest === highest;
  set(part.high, lowest === null ? "" : text(highest));
  set(part.low, lowest === null || flat ? "" : text(lowest));
  const words = lowest === null ? "No number in the last ten minutes"
    : `Lowest ${text(lowest)}, highest ${text(highest)}, now ${valueText(tag, value)}`;
  toggle(plot, "aria-label", `Ten minutes: ${words}`);
  set(part.read, part.at === undefined || lowest === null ? words : pointed(part.at, trend, text));
}

/** What it was where the pointer is. */
function pointed(share, { values, every }, text) {
  const place = Math.min(values.length - 1, Math.max(0, Math.round(share * (values.length - 1))));
  const before = elapsed((values.length - 1 - place) * every * 1000);
  return `${values[place] === null ? "unknown" : text(values[place])}, ${before} ago`;
}

function writeFacts(part, { tag, value, now }) {
  const bounds = tag.low === null && tag.high === null ? "not given" : `${number(tag.low ?? "…")} to ${number(tag.high ?? "…", tag.unit)}`;
  const wanted = [
    ["Source", tag.source], ["Unit", tag.unit || "none"], ["Range", bounds],
    ["Stale after", tag.stale_after_ms === null ? "its source is lost" : lasting(tag.stale_after_ms)],
    ["Value in full", exact(tag, value) || "unknown"], ["Quality", value?.quality ?? "none yet"],
    ["Received", value === undefined ? "never" : moment(value.at)],
    ["Age", value === undefined ? "" : elapsed(Math.max(0, now - instant(value.at)))],
  ];
  part.cells ??= wanted.map(([word]) => {
    const dd = h("dd");
    part.facts.append(h("div", {}, h("dt", {}, word), dd));
    return dd;
  });
  wanted.forEach(([, fact], index) => (typeof fact === "string" ? set(part.cells[index], fact) : fill(part.cells[index], fact)));
}

/** Put a text where it can be pasted from; without the right to (plain HTTP), it is selected by hand. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.", "good");
  } catch {
    say(`This browser copies only over https or on the machine itself: ${text}`);
  }
}
