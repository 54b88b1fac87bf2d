// The first view: what is open, with the operator's hand on it; what is put aside; and what nobody would be told of.
//
// Rules for whoever changes this: the louder and newer come first, but nothing moves under a hand that points: a row
// that jumps is how the wrong alarm is acknowledged. `All` means all that the person sees, never what came since.

import { makeAlarm, makeCalm, possible, putAside, refuse, updateAlarm, updateCalm, urgency, waits } from "./alarm.js";
import { confirm } from "./dialogs.js";
import { shortcutsOn } from "./keys.js";
import { askShelf } from "./shelving.js";
import { h, many, rows, say, sentence, set } from "./ui.js";

const HELD_FOR = 1_500; // after the last move of the pointer
const HELD_AT_MOST = 6_000;
const DONE = {
  acknowledge: "acknowledged", reset: "reset", shelve: "shelved", unshelve: "not shelved any more",
  out_of_service: "out of service", in_service: "back in service",
};

export const view = {
  id: "alarms",
  title: "Alarms",
  watches: ["alarms"],
  badge(tables) {
    const found = [...tables.get("alarms").values()].filter(waits);
    const loud = found.some((row) => row.priority === "critical" || row.priority === "high");
    return found.length ? { text: found.length, tone: loud ? "bad" : "warn" } : null;
  },
  mount(root, page) {
    return new AlarmsView(root, page);
  },
};

class AlarmsView {
  selected = new Set();
  #page;
  #order = []; // keys as they are shown
  #filter = "";
  #rules = null; // how many watch
  #heldSince = 0;
  #moved = -Infinity;
  #later = 0;
  #busy = new Set(); // what was pressed twice is ordered once

