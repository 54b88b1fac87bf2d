// What the plant says: every tag with value, quality, age, place in its range, and ten minutes of it.
//
// Rules for whoever changes this: 50,000 tags must not stutter. What runs for all of them runs once a second and
// does arithmetic alone; what writes to the document runs for the rows in sight. Rows do not move under a hand:
// whatever is sorted or left out by what changes is arranged anew only while the pointer rests.

import { Grid } from "./grid.js";
import { STATES, makeRow, openTag, stateOf, writeRow } from "./tag.js";
import { Trends } from "./trend.js";
import { fill, h, set, toggle } from "./ui.js";

const EVERY = 1_000;
const HELD_FOR = 2_000; // after the last move over the list
const natural = new Intl.Collator(undefined, { numeric: true });
const RANKS = Object.fromEntries(Object.keys(STATES).map((state, rank) => [state, rank]));
const counted = new Intl.NumberFormat();

export const view = {
  id: "tags",
  title: "Tags",
  watches: ["values"],
  badge(tables) {
    let bad = 0;
    for (const value of tables.get("values").values()) if (value.quality === "bad") bad += 1;
    return bad ? { text: bad, tone: "warn" } : null;
  },
  mount(root, page) {
    return new TagsView(root, page);
  },
};

class TagsView {
  #page;
  #root;
  #all = []; // {name, tag, text, state, value}, by name: looked up once, for there may be 50,000
  #shown = []; // the names of those that are shown
  #opened = null;
  #moved = -Infinity;

  constructor(root, page) {
    this.#page = page;
    this.#root = root;
    this.trends = new Trends(page.get, () => this.grid.refresh());
    this.grid = new Grid({
      label: "Tags", columns: ["Tag", "Value", "Quality", "In its range", "Ten minutes", "Age"],
      make: makeRow, write: (el, name) => this.#write(el, name), open: (name) => this.#open(name),
      sight: (names) => this.#want(names),
    });
    this.el = this.#build(root);
    page.on("tags", () => this.#tagsChanged());
    page.on("values", (keys) => this.grid.refresh(keys));
    page.on("sources", () => this.grid.refresh());
    page.on("agent", () => this.#empty());
    setInterval(() => this.#tick(), EVERY);
    this.#tagsChanged();
  }

  /** `rest`: what to look for. */
  show(rest) {
    if (rest) this.el.search.value = rest;
    this.#judge();
    this.#arrange();
    this.#want(this.seen ?? []);
  }

  #build(root) {
    const again = () => this.#arrange(true);
    const search = h("input", { class: "input", type: "search", id: "tags-search", autocomplete: "off", spellcheck: "false", placeholder: "Name, source or unit", "aria-label": "Search tags by name, source or unit", oninput: again });
    const source = h("select", { class: "input short", "aria-label": "Source", onchange: again });
    const order = h("select", { class: "input short", "aria-label": "Order", onchange: again },
      h("option", { value: "name" }, "By name"), h("option", { value: "quality" }, "Worst first"), h("option", { value: "age" }, "Oldest first"));
    const all = this.#button("all", "All", true);
    const states = Object.entries(STATES).filter(([state]) => state !== "good").map(([state, { word }]) => this.#button(state, word, false));
    const found = h("p", { class: "muted", id: "tags-found" });
    const heard = h("p", { class: "unseen", role: "status" });
    const empty = h("div", { class: "empty" });
    const bar = h("div", { class: "toolbar" }, search, source, order, h("div", { class: "actions", role: "group", "aria-label": "Quality" }, all, states), found, heard);
    this.grid.el.addEventListener("pointermove", () => (this.#moved = performance.now()), { passive: true });
    root.append(bar, empty, this.grid.el);
    return { bar, search, source, order, buttons: [all, ...states], found, heard, empty };
  }

  #button(state, word, pressed) {
    return h("button", { class: "button small pick", type: "button", "data-state": state, "aria-pressed": String(pressed), onclick: () => this.#pick(state) },
      `${word} `, h("span", { class: "pick-count" }));
  }

  #pick(state) {
    for (const button of this.el.buttons) toggle(button, "aria-pressed", String(button.dataset.state === state));
    this.#arrange(true);
  }

  get #picked() {
    return this.el.buttons.find((button) => button.getAttribute("aria-pressed") === "true").dataset.state;
  }

  // --- which, in which order ---------------------------------------------------------------------------

  #tagsChanged() {
    const tags = this.#page.tables.get("tags");
    const text = (name, { source, unit }) => `${name}\n${source}\n${unit}`.toLowerCase();
    this.#all = [...tags].map(([name, tag]) => ({ name, tag, text: text(name, tag), state: "none", value: undefined }));
    this.#all.sort((one, other) => natural.compare(one.name, other.name));
    const sources = [...new Set([...tags.values()].map((tag) => tag.source))].sort(natural.compare);
    const chosen = this.el.source.value;
    fill(this.el.source, h("option", { value: "" }, "All sources"), sources.map((name) => h("option", { value: name }, name)));
    this.el.source.value = sources.includes(chosen) ? chosen : "";
    this.#empty();
    this.#judge();
    this.#arrange();
  }

  #empty() {
    const none = this.#all.length === 0;
    toggle(this.el.empty, "hidden", !none);
    toggle(this.el.bar, "hidden", none);
    toggle(this.grid.el, "hidden", none);
    if (!none) return;
    fill(this.el.empty, h("strong", {}, "No tags yet."), h("p", {}, "A tag is one value of a machine, and is read once it stands in sources.yaml. See what a device offers: ",
      h("code", {}, "edge-relay browse SOURCE"), ". Take a list over: ", h("code", {}, "edge-relay import-tags"), ". Then ", h("code", {}, "edge-relay reload"), "."));
  }

  /** What is shown, and in which order; `asked`: by a person, who is told how many there are. */
  #arrange(asked = false) {
    const words = this.el.search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const source = this.el.source.value;
    const picked = this.#picked;
    const found = this.#all.filter(({ tag, text, state }) =>
      (picked === "all" || state === picked) && (!source || tag.source === source) && words.every((word) => text.includes(word)));
    const shown = this.#sorted(found).map(({ name }) => name);
    const same = shown.length === this.#shown.length && shown.every((name, index) => name === this.#shown[index]);
    if (!same || asked) this.grid.show(shown);
    else this.grid.refresh();
    this.#shown = shown;
    const text = shown.length === this.#all.length ? `${counted.format(shown.length)} tags` : `${counted.format(shown.length)} of ${counted.format(this.#all.length)} tags`;
    set(this.el.found, shown.length ? text : "No tag is like that.");
    toggle(this.el.found, "hidden", shown.length === this.#all.length); // the button for all of them says it
    if (asked) set(this.el.heard, this.el.found.textContent);
  }

