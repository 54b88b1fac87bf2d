// What events and dead letters share: plain words for what happened, deliveries in words and shapes, every attempt.
//
// Rules for whoever changes this: a type that has no words yet is shown as it is called, never left out. What a
// receiver has answered is a stranger's: it is shown as text, whole, within a box that scrolls.

import { elapsed, h, moment, number, toggle } from "./ui.js";

const WORDS = {
  "alarm.raised": "Alarm raised", "alarm.escalated": "Alarm got worse", "alarm.deescalated": "Alarm got milder",
  "alarm.returned": "Back to normal", "alarm.changed": "Alarm changed", "alarm.reminder": "Still open: reminder",
  "alarm.acknowledged": "Alarm acknowledged", "alarm.reset": "Alarm reset", "alarm.shelved": "Alarm shelved",
  "alarm.unshelved": "Alarm no longer shelved", "alarm.suppressed": "Alarm suppressed", "alarm.unsuppressed": "Alarm no longer suppressed",
  "alarm.chattering": "Alarm chatters", "alarm.out_of_service": "Alarm out of service", "alarm.in_service": "Alarm back in service",
  "tag.changed": "Tag changed", "event.occurred": "Event", "rule.unknown": "Rule cannot tell", "rule.trial": "Rule on trial",
  "source.clock_skew": "A device's clock is wrong", "agent.started": "Agent started", "agent.stopping": "Agent stops",
  "agent.blind": "Nothing was seen for a while", "agent.config_reloaded": "Configuration loaded", "agent.config_rejected": "Configuration refused",
  "agent.flood": "Flood of alarms", "agent.test": "Test", "agent.state_lost": "Memory of rules lost", "agent.heartbeat": "Heartbeat",
  "delivery.failing": "Destination fails", "delivery.recovered": "Destination works again", "delivery.dead": "Event given up",
  "delivery.disabled": "Destination disabled", "store.filling": "Store fills up", "store.overflow": "Store full: events lost",
  "inbound.done": "Message carried out", "inbound.rejected": "Message refused", "inbound.failed": "Message failed", "inbound.message": "Message sent on",
};

/** Groups to filter by, as the types begin. */
export const GROUPS = [
  ["alarm.", "Alarms"], ["event.", "Events of rules"], ["tag.", "Changes of tags"], ["agent.", "The agent"],
  ["delivery.", "Deliveries"], ["inbound.", "Inbound"], ["source.", "Sources"], ["store.", "Store"], ["rule.", "Rules"],
];

/** How a delivery stands: words, sign and tone. */
export const STATES = {
  delivered: ["delivered", "good", ""],
  pending: ["waiting", "quiet", "…"],
  dead: ["dead", "bad", "✕"],
  dropped: ["dropped", "quiet", "–"],
};

/** What is the same in every event: it comes last. */
const ENVELOPE = new Set(["schema", "id", "site", "agent", "epoch", "seq", "severity", "rules_hash"]);

const MEANT = {
  expired: "it had waited longer than max_age",
  destination_removed: "the configuration has no destination of that name any more",
};

/** What has happened, in plain words. */
export function happened({ type, damaged }) {
  return damaged ? "Damaged on disk" : WORDS[type] ?? type ?? "";
}

/** The sentence of an event, for a list. */
export function messageOf({ seq, data = {}, damaged }) {
  if (damaged) return `Only its number is known: ${seq}.`;
  if ("blind" in data && !data.message) {
    const what = data.source ? `Nothing of ${data.source}` : "Nothing";
    return `${what} was seen for ${elapsed((data.duration_s ?? 0) * 1000)}${data.reason ? `: ${data.reason}` : ""}`;
  }
  return data.message || data.reason || "";
}

/** What an event is about: its rule or destination. */
export function aboutOf({ data = {} }) {
  return [data.instance ?? data.rule, data.tag, data.rule ? null : data.destination ?? data.source ?? data.relay].filter(Boolean).join(" · ");
}

export function reasonOf({ reason }) {
  return reason ? MEANT[reason] ?? reason : "";
}

/** The chip of a priority; nothing where there is none. */
export function priority(word) {
  return word ? h("span", { class: "priority", "data-priority": word }, word) : null;
}

/** A delivery as a chip: `cmms: waiting`; without the name where that stands beside it. */
export function chip(delivery, named = true) {
  const [word, tone, sign] = STATES[delivery.state] ?? [delivery.state, "quiet", "?"];
  const el = h("span", { class: "chip", "data-tone": tone, title: reasonOf(delivery) || null }, named ? `${delivery.destination}: ${word}` : word);
  return toggle(el, "data-sign", sign || null);
}

// --- whole ------------------------------------------------------------------------------------------

/** A list of pairs; a value may be a node. Those without a value are left out. */
export function pairs(entries) {
  const some = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "pairs" }, some.map(([word, value]) => h("div", {}, h("dt", {}, word), h("dd", {}, value))));
}

/** The data of an event as a list that can be read: nested names with a dot between them. */
export function dataPairs(data) {
  const entries = Object.entries(data);
  const [own, common] = [false, true].map((common) => Object.fromEntries(entries.filter(([name]) => ENVELOPE.has(name) === common)));
  return pairs([...walked(own), ...walked(common)]);
}

function* walked(data, before = "") {
  for (const [name, value] of Object.entries(data)) {
    const called = before + name.replaceAll("_", " ");
    if (value !== null && typeof value === "object" && !Array.isArray(value)) yield* walked(value, `${called}: `);
    else yield [called, readable(name, value, data)];
  }
}

function readable(name, value, data) {
  if (value === null) return "unknown";
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return moment(value);
  if (typeof value === "number") return number(value, ["value", "limit", "peak"].includes(name) ? data.unit : name.endsWith("_s") ? "s" : "");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** JSON as it is, behind a line that opens it. */
export function raw(title, value) {
  return h("details", {}, h("summary", {}, title), h("pre", { class: "code", tabindex: 0 }, typeof value === "string" ? value : JSON.stringify(value, null, 2)));
}

/** Every attempt that is kept, the newest last. */
export function attempts(list) {
  if (!list?.length) return h("p", { class: "muted" }, "No attempt has been counted against it.");
  return h("ol", { class: "tries", "aria-label": "Attempts" }, list.map(attempt));
}

function attempt({ at, status, latency_s: latency, text }) {
  const well = status !== null && status >= 200 && status < 300;
  const answered = status === null ? "no answer" : `answered ${status}`;
  return h("li", { "data-tone": well ? "good" : "bad" },
    moment(at), " ", h("strong", {}, answered), ` after ${latency < 1 ? `${Math.round(latency * 1000)} ms` : `${number(latency)} s`}`,
    text.trim() ? h("pre", { class: "code", tabindex: 0 }, text.trim()) : null);
}
