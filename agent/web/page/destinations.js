// Where events go, and the relays that messages come from: whether each works, why not, and how much waits.
//
// Rules for whoever changes this: what waits is not lost, and what is a dead letter is for a person; so they are
// told apart. The state's words are those of agent/dispatch/status.py, the reason is the agent's own sentence.

import { ask } from "./dialogs.js";
import { write, toggleButton } from "./sources.js";
import { age, h, many, rows, say, set, toggle, tone } from "./ui.js";

const STATES = {
  healthy: ["Healthy", "good"], waiting: ["Tries again", "warn"], failing: ["Failing", "bad"],
  disabled: ["Disabled", "bad"], paused: ["Paused", "warn"],
};
const RELAY_STATES = { up: ["Up", "good"], down: ["Down", "bad"], held: ["Held", "warn"] };
const ORDER = ["disabled", "failing", "down", "held", "waiting", "paused", "healthy", "up"];
const NO_RETRY = { disabled: "none, it is disabled", paused: "none, it is paused" };
const LONGEST = 366 * 86_400;

export const view = {
  id: "destinations",
  title: "Destinations",
  watches: ["destinations", "relays"],
  badge(tables) {
    const tones = [
      ...[...tables.get("destinations").values()].map((row) => STATES[row.state]?.[1]),
      ...[...tables.get("relays").values()].map((row) => RELAY_STATES[row.state]?.[1]),
    ];
    for (const kind of ["bad", "warn"]) {
      const count = tones.filter((each) => each === kind).length;
      if (count) return { text: count, tone: kind };
    }
    return null;
  },
  mount(root, page) {
    const empty = h("p", { class: "empty", role: "status" }, h("strong", {}, "No destination is configured."),
      "A destination is where events are sent, such as a webhook: agent.yaml has them.");
    const list = h("ul", { class: "cards", "aria-label": "Destinations" });
    const relays = h("ul", { class: "cards", "aria-label": "Relays" });
    const title = h("h3", {}, "Relays, from which messages come");
    const show = rows(list, (name) => make(name, page), update);
    const showRelays = rows(relays, makeRelay, updateRelay);
    const paint = (changed = null) => {
      const entries = [...page.tables.get("destinations")].sort(worstFirst);
      empty.hidden = entries.length > 0;
      show(entries, changed);
    };
    const paintRelays = (changed = null) => {
      const entries = [...page.tables.get("relays")].sort(worstFirst);
      title.hidden = entries.length === 0;
      showRelays(entries, changed);
    };
    root.append(empty, list, title, relays);
    page.on("destinations", paint);
    page.on("relays", paintRelays);
    paint();
    paintRelays();
  },
};

function worstFirst([a, one], [b, other]) {
  return ORDER.indexOf(one.state) - ORDER.indexOf(other.state) || a.localeCompare(b);
}

const parts = new WeakMap();

function common() {
  return {
    type: h("span", { class: "muted" }), state: h("span", { class: "chip" }),
    reason: h("p", { class: "reason" }), wrong: h("p", { class: "wrong", role: "alert" }),
  };
}

function card(name, part, facts, buttons) {
  const fact = ([word, el]) => h("div", {}, h("dt", {}, word), h("dd", {}, el));
  const li = h("li", { class: "card", "data-key": name, "aria-label": name },
    h("div", { class: "card-head" }, h("h3", {}, name), part.type, part.state), part.reason,
    h("dl", { class: "facts" }, facts.map(fact)), buttons.length ? h("div", { class: "actions" }, buttons) : null, part.wrong);
  parts.set(li, part);
  return li;
}

function stands(li, part, row, [word, kind]) {
  tone(word, kind, part.state);
  toggle(li, "data-tone", kind === "good" ? null : kind);
  toggle(li, "data-state", row.state);
  set(part.type, row.type);
  write(part.reason, row.reason);
}

// --- a destination --------------------------------------------------------------------------------

