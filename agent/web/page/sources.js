// Where readings come from: whether each source is up, why not and what to do, and whether its tags are read.
//
// Rules for whoever changes this: the reason is the agent's own sentence. A source that a person has paused is no
// fault, but nobody is told anything of its tags, so it is not calm either.

import { ask } from "./dialogs.js";
import { age, elapsed, fill, h, many, rows, say, sentence, set, toggle, tone } from "./ui.js";

const DAY = 86_400;
const STATES = { up: ["Up", "good"], down: ["Down", "bad"], paused: ["Paused", "warn"] };
const WORST_FIRST = { down: 0, paused: 1, up: 2 };
const SKEWED = 2; // seconds; less is the line's own

export const view = {
  id: "sources",
  title: "Sources",
  watches: ["sources"],
  badge(tables) {
    const all = [...tables.get("sources").values()];
    const down = all.filter((row) => row.state === "down").length;
    const other = all.filter((row) => row.state === "paused" || (row.state === "up" && (row.bad || row.late))).length;
    if (down) return { text: down, tone: "bad" };
    return other ? { text: other, tone: "warn" } : null;
  },
  mount(root, page) {
    const empty = h("p", { class: "empty", role: "status" }, h("strong", {}, "No source is configured."),
      "A source is a PLC, a broker or an OPC UA server: sources.yaml has them.");
    const list = h("ul", { class: "cards", "aria-label": "Sources" });
    const show = rows(list, (name) => make(name, page), update);
    const paint = (changed = null) => {
      const entries = [...page.tables.get("sources")].sort(worstFirst);
      empty.hidden = entries.length > 0;
      show(entries, changed);
    };
    root.append(empty, list);
    page.on("sources", paint);
    paint();
  },
};

function worstFirst([a, one], [b, other]) {
  return WORST_FIRST[one.state] - WORST_FIRST[other.state] || a.localeCompare(b);
}

const parts = new WeakMap();

function make(name, page) {
  const fact = (word, el) => h("div", {}, h("dt", {}, word), h("dd", {}, el));
  const button = (label, kind, onclick) =>
    h("button", { class: `button ${kind}`, type: "button", "aria-label": `${label.replace("…", "")} ${name}`, onclick }, label);
  const part = {
    type: h("span", { class: "muted" }), state: h("span", { class: "chip" }), lasts: h("time", { class: "age" }),
    reason: h("p", { class: "reason" }), first: h("p", { class: "reason" }), tags: h("span", { class: "value" }),
    trouble: h("span"), skew: h("span"), wrong: h("p", { class: "wrong", role: "alert" }),
    pause: button("Pause…", "", () => pause(name, page, part)),
    resume: button("Resume", "primary", () => resume(name, page, part)),
  };
  const li = h("li", { class: "card", "data-key": name, "aria-label": name },
    h("div", { class: "card-head" }, h("h3", {}, name), part.type, part.state),
    part.reason, part.first,
    h("dl", { class: "facts" },
      fact("Since", part.lasts), fact("Tags", part.tags), fact("Not read", part.trouble), fact("Its clock", part.skew)),
    h("div", { class: "actions" }, part.pause, part.resume), part.wrong);
  parts.set(li, part);
  return li;
}

function update(li, row) {
  const part = parts.get(li);
  const [word, kind] = STATES[row.state];
  const worn = row.state === "up" && (row.bad > 0 || row.late > 0);
  tone(word, kind, part.state);
  toggle(li, "data-tone", worn ? "warn" : kind === "good" ? null : kind);
  toggle(li, "data-state", row.state);
  set(part.type, row.type);
  age(part.lasts, row.since, (text) => `${text} ago`);
  write(part.reason, row.state === "up" ? "" : row.reason);
  write(part.first, row.first_bad);
  set(part.tags, row.tags);
  set(part.trouble, trouble(row));
  set(part.skew, skew(row.clock_skew_s));
  toggleButton(part.pause, row.state !== "paused", part.resume);
  toggleButton(part.resume, row.state === "paused", part.pause);
}

function trouble({ bad, late }) {
  const found = [bad ? `${bad} bad` : null, late ? `${late} late` : null].filter(Boolean);
  return found.join(", ") || "none";
}

function skew(seconds) {
  if (seconds === null) return "not known";
  if (Math.abs(seconds) < SKEWED) return "agrees";
  return `${elapsed(Math.abs(seconds) * 1_000)} ${seconds > 0 ? "ahead" : "behind"}`;
}

/** A sentence of the agent, written anew only when it is another. */
export function write(el, text) {
  if (el.dataset.said === text) return;
  el.dataset.said = text;
  fill(el, sentence(text));
}

/** Shown or not; the focus goes to the other button rather than nowhere. */
export function toggleButton(button, yes, other) {
  if (button.hidden === !yes) return;
  const focused = button === document.activeElement;
  button.hidden = !yes;
  if (focused) {
    other.hidden = false;
    other.focus({ preventScroll: true });
  }
}

// --- orders ---------------------------------------------------------------------------------------

async function pause(name, page, part) {
  set(part.wrong, "");
  const row = page.tables.get("sources").get(name);
  const given = await ask({
    title: `Pause ${name}`,
    text: `Nothing is connected to the device, and ${many(row?.tags ?? 0, "tag is", "tags are")} not read: no alarm comes of them.`,
    submit: "Pause",
    fields: [{ name: "for_s", label: "For how long", type: "duration", most: DAY,
      tooLong: "a day at most; a pause that somebody forgot must not last" }],
    send: ({ for_s }) => page.order(`api/sources/${encodeURIComponent(name)}/pause`, { for_s }),
  });
  if (given && given !== true) say(`${name} is paused.`, "good");
}

async function resume(name, page, part) {
  set(part.wrong, "");
  try {
    if (await page.order(`api/sources/${encodeURIComponent(name)}/resume`)) say(`${name} is read again.`, "good");
  } catch (error) {
    set(part.wrong, error.message);
  }
}
