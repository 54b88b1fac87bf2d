// What came in by relays, and the audit: what messages asked of machines and alarms, and what became of it.
//
// Rules for whoever changes this: `unknown` is not `failed`: a machine may have moved, and a person has to look.
// What a message has in it is its sender's secret and is not shown; who it was, is.

import { fill, h, many, moment, number, rows, set, toggle } from "./ui.js";

const FIRST = 50; // what the live tables have
const MOST = 1_000;
const OUTCOMES = {
  done: ["Done", "good", ""],
  rejected: ["Refused", "warn", "⊘"],
  repeated: ["Came before", "quiet", "↻"],
  failed: ["Failed", "bad", "✕"],
  unknown: ["Not known", "bad", "?"],
  waiting: ["Waiting", "quiet", "…"],
  acting: ["Acting", "quiet", "▸"],
  sent: ["On its way", "quiet", "→"],
};
const KINDS = {
  inbound: { title: "Messages", make: makeMessage, write: writeMessage, none: "No message has come in." },
  audit: { title: "Audit", make: makeAudited, write: writeAudited, none: "No message has asked anything of a machine or an alarm." },
};

export const view = {
  id: "inbound",
  title: "Inbound",
  mount(root, page) {
    return new InboundView(root, page);
  },
};

class InboundView {
  #page;
  #root;
  #panels = {};

