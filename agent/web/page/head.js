// The head of the page: one sentence for the whole state, what stands behind it, and what a tab in the background shows.
//
// Rules for whoever changes this: the worst comes first. Never colour alone: a sign, a word and a sentence.
// What is shown while nobody is told is old, and that is said before anything else.

import { urgency, waits } from "./alarm.js";
import { live } from "./stream.js";
import { age, fill, h, many, moment, sentence, set, toggle, tone } from "./ui.js";

const THEMES = { "": "Theme: auto", light: "Theme: light", dark: "Theme: dark" };
const CLOCK_TONES = { trusted: "good", unproven: "warn", wrong: "bad" };

const CONNECTIONS = {
  connecting: ["Connecting", "quiet"], live: ["Live", "good"], lost: ["Not connected", "bad"], refused: ["Not signed in", "quiet"],
};

const byId = (id) => document.getElementById(id);
let title = "Alarms";
let listed = ""; // the problems that stand in the list now

/** Alarms that wait for a person, the most urgent first. */
function waiting(tables) {
  return [...tables.get("alarms")].filter(([, row]) => waits(row)).sort(urgency);
}

export function viewIs(name) {
  title = name;
  byId("state").open = false; // it would stand before what was asked for
  showTitle();
}

export function begin(signIn) {
  live.on("agent", showAgent);
  live.on("alarms", showState);
  live.on("alarms", announce);
  live.on("connection", () => showConnection(signIn));
  byId("state").addEventListener("toggle", showState);
  byId("theme").addEventListener("click", nextTheme);
  showTheme();
}

// --- the state ------------------------------------------------------------------------------------

function showAgent() {
  const row = live.tables.get("agent").get("agent");
  if (!row) return;
  set(byId("site"), row.site === row.name ? row.site : `${row.site} / ${row.name}`);
  byId("clock").hidden = false;
  tone(`Clock ${row.clock}`, CLOCK_TONES[row.clock] ?? "warn", byId("clock")).title = row.clock_why;
  showState();
  showParticulars(row);
}

function showState() {
  const row = live.tables.get("agent").get("agent");
  if (!row) return;
  const [kind, text, rest = 0] = standing(row, live.tables);
  toggle(byId("state"), "data-tone", kind);
  const more = kind === "alarm" ? many(rest, "warning") : `and ${rest} more`;
  set(byId("more"), byId("state").open ? "Close" : rest ? more : "Details");
  if (byId("sentence").dataset.said !== text) {
    byId("sentence").dataset.said = text;
    fill(byId("sentence"), sentence(text));
  }
  showTitle();
}