  constructor(root, page) {
    this.#page = page;
    const hand = (action, key) => this.act(action, [key]);
    this.el = this.#build(root);
    this.lists = {
      open: rows(this.el.open, (key) => makeAlarm(key, hand, this.#select), (li, row, key) => updateAlarm(li, row, this.selected.has(key))),
      aside: rows(this.el.aside, (key) => makeCalm(key, hand), updateCalm),
      unwatched: rows(this.el.unwatched, (key) => makeCalm(key, hand), updateCalm),
    };
    root.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("keydown", (event) => event.target.matches("body, main") && !root.closest("[hidden]") && this.#key(event));
    this.el.open.addEventListener("pointermove", () => (this.#moved = performance.now()));
    this.el.open.addEventListener("pointerleave", () => (this.#moved = -Infinity));
    page.on("alarms", (keys) => this.paint(keys));
    page.on("unwatched", (keys) => this.#paintCalm(keys));
    page.on("agent", () => this.#paintEmpty());
    page.on("configuration", () => this.#countRules());
    this.paint();
    this.#countRules();
  }

  #build(root) {
    const section = (id, title) => {
      const count = h("span", {});
      const list = h("ul", { class: "list", "aria-labelledby": id });
      const summary = h("summary", {}, h("h3", { id }, title, " ", count));
      return { list, count, el: h("details", { class: "fold", hidden: true }, summary, list) };
    };
    const filter = h("input", { class: "input", type: "search", "aria-label": "Filter alarms", placeholder: "Filter by name or text" });
    filter.addEventListener("input", () => {
      this.#filter = filter.value.trim().toLowerCase();
      this.paint();
    });
    const button = (text, onclick, hidden) => h("button", { class: "button", type: "button", hidden, onclick }, text);
    const some = button("", () => this.act("acknowledge", [...this.selected]), true);
    const all = button("Acknowledge all shown…", () => this.#acknowledgeAll(), false);
    const shown = h("span", { class: "muted", role: "status" });
    const bar = h("div", { class: "toolbar", role: "group", "aria-label": "Alarms shown" }, filter, all, shown, some);
    const wrong = h("p", { class: "wrong", role: "alert" });
    const empty = h("div", { class: "empty", role: "status" });
    const open = h("ul", { class: "list", "aria-label": "Open alarms" });
    const aside = section("alarms-aside", "Shelved or out of service");
    const unwatched = section("alarms-unwatched", "Not watched now");
    aside.el.open = true;
    root.append(bar, wrong, empty, open, aside.el, unwatched.el);
    const sections = { aside, unwatched };
    return { bar, filter, some, all, shown, wrong, empty, open, aside: aside.list, unwatched: unwatched.list, sections };
  }

  // --- what is shown ------------------------------------------------------------------------------

  paint(changed = null) {
    const table = this.#page.tables.get("alarms");
    for (const key of this.selected) if (!table.has(key)) this.selected.delete(key);
    const open = [...table].filter(([key, row]) => !putAside(row) && this.#fits(key, row)).sort(urgency);
    const entries = this.#held() ? this.#asTheyWere(open) : open;
    this.#order = entries.map(([key]) => key);
    this.lists.open(entries, changed);
    this.#rove();
    this.#paintBar(open);
    this.#paintCalm(changed);
    this.#paintEmpty();
  }

  #fits(key, row) {
    if (!this.#filter) return true;
    return [key, row.message, row.tag, row.priority, row.level].some((text) => text?.toLowerCase().includes(this.#filter));
  }

  /** A hand points at the list: what changes is shown, but in the place it has. */
  #held() {
    const now = performance.now();
    const pointing = now - this.#moved < HELD_FOR;
    this.#heldSince = pointing ? this.#heldSince || now : 0;
    if (!pointing || now - this.#heldSince > HELD_AT_MOST) return false;
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.paint(new Set()), HELD_FOR);
    return true;
  }

  #asTheyWere(entries) {
    const place = new Map(this.#order.map((key, index) => [key, index]));
    return entries.slice().sort(([a], [b]) => (place.get(a) ?? Infinity) - (place.get(b) ?? Infinity) || 0);
  }

  #paintBar(open) {
    const table = this.#page.tables.get("alarms");
    const waiting = open.filter(([, row]) => waits(row)).length;
    const total = this.#page.tables.get("agent").get("agent")?.alarms_open ?? table.size;
    this.el.bar.hidden = table.size === 0;
    this.el.all.hidden = open.every(([, row]) => row.acknowledged_by);
    this.el.some.hidden = this.selected.size === 0;
    set(this.el.some, `Acknowledge selected (${this.selected.size})`);
    const beyond = total > table.size ? ` (the ${table.size} most urgent of ${total})` : "";
    const which = this.#filter ? `${open.length} of ${many(table.size, "open alarm")} shown` : many(open.length, "open alarm");
    set(this.el.shown, `${which}${beyond}, ${waiting} not acknowledged`);
  }

  #paintCalm(changed = null) {
    const open = [...this.#page.tables.get("alarms")].filter(([, row]) => putAside(row));
    const calm = [...this.#page.tables.get("unwatched")];
    this.#section("aside", [...open, ...calm.filter(([, row]) => putAside(row))], changed);
    this.#section("unwatched", calm.filter(([, row]) => !putAside(row)), changed);
  }

  #section(name, entries, changed) {
    const { el, count } = this.el.sections[name];
    el.hidden = entries.length === 0;
    const total = this.#page.tables.get("agent").get("agent")?.unwatched_total ?? 0;
    const more = name === "unwatched" && total > this.#page.tables.get("unwatched").size; // they come as the first 500
    set(count, more ? `(${entries.length} of ${total})` : `(${entries.length})`);
    el.ontoggle = () => this.#section(name, entries, null);
    this.lists[name](el.open ? entries : [], changed);
    this.#rove();
  }

  #paintEmpty() {
    const agent = this.#page.tables.get("agent").get("agent");
    const nothing = Boolean(agent) && this.#order.length === 0;
    const filtered = nothing && this.#filter && this.#page.tables.get("alarms").size > 0;
    this.el.empty.hidden = !nothing;
    if (!nothing) return;
    const watched = this.#rules === null ? "" : `${many(this.#rules, "rule watches", "rules watch")}.`;
    const [title, text] = filtered ? ["No open alarm fits the filter.", ""]
      : agent.next_step ? ["There is nothing to watch yet.", agent.next_step] : ["No alarm is open.", watched];
    if (this.el.empty.dataset.said === title + text) return;
    this.el.empty.dataset.said = title + text;
    this.el.empty.replaceChildren(h("strong", {}, title), h("span", {}, sentence(text)));
  }

  async #countRules() {
    try {
      const found = await this.#page.get("api/rules");
      this.#rules = found.filter((rule) => rule.enabled).length;
    } catch {
      this.#rules = null; // it is said without a number
    }
    this.#paintEmpty();
  }

  #select = (key, yes) => {
    if (yes) this.selected.add(key);
    else this.selected.delete(key);
    this.paint(new Set());
  };

  // --- orders -------------------------------------------------------------------------------------

  async act(action, keys) {
    if (keys.some((key) => this.#busy.has(key))) return;
    for (const li of keys.map((key) => this.#row(key))) if (li) refuse(li, "");
    set(this.el.wrong, "");
    keys.forEach((key) => this.#busy.add(key));
    try {
      const give = (which, order) => this.#give(which, order);
      const answer = action === "shelve" ? await askShelf(keys, give) : await give(action, { rules: keys });
      if (answer) this.#obeyed(answer, keys);
    } catch (error) {
      this.#refused(error.message, keys);
    } finally {
      keys.forEach((key) => this.#busy.delete(key));
    }
  }

  async #give(action, order) {
    const answer = await this.#page.order(`api/alarms/${action}`, order);
    return answer && { ...answer, action };
  }

  #obeyed({ action, done = [], refused = [] }, keys) {
    const what = done.length === 1 ? done[0] : many(done.length, "alarm");
    if (done.length) say(`${what}: ${DONE[action]}.`, "good");
    if (refused.length) this.#refused(refused.join(" "), keys);
    this.selected.clear();
    this.paint();
  }

  #refused(text, keys) {
    const li = keys.length === 1 ? this.#row(keys[0]) : null;
    if (li) refuse(li, text);
    else set(this.el.wrong, text);
  }

  async #acknowledgeAll() {
    const table = this.#page.tables.get("alarms");
    const keys = this.#order.filter((key) => table.has(key) && !table.get(key).acknowledged_by);
    const text = "Those that are shown now, and none that comes meanwhile. Your name stands in the event of each.";
    const sure = keys.length && (await confirm(`Acknowledge ${many(keys.length, "alarm")}?`, text, "Acknowledge"));
    if (sure) await this.act("acknowledge", keys);
  }

  // --- by keyboard --------------------------------------------------------------------------------

  #rows() {
    return [...this.el.open.children, ...this.el.aside.children, ...this.el.unwatched.children];
  }

  #row(key) {
    return this.#rows().find((li) => li.dataset.key === key);
  }

  /** One row is reached by Tab, with its buttons; the arrows go to the others. */
  #rove() {
    const all = this.#rows();
    const chosen = all.find((li) => li.contains(document.activeElement)) ?? all.find((li) => li.tabIndex === 0) ?? all[0];
    for (const li of all) if ((li.tabIndex === 0) !== (li === chosen)) this.#reach(li, li === chosen);
  }

  #reach(li, yes) {
    li.tabIndex = yes ? 0 : -1;
    for (const control of li.querySelectorAll("button, input")) control.tabIndex = yes ? 0 : -1;
  }

  #key(event) {
    const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const all = this.#rows();
    const at = all.findIndex((li) => li.contains(document.activeElement));
    const steps = { ArrowDown: 1, ArrowUp: -1, ...(shortcutsOn() ? { j: 1, k: -1 } : {}) };
    const step = event.target.matches("body, main") && event.key.startsWith("Arrow") ? 0 : steps[event.key] ?? 0;
    if (step) {
      event.preventDefault();
      all[Math.max(0, Math.min(all.length - 1, at + step))]?.focus();
      this.#rove();
    } else if (at >= 0 && shortcutsOn()) this.#press(all[at], event);
  }

  #press(li, event) {
    const key = li.dataset.key;
    const row = this.#page.tables.get("alarms").get(key) ?? this.#page.tables.get("unwatched").get(key);
    if (event.key === "x") this.#select(key, !this.selected.has(key));
    const wanted = { a: ["acknowledge", "reset"], s: ["shelve", "unshelve", "in_service"] }[event.key] ?? [];
    const action = wanted.find((each) => row && possible(row).includes(each));
    if (action) {
      event.preventDefault();
      this.act(action, [key]);
    }
  }
}