  /** How each tag stands now, and how many of each kind. */
  #judge() {
    const { tables } = this.#page;
    const [values, sources, now] = [tables.get("values"), tables.get("sources"), this.#page.now()];
    const counts = { all: this.#all.length };
    for (const each of this.#all) {
      each.value = values.get(each.name);
      each.state = stateOf(each.tag, each.value, sources.get(each.tag.source), now);
      counts[each.state] = (counts[each.state] ?? 0) + 1;
    }
    for (const button of this.el.buttons) {
      const count = counts[button.dataset.state] ?? 0;
      set(button.lastChild, counted.format(count));
      toggle(button, "data-none", count === 0);
    }
  }

  #sorted(found) {
    const order = this.el.order.value;
    if (order === "quality") found.sort((one, other) => RANKS[one.state] - RANKS[other.state]);
    if (order === "age") found.sort((one, other) => (one.value?.at ?? 0) - (other.value?.at ?? 0));
    return found;
  }

  #tick() {
    if (this.#root.offsetParent === null) {
      if (!document.hidden) this.trends.stop();
      return;
    }
    if (document.hidden || this.#all.length === 0) return;
    const rests = performance.now() - this.#moved > HELD_FOR;
    const moves = this.el.order.value !== "name" || this.#picked !== "all";
    this.#judge();
    if (moves && rests) this.#arrange();
    else this.grid.refresh();
  }

  // --- a row ------------------------------------------------------------------------------------------

  #facts(name) {
    const { tables } = this.#page;
    const tag = tables.get("tags").get(name);
    return { tag, value: tables.get("values").get(name), source: tables.get("sources").get(tag?.source), now: this.#page.now(), trend: this.trends.of(name) };
  }

  #write(el, name) {
    const facts = this.#facts(name);
    if (facts.tag) writeRow(el, name, facts);
  }

  #open(name) {
    this.#opened = name;
    openTag(name, (each) => this.#facts(each), () => this.#want(this.seen ?? []));
  }

  #want(names) {
    this.seen = names;
    this.trends.want(this.#opened && !names.includes(this.#opened) ? [...names, this.#opened] : names);
  }
}