  constructor(root, page) {
    this.#page = page;
    this.#root = root;
    const tabs = h("div", { class: "actions", role: "tablist", "aria-label": "Inbound" });
    const panels = Object.entries(KINDS).map(([kind, what]) => this.#panel(kind, what, tabs));
    root.append(h("div", { class: "toolbar" }, tabs), ...panels);
    tabs.addEventListener("keydown", (event) => this.#key(event));
    this.#pick("inbound");
    for (const kind of Object.keys(KINDS)) {
      page.on(kind, (keys) => this.#paint(kind, keys));
      this.#paint(kind);
    }
    page.on("relays", () => Object.keys(KINDS).forEach((kind) => this.#paint(kind, new Set())));
  }

  show(rest) {
    if (rest in KINDS) this.#pick(rest);
  }

  #panel(kind, what, tabs) {
    const tab = h("button", { class: "button pick", type: "button", role: "tab", id: `${kind}-tab`, "aria-controls": `${kind}-panel`, onclick: () => this.#pick(kind) }, what.title);
    const list = h("ul", { class: "lines", "aria-label": what.title });
    const empty = h("div", { class: "empty" });
    const wrong = h("p", { class: "wrong", role: "alert" });
    const more = h("button", { class: "button", type: "button", onclick: () => this.#ask(kind) }, "Show older ones");
    const el = h("div", { id: `${kind}-panel`, role: "tabpanel", tabindex: 0, "aria-labelledby": `${kind}-tab` }, wrong, empty, list, h("div", { class: "actions end" }, more));
    tabs.append(tab);
    this.#panels[kind] = { tab, list, empty, wrong, more, el, older: [], rows: rows(list, what.make, what.write) };
    return el;
  }

  #pick(kind) {
    for (const [each, { tab, el }] of Object.entries(this.#panels)) {
      toggle(tab, "aria-selected", String(each === kind));
      toggle(tab, "tabindex", each === kind ? "0" : "-1");
      toggle(el, "hidden", each !== kind);
    }
  }

  #key(event) {
    if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
    const [other] = Object.entries(this.#panels).find(([, { tab }]) => tab !== event.target);
    this.#pick(other);
    this.#panels[other].tab.focus();
  }

  async #ask(kind) {
    const panel = this.#panels[kind];
    try {
      const answer = await this.#page.get(`api/${kind}`, { limit: MOST });
      const live = new Set([...this.#page.tables.get(kind).values()].map(identity));
      panel.older = answer.filter((row) => !live.has(identity(row))).reverse().map((row, index) => [`older ${answer.length - index}`, row]);
      panel.begun = true;
      set(panel.wrong, "");
    } catch (error) {
      set(panel.wrong, `They could not be had: ${error.message}`);
    }
    this.#paint(kind);
  }

  #paint(kind, changed = null) {
    const panel = this.#panels[kind];
    const table = this.#page.tables.get(kind);
    const newest = [...table].sort(([one], [other]) => Number(other) - Number(one));
    const live = new Set(newest.map(([, row]) => identity(row)));
    const entries = [...newest, ...panel.older.filter(([, row]) => !live.has(identity(row)))];
    panel.rows(entries, changed);
    set(panel.tab, `${KINDS[kind].title}${entries.length ? ` ${entries.length}` : ""}`);
    toggle(panel.tab, "aria-label", `${KINDS[kind].title}: ${many(entries.length, "line")}`);
    toggle(panel.more, "hidden", panel.begun || table.size < FIRST);
    toggle(panel.empty, "hidden", entries.length > 0);
    if (!entries.length) fill(panel.empty, h("strong", {}, KINDS[kind].none), this.#hint());
  }

  #hint() {
    if (this.#page.tables.get("relays").size) return "A relay is configured: what is sent to it appears here within seconds.";
    return h("span", {}, "Messages come by a relay, which the agent asks, so the firewall stays shut: describe one under ", h("code", {}, "inbound:"), " in agent.yaml, with a route for each type, then ", h("code", {}, "edge-relay reload"), ".");
  }
}

/** What tells a row of the live table from one that was asked for, which has no number. */
function identity({ at, relay, id, type, action, target, sender }) {
  return JSON.stringify([at, relay, id, type, action, target, sender]);
}

/** The outcome as a chip, in words and shape. */
function outcome(word) {
  const [text, tone, sign] = OUTCOMES[word] ?? [word, "quiet", "?"];
  const el = h("span", { class: "chip", "data-tone": tone }, text);
  return toggle(el, "data-sign", sign || null);
}

const parts = new WeakMap();

function makeLine(name, key) {
  const part = { time: h("time"), chip: h("div"), text: h("span"), why: h("span", { class: "about" }), who: h("div", { class: "muted" }) };
  const li = h("li", { class: `line ${name}`, "data-key": key }, part.time, part.chip, h("div", {}, part.text, part.why), part.who);
  parts.set(li, part);
  return li;
}

function makeMessage(key) {
  return makeLine("message", key);
}

function makeAudited(key) {
  return makeLine("audited", key);
}

function writeMessage(li, row) {
  const part = parts.get(li);
  moment(row.at, part.time);
  fill(part.chip, outcome(row.outcome || row.state), row.damaged ? h("span", { class: "chip", "data-tone": "bad" }, "damaged on disk") : null);
  fill(part.text, h("strong", {}, row.type || "no type"), row.route ? ` by route ${row.route}` : " by no route");
  set(part.why, row.reason);
  fill(part.who, h("span", { class: "about" }, `relay ${row.relay}, ${row.sender ? `signed by ${row.sender}` : "signed by nobody"}`), h("span", { class: "about mono" }, row.id));
}

function writeAudited(li, row) {
  const part = parts.get(li);
  moment(row.at, part.time);
  fill(part.chip, outcome(row.outcome), row.count > 1 ? h("span", { class: "about muted" }, `${row.count} times`) : null);
  const change = row.old === null && row.new === null ? null : h("span", { class: "value" }, ` ${said(row.old)} → ${said(row.new)}`);
  fill(part.text, h("strong", {}, `${row.action} ${row.target}`.trim() || "A message"), change);
  set(part.why, row.reason);
  fill(part.who, h("span", { class: "about" }, `${row.sender || "nobody we know"}, by relay ${row.relay}`), h("span", { class: "about mono" }, row.id));
}

function said(value) {
  return typeof value === "number" || value === null ? number(value) : JSON.stringify(value);
}
