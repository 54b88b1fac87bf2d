// Dead letters: what was given up, by destination and reason, with the hand that sends it again or gives it up for good.
//
// Rules for whoever changes this: the reason comes first, for it is what is to be mended before anything is sent
// again; an order says how many it is about before it does anything (moving.js); what the agent refuses is said
// where the order was given, in its own words.

import { confirm, tell } from "./dialogs.js";
import { aboutOf, attempts, happened, messageOf, pairs, priority, raw, reasonOf } from "./event.js";
import { drop, resend } from "./moving.js";
import { fill, h, many, moment, rows, say, set, toggle } from "./ui.js";

const FIRST = 50; // what the live table has
const MOST = 2_000;
const SENT = "sent again";
const GIVEN_UP = "given up for good";
const REASONS = 6; // of a destination, the most frequent

export const view = {
  id: "letters",
  title: "Dead letters",
  watches: ["agent", "dead_letters"],
  badge(tables) {
    const count = tables.get("agent").get("agent")?.dead ?? tables.get("dead_letters").size;
    return count ? { text: count, tone: "bad" } : null;
  },
  mount(root, page) {
    return new LettersView(root, page);
  },
};

class LettersView {
  #page;
  #asked = new Map();
  #groups = new Map();

  constructor(root, page) {
    this.#page = page;
    const empty = h("p", { class: "empty" }, h("strong", {}, "No dead letters: every event has arrived or waits."),
      "What a receiver refuses for good, or what waits longer than its max_age, is kept here until somebody sends it again or gives it up.");
    const found = h("p", { class: "muted", role: "status" });
    const wrong = h("p", { class: "wrong", role: "alert" });
    const all = h("button", { class: "button", type: "button", onclick: () => this.#ask(MOST) }, "Show all");
    const list = h("ul", { class: "plain", "aria-label": "Destinations with dead letters" });
    root.append(h("div", { class: "toolbar" }, found, all), wrong, empty, list);
    this.el = { empty, found, wrong, all, list };
    this.groups = rows(list, (name) => this.#makeGroup(name), (li, letters, name) => this.#writeGroup(li, letters, name));
    page.on("dead_letters", (keys) => this.#told(keys));
    page.on("agent", () => this.#count());
    page.on("destinations", () => this.paint());
    this.paint();
  }

  #told(keys) {
    const table = this.#page.tables.get("dead_letters");
    const total = this.#page.tables.get("agent").get("agent")?.dead ?? 0;
    for (const key of keys) if (!table.has(key)) this.#asked.delete(key);
    this.paint();
    if (this.#asked.size && this.#asked.size !== total) this.#askSoon();
  }

  #askSoon() {
    clearTimeout(this.later);
    this.later = setTimeout(() => this.#ask(MOST), 1_500);
  }

  async #ask(limit) {
    try {
      const answer = await this.#page.get("api/deadletters", { limit });
      this.#asked = new Map(answer.map((row) => [`${row.destination}/${row.seq}`, row]));
      set(this.el.wrong, "");
    } catch (error) {
      set(this.el.wrong, error.message);
    }
    this.paint();
  }

  #letters() {
    const table = this.#page.tables.get("dead_letters");
    const all = this.#asked.size > table.size ? this.#asked : table;
    return [...all].sort(([, one], [, other]) => other.seq - one.seq);
  }

  #count() {
    const shown = this.#letters().length;
    const total = Math.max(shown, this.#page.tables.get("agent").get("agent")?.dead ?? 0);
    toggle(this.el.empty, "hidden", total > 0);
    set(this.el.found, total === 0 ? "" : shown < total ? `The newest ${shown} of ${many(total, "dead letter")}` : many(total, "dead letter"));
    toggle(this.el.all, "hidden", shown >= total || shown >= MOST || total <= FIRST);
    set(this.el.all, total > MOST ? `Show the newest ${MOST}` : "Show all");
  }

  paint() {
    const groups = new Map();
    for (const [key, letter] of this.#letters()) {
      if (!groups.has(letter.destination)) groups.set(letter.destination, []);
      groups.get(letter.destination).push([key, letter]);
    }
    for (const [name, { dead }] of this.#page.tables.get("destinations")) if (dead && !groups.has(name)) groups.set(name, []); // older than what is shown
    this.groups([...groups].sort(([one], [other]) => one.localeCompare(other)));
    this.#count();
  }

  // --- a destination ------------------------------------------------------------------------------------

  #makeGroup(name) {
    const part = { count: h("span", { class: "badge", "data-tone": "bad" }), shown: h("span", { class: "muted" }), wrong: h("p", { class: "wrong", role: "alert" }) };
    const reasons = h("ul", { class: "plain reasons-of", "aria-label": `Why, at ${name}` });
    const list = h("ul", { class: "lines", "aria-label": `Dead letters of ${name}` });
    part.reasons = rows(reasons, (reason) => this.#makeReason(name, reason, part), writeReason);
    part.list = rows(list, (key) => makeLetter(key, this.#page), writeLetter);
    const li = h("li", { class: "group", "data-key": name },
      h("div", { class: "group-head" }, h("h3", {}, name, " ", part.count), part.shown,
        this.#button("Send all again…", `Send all of ${name} again`, part, SENT, () => resend(this.#page, { destination: name })),
        this.#button("Give all up…", `Give all of ${name} up`, part, GIVEN_UP, () => drop(this.#page, { destination: name }))),
      part.wrong, reasons, list);
    this.#groups.set(li, part);
    return li;
  }

  #button(text, label, part, done, act) {
    const button = h("button", { class: "button small", type: "button", "aria-label": label }, text);
    button.addEventListener("click", () => carryOut(button, part.wrong, act, (count) => `${many(count, "dead letter is", "dead letters are")} ${done}.`));
    return button;
  }

  #makeReason(destination, reason, part) {
    const selection = { destination, reason };
    return h("li", {}, h("span", {}, reasonOf({ reason })), h("span", { class: "num muted" }),
      this.#button("Send these again…", `Send again what ${destination} did not take: ${reason}`, part, SENT, () => resend(this.#page, selection)),
      this.#button("Give these up…", `Give up what ${destination} did not take: ${reason}`, part, GIVEN_UP, () => drop(this.#page, selection)));
  }

  #writeGroup(li, letters, name) {
    const part = this.#groups.get(li);
    const counts = new Map();
    for (const [, { reason }] of letters) if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    const often = [...counts].sort(([, one], [, other]) => other - one).slice(0, REASONS);
    part.reasons(often);
    part.list(letters);
    const dead = Math.max(letters.length, this.#page.tables.get("destinations").get(name)?.dead ?? 0);
    set(part.count, dead);
    set(part.shown, dead === letters.length ? "" : letters.length ? `the newest ${letters.length} are shown` : "older than those that are shown");
  }
}

function writeReason(li, count) {
  set(li.children[1], `${count} of those shown`);
}

// --- a letter -------------------------------------------------------------------------------------------

const parts = new WeakMap();

function makeLetter(key, page) {
  const part = { time: h("time"), kind: h("div", { class: "kind" }), text: h("span"), about: h("span", { class: "about muted" }), why: h("span", { class: "about" }), wrong: h("p", { class: "wrong", role: "alert" }) };
  const again = h("button", { class: "button small", type: "button", "aria-label": `Send ${key} again`, onclick: () => sendAgain(part.row, page, again, part.wrong) }, "Send again");
  const open = h("button", { class: "button small", type: "button", "aria-label": `Details of ${key}`, onclick: () => openLetter(part.row, page) }, "Details");
  const li = h("li", { class: "line letter", "data-key": key }, part.time, part.kind, h("div", {}, part.text, part.about, part.why, part.wrong), h("div", { class: "actions" }, open, again));
  parts.set(li, part);
  return li;
}

function writeLetter(li, row) {
  const part = parts.get(li);
  if (part.row === row) return;
  part.row = row;
  moment(row.timestamp ?? row.settled ?? "", part.time);
  fill(part.kind, h("span", { class: "what" }, happened(row)), priority(row.data?.priority));
  set(part.text, messageOf(row));
  set(part.about, [aboutOf(row), `number ${row.seq}`].filter(Boolean).join(" · "));
  set(part.why, `Given up: ${reasonOf(row) || "the reason is not known"}`);
}

async function sendAgain({ destination, seq }, page, button, wrong) {
  const act = async () => {
    const answer = await page.order("api/deadletters/resend", undefined, { destination, seq });
    if (answer?.resent === 0) throw new Error("It was not sent: it is damaged on disk, its destination is gone, or somebody else was faster.");
    return answer && 1;
  };
  return carryOut(button, wrong, act, () => `Event ${seq} is sent to ${destination} again.`);
}

/** Whether it was done; what was refused is said where the order was given. */
async function carryOut(button, wrong, act, done) {
  if (button.disabled) return false;
  button.disabled = true;
  set(wrong, "");
  try {
    const count = await act();
    if (count) say(done(count), "good");
    return Boolean(count);
  } catch (error) {
    set(wrong, error.message);
    return false;
  } finally {
    button.disabled = false;
    if (document.activeElement === document.body && button.isConnected) button.focus({ preventScroll: true });
  }
}

// --- whole ----------------------------------------------------------------------------------------------

async function openLetter({ destination, seq }, page) {
  const body = h("div", { class: "whole", "data-wide": true }, h("p", { class: "muted" }, "Asking the agent…"));
  tell(`Dead letter ${seq} for ${destination}`, body);
  try {
    const path = `api/deadletters/${destination.split("/").map(encodeURIComponent).join("/")}/${seq}`;
    fill(body, shownWhole(await page.get(path), page, body));
  } catch (error) {
    fill(body, h("p", { class: "wrong", role: "alert" }, error.message));
  }
}

function shownWhole(letter, page, body) {
  const wrong = h("p", { class: "wrong", role: "alert" });
  const close = () => body.closest("dialog")?.close();
  const again = h("button", { class: "button primary", type: "button", onclick: async () => (await sendAgain(letter, page, again, wrong)) && close() }, "Send again");
  const giveUp = h("button", { class: "button", type: "button", onclick: async () => (await dropOne(letter, page, giveUp, wrong)) && close() }, "Give up…");
  return [
    h("p", { class: "value" }, messageOf(letter)),
    pairs([["Given up", reasonOf(letter)], ["When", letter.settled ? moment(letter.settled) : null], ["Happened", letter.timestamp ? moment(letter.timestamp) : null],
      ["What", happened(letter)], ["Type", letter.type], ["Id", letter.id], ["Attempts", letter.charged]]),
    h("div", { class: "actions" }, again, giveUp), wrong,
    h("h3", {}, "Attempts"), attempts(letter.attempts),
    letter.body_error ? h("p", { class: "wrong" }, `It cannot be written: ${letter.body_error}`) : null,
    letter.body ? raw("What is sent", pretty(letter.body)) : null,
  ];
}

async function dropOne({ destination, seq }, page, button, wrong) {
  const sure = await confirm(`Give up event ${seq}?`, `${destination} will never get it.`, "Give up…", true);
  if (!sure || !(await confirm("For good?", "It cannot be had back.", "Give up for good", true))) return false;
  const act = async () => (await page.order("api/deadletters/drop", undefined, { destination, seq }))?.dropped;
  return carryOut(button, wrong, act, () => `Event ${seq} is given up for ${destination}.`);
}

function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body; // not every format is JSON
  }
}