/** The tone, the sentence, and how many more there are. */
export function standing(agent, tables) {
  const { problems, warnings } = agent;
  const loud = waiting(tables);
  if (problems.length) return ["bad", capital(problems[0]), problems.length - 1 + warnings.length];
  if (loud.length) {
    const [[name, { priority }]] = loud;
    const wait = loud.length === 1
      ? `${name} waits to be acknowledged; its priority is ${priority}.`
      : `${loud.length} alarms wait to be acknowledged: ${name} (${priority}) and ${loud.length - 1} more.`;
    return ["alarm", wait, warnings.length];
  }
  if (agent.next_step) return ["quiet", "There is nothing to watch yet."];
  if (warnings.length) return ["warn", capital(warnings[0]), warnings.length - 1];
  const open = agent.alarms_open;
  return ["good", open ? `All is well; ${many(open, "open alarm")}, none that waits for anybody.` : "All is well; no alarm is open."];
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function showParticulars(row) {
  const written = JSON.stringify({ ...row, stored: 0, waiting: 0, store_bytes: 0, alarms_open: 0, unwatched_total: 0 });
  if (written !== listed) {
    listed = written;
    fill(byId("particulars"), reasons(row), facts(row));
  }
  set(byId("fact-stored"), row.stored);
  set(byId("fact-waiting"), row.waiting);
  if (row.store_bytes !== undefined) set(byId("fact-bytes"), room(row));
}

function reasons(row) {
  const item = (text, kind, word) => h("li", {}, tone(word, kind), " ", h("span", {}, sentence(capital(text))));
  const items = [
    ...row.problems.map((text) => item(text, "bad", "Problem")),
    ...row.warnings.map((text) => item(text, "warn", "Warning")),
  ];
  if (!items.length) return h("p", {}, "The agent does its work: sources, rules, store and destinations.");
  return h("ul", { class: "plain reasons", "aria-label": "Problems and warnings" }, items);
}

function facts(row) {
  const fact = (word, value) => h("div", {}, h("dt", {}, word), h("dd", {}, value));
  return h("dl", { class: "facts" },
    fact("Clock", `${row.clock}: ${row.clock_why}`),
    fact("Events so far", h("span", { id: "fact-stored" })),
    fact("Waiting to be sent", h("span", { id: "fact-waiting" })),
    fact("Dead letters", h("a", { href: "#letters" }, row.dead)),
    row.store_bytes === undefined ? null : fact("Store", h("span", { id: "fact-bytes" })),
    fact("Started", [moment(row.started), " (", age(null, row.started, (text) => `${text} ago`), ")"]),
    fact("Version", row.version),
    fact("Zone of the plant", row.zone));
}

function room(row) {
  const size = (bytes) => (bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`);
  const of = row.store_limit ? ` of ${size(row.store_limit)}` : "";
  return `${size(row.store_bytes)}${of}${row.filling ? ", filling up" : ""}`;
}

let known = null; // keys of alarms that wait; null: nothing was told yet

/** Who does not see the page hears of what is new; a flood is one sentence. */
function announce() {
  const now = waiting(live.tables);
  const fresh = known ? now.filter(([key]) => !known.has(key)) : [];
  known = live.standing === "live" ? new Set(now.map(([key]) => key)) : null;
  if (!fresh.length) return;
  const [[name, { priority, message }]] = fresh;
  const one = `New alarm, ${priority}: ${message ?? name}`;
  set(byId("said"), fresh.length === 1 ? one : `${fresh.length} new alarms, the first: ${name}, ${priority}`);
}

// --- whether it is told ---------------------------------------------------------------------------

function showConnection(signIn) {
  const { standing: now, told, why } = live;
  toggle(document.documentElement, "data-standing", now);
  toggle(document.documentElement, "data-told", told !== null && now !== "refused");
  tone(...CONNECTIONS[now], byId("connection"));
  toggle(byId("old"), "hidden", now !== "lost");
  if (now === "lost") set(byId("old"), lost(told, why));
  if (now === "refused" && byId("sentence").dataset.said !== now) {
    byId("sentence").dataset.said = now;
    toggle(byId("state"), "data-tone", "quiet");
    const button = h("button", { class: "button small", type: "button", onclick: () => signIn() }, "Sign in");
    fill(byId("sentence"), "This agent shows nothing without a token. ", button);
    fill(byId("particulars"));
    listed = "";
  }
  showTitle();
}

function lost(told, why) {
  if (told === null) return `Not connected: ${why}. It is tried again and again; nothing needs to be done here.`;
  const at = new Date(told).toLocaleTimeString("en-GB");
  return `Not connected since ${at}; what you see is old. ${capital(why)}. It is tried again and again.`;
}

// --- what a tab in the background shows -----------------------------------------------------------

let painted = "";

function showTitle() {
  const site = live.tables.get("agent").get("agent")?.site ?? "Edge Relay";
  const loud = waiting(live.tables);
  const lead = live.standing === "lost" ? "Not connected: " : loud.length ? `(${loud.length}) ` : "";
  const wanted = `${lead}${title} · ${site}`;
  if (document.title !== wanted) document.title = wanted;
  const color = live.standing === "lost" ? "#6b7280" : loud.length ? "#b3001b" : "#2f6f4f";
  const text = live.standing === "lost" ? "?" : loud.length > 99 ? "99" : loud.length || "";
  if (painted !== color + text) {
    painted = color + text;
    document.querySelector("link[rel=icon]").href = `data:image/svg+xml,${encodeURIComponent(icon(color, text))}`;
  }
}

function icon(color, text) {
  const inner = text === ""
    ? '<path d="M8 17l6 6 10-13" fill="none" stroke="#fff" stroke-width="4"/>'
    : `<text x="16" y="23" font-family="sans-serif" font-weight="700" font-size="${String(text).length > 1 ? 17 : 21}"`
      + ` text-anchor="middle" fill="#fff">${text}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${color}"/>${inner}</svg>`;
}

// --- the theme ------------------------------------------------------------------------------------

function nextTheme() {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length];
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
  try {
    localStorage.setItem("edge-relay theme", next);
  } catch {
    // a browser that keeps nothing: it lasts as long as the page
  }
  showTheme();
}

function showTheme() {
  set(byId("theme"), THEMES[document.documentElement.dataset.theme ?? ""]);
}