function make(name, page) {
  const button = (action, label, kind) => h("button", {
    class: `button ${kind}`, type: "button", "aria-label": `${label.replace("…", "")} ${name}`,
    onclick: () => give(action, name, page, part),
  }, label);
  const part = {
    ...common(), waiting: h("span", { class: "value" }), oldest: h("time", { class: "age" }), retry: h("time", { class: "age" }),
    dead: h("a", { href: "#letters" }), success: h("span"), latency: h("span"),
    pause: button("pause", "Pause…", ""), resume: button("resume", "Resume", "primary"), enable: button("enable", "Try now", "primary"),
  };
  const facts = [["Waiting", part.waiting], ["Oldest that waits", part.oldest], ["Next attempt", part.retry],
    ["Newest attempts", part.success], ["Latency, median", part.latency], ["Dead letters", part.dead]];
  return card(name, part, facts, [part.enable, part.resume, part.pause]);
}

function update(li, row) {
  const part = parts.get(li);
  stands(li, part, row, STATES[row.state] ?? [row.state, "warn"]);
  set(part.waiting, row.waiting);
  count(part.oldest, row.oldest, "none", (text) => `${text} ago`);
  count(part.retry, row.retry_at, NO_RETRY[row.state] ?? "at once", (text) => (text.startsWith("in ") ? text : "now"));
  set(part.dead, row.dead ? many(row.dead, "dead letter") : "none");
  set(part.success, success(row));
  set(part.latency, row.latency_ms === null ? "not known" : latency(row.latency_ms));
  const tries = ["waiting", "failing", "disabled"].includes(row.state);
  const other = tries ? part.enable : row.state === "paused" ? part.resume : part.pause;
  toggleButton(part.enable, tries, other);
  toggleButton(part.resume, row.state === "paused", other);
  toggleButton(part.pause, row.state !== "paused", other);
}

function count(el, stamp, otherwise, worded) {
  age(el, stamp ?? NaN, worded);
  if (stamp === null) set(el, otherwise);
}

function success({ attempts, succeeded }) {
  if (!attempts) return "none yet";
  const percent = Math.floor((100 * succeeded) / attempts); // 99.6 % is not all
  return `${succeeded} of ${attempts} succeeded (${percent} %)`;
}

function latency(ms) {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toPrecision(3)} s`;
}

// --- a relay --------------------------------------------------------------------------------------

function makeRelay(name) {
  const part = {
    ...common(), lasts: h("time", { class: "age" }), taken: h("a", { href: "#inbound", class: "value" }), unusable: h("span"),
  };
  return card(name, part, [["Since", part.lasts], ["Messages taken", part.taken], ["Not usable", part.unusable]], []);
}

function updateRelay(li, row) {
  const part = parts.get(li);
  stands(li, part, row, RELAY_STATES[row.state] ?? [row.state, "warn"]);
  age(part.lasts, row.since, (text) => `${text} ago`);
  set(part.taken, row.taken);
  set(part.unusable, row.unusable || "none");
}

// --- orders ---------------------------------------------------------------------------------------

async function give(action, name, page, part) {
  set(part.wrong, "");
  const path = `api/destinations/${name.split("/").map(encodeURIComponent).join("/")}/${action}`; // RELAY/ROUTE
  try {
    if (action === "pause") return await pause(name, path, page);
    const answer = await page.order(path);
    if (answer) say(action === "resume" ? `${name} is sent to again.` : `${name} is tried now.`, "good");
  } catch (error) {
    set(part.wrong, error.message);
  }
  return null;
}

async function pause(name, path, page) {
  const given = await ask({
    title: `Pause ${name}`,
    text: "Nothing is sent there meanwhile. What is for it waits, and nothing is lost.",
    submit: "Pause",
    fields: [
      { name: "for_s", label: "For how long", type: "duration", endless: "Until resumed", most: LONGEST, tooLong: "a year at most" },
      { name: "reason", label: "Reason", maxlength: 500, hint: "For whoever wonders tomorrow." },
    ],
    send: (order) => page.order(path, order),
  });
  if (given && given !== true) say(`${name} is paused.`, "good");
}
