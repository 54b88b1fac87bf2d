// What happened, the newest first, and what became of it at each destination.
//
//   #events/ID-OF-A-RULE shows those of one rule.
//
// Rules for whoever changes this: while nothing is filtered, the list is the live table; older ones and filtered
// ones are asked for, and then kept up to date by what the table tells, so that nobody reads a list that stands
// still without knowing.

import { tell } from "./dialogs.js";
import { GROUPS, STATES, aboutOf, attempts, chip, dataPairs, happened, messageOf, pairs, priority, raw, reasonOf } from "./event.js";
import { fill, h, many, moment, rows, set, toggle } from "./ui.js";

const FIRST = 50; // what the live table has
const MOST = 2_000; // so many rows, a browser shows without stutter; more is for `edge-relay events`
const SETTLED_MS = 300;

export const view = {
  id: "events",
  title: "Events",
  mount(root, page) {
    return new EventsView(root, page);
  },
};

class EventsView {
  #page;
  #asked = new Map(); // what was asked for, by number
  #limit = FIRST;
  #more = true;
  #timer = 0;
  #question = 0;

  constructor(root, page) {
    this.#page = page;
    this.el = this.#build(root);
    this.list = rows(this.el.list, (key) => makeLine(() => openEvent(key, page)), writeLine);
    page.on("events", (keys) => this.#told(keys));
    this.paint();
  }

  show(rest) {
    if (!rest) return;
    this.el.rule.value = rest;
    this.#again(0);
  }

  #build(root) {
    const asks = () => this.#again(0);
    const option = ([value, word]) => h("option", { value }, word);
    const type = h("select", { class: "input", "aria-label": "What happened", onchange: asks }, [["", "Everything"], ...GROUPS].map(option));
    const states = Object.entries(STATES).map(([state, [word]]) => [state, `A delivery is ${word}`]);
    const state = h("select", { class: "input", "aria-label": "State of a delivery", onchange: asks }, [["", "All deliveries"], ...states].map(option));
    const rule = h("input", { class: "input", type: "search", autocomplete: "off", spellcheck: "false", placeholder: "Rule, its exact name", "aria-label": "Of this rule: its exact name", oninput: () => this.#again(SETTLED_MS) });
    const found = h("p", { class: "muted", role: "status" });
    const wrong = h("p", { class: "wrong", role: "alert" });
    const empty = h("p", { class: "empty" });
    const list = h("ul", { class: "lines", "aria-label": "Events, the newest first" });
    const older = h("button", { class: "button", type: "button", onclick: () => this.#older() }, "Show older events");
    root.append(h("div", { class: "toolbar" }, type, state, rule, found), wrong, empty, list, h("div", { class: "actions end" }, older));
    return { type, state, rule, found, wrong, empty, list, older };
  }

  get #filter() {
    return { type: this.el.type.value, state: this.el.state.value, rule: this.el.rule.value.trim() };
  }

  get #filtered() {
    return Object.values(this.#filter).some(Boolean);
  }

  #told(keys) {
    const table = this.#page.tables.get("events");
    for (const key of keys) if (this.#asked.has(key) && table.has(key)) this.#asked.set(key, table.get(key));
    if (this.#filtered && [...keys].some((key) => table.has(key) && !this.#asked.has(key))) this.#again(2_000);
    this.paint(keys);
  }

  /** Another selection: from the first fifty on. */
  #again(wait) {
    if (wait !== 2_000) {
      this.#limit = FIRST;
      this.#asked.clear();
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#filtered ? this.#ask() : this.paint()), wait);
  }

  #older() {
    this.#limit = Math.min(MOST, this.#limit * 4);
    this.#ask();
  }

  async #ask() {
    const question = ++this.#question;
    toggle(this.el.older, "disabled", true);
    try {
      const answer = await this.#page.get("api/events", { ...this.#filter, limit: this.#limit });
      if (question !== this.#question) return; // another was asked since
      this.#asked = new Map(answer.map((row) => [String(row.seq), row]));
      this.#more = answer.length === this.#limit && this.#limit < MOST;
      set(this.el.wrong, "");
    } catch (error) {
      if (question === this.#question) set(this.el.wrong, `The events could not be had: ${error.message}`);
    }
    toggle(this.el.older, "disabled", false);
    this.paint();
  }

  paint(changed = null) {
    const table = this.#page.tables.get("events");
    const all = new Map(this.#filtered ? this.#asked : [...this.#asked, ...table]);
    const newest = [...all].sort(([one], [other]) => Number(other) - Number(one));
    this.list(newest, changed);
    toggle(this.el.list, "hidden", newest.length === 0);
    set(this.el.found, newest.length ? many(newest.length, "event") : "");
    const begun = this.#asked.size || this.#filtered;
    toggle(this.el.older, "hidden", begun ? !this.#more || newest.length === 0 : table.size < FIRST);
    toggle(this.el.empty, "hidden", newest.length > 0);
    if (newest.length) return;
    if (this.#filtered) fill(this.el.empty, h("strong", {}, "No event is like that."), "Show everything again, or look further back with ", h("code", {}, "edge-relay events --since 7d"), ".");
    else fill(this.el.empty, h("strong", {}, "Nothing has happened yet."), "An event is made when a rule sees what it watches for. Try the way to a receiver: ", h("code", {}, "edge-relay send-test DESTINATION"), ".");
  }
}

// --- a line -----------------------------------------------------------------------------------------

const parts = new WeakMap();

export function makeLine(open) {
  const part = {
    time: h("time"), kind: h("div", { class: "kind" }), text: h("span"), about: h("span", { class: "about muted" }), chips: h("div", { class: "chips" }),
    button: h("button", { class: "button small", type: "button", onclick: open }, "Details"),
  };
  const li = h("li", { class: "line" }, part.time, part.kind, h("div", {}, part.text, part.about), part.chips, part.button);
  parts.set(li, part);
  return li;
}

function writeLine(li, row, key) {
  const part = parts.get(li);
  moment(row.timestamp ?? "", part.time);
  fill(part.kind, h("span", { class: "what" }, happened(row)), priority(row.data?.priority));
  set(part.text, messageOf(row));
  set(part.about, aboutOf(row));
  fill(part.chips, row.deliveries.length ? row.deliveries.map((each) => chip(each)) : h("span", { class: "muted" }, "no destination wants it"));
  toggle(part.button, "aria-label", `Details of event ${key}: ${happened(row)}`);
  toggle(li, "data-key", key);
}

// --- whole ------------------------------------------------------------------------------------------

/** All that is known of an event, in a window. */
export async function openEvent(seq, page) {
  const body = h("div", { class: "whole", "data-wide": true }, h("p", { class: "muted" }, "Asking the agent…"));
  tell(`Event ${seq}`, body);
  try {
    const event = await page.get(`api/events/${encodeURIComponent(seq)}`);
    fill(body, ...shownWhole(event));
  } catch (error) {
    fill(body, h("p", { class: "wrong", role: "alert" }, error.message));
  }
}

function shownWhole(event) {
  const head = pairs([["What", happened(event)], ["Type", event.type], ["When", event.timestamp ? moment(event.timestamp) : null], ["Id", event.id]]);
  return [
    h("p", { class: "value" }, messageOf(event)), head,
    h("h3", {}, "Deliveries"),
    event.deliveries.length ? event.deliveries.map(shownDelivery) : h("p", { class: "muted" }, "No destination wants events like this one."),
    event.data ? [h("h3", {}, "What it says"), dataPairs(event.data), raw("As JSON", { type: event.type, timestamp: event.timestamp, data: event.data })] : null,
  ].flat();
}

function shownDelivery(delivery) {
  const facts = pairs([
    ["Settled", delivery.settled ? moment(delivery.settled) : null], ["Why", reasonOf(delivery)],
    ["Sent again", delivery.resent ? "by hand" : null], ["Attempts", delivery.charged ? `${delivery.charged} that failed, the last ten are kept` : null],
  ]);
  return h("section", { "aria-label": delivery.destination }, h("h4", {}, delivery.destination, chip(delivery, false)), facts, delivery.charged || delivery.attempts?.length ? attempts(delivery.attempts) : null);
}
