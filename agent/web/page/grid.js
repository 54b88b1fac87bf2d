// A list of thousands of rows, of which only those in sight are in the document.
//
//   const grid = new Grid({ label, columns: ["Tag", ...], make: () => row element, write: (el, key, index) => ..., open: (key) => ..., sight: (keys) => ... })
//   grid.el             to be put into the page, which scrolls it
//   grid.show(keys)     these, in this order
//   grid.refresh(keys)  those of these that are in sight are written anew (no Set: all in sight)
//
// The grid has the focus, and says by aria-activedescendant which row is meant: a row that is scrolled away would
// take the focus with it. Arrows, Page Up and Down, Home and End go; Enter and Space open.
//
// Rules for whoever changes this: all rows are of one height, that of the first, so that a place is a
// multiplication and 50,000 cost no more than 50; nothing is read from the layout between two writes to it.

import { h, toggle } from "./ui.js";

const BEYOND = 6; // rows above and below those in sight: a little scrolling shows no gap
let numbers = 0;

export class Grid {
  #what;
  #keys = [];
  #places = new Map();
  #rows = []; // elements, each with the index it shows: {el, index, key}
  #first = 0;
  #count = 0;
  #height = 56;
  #active = null;
  #scheduled = false;
  #id = `grid-${++numbers}`;

  constructor(what) {
    this.#what = what;
    this.body = h("div", { class: "grid-body", role: "rowgroup" });
    this.mark = h("div", { class: "grid-mark", "aria-hidden": "true" });
    const titles = what.columns.map((title) => h("div", { role: "columnheader" }, title));
    const head = h("div", { class: "grid-head", role: "rowgroup" },
      h("div", { class: "grid-row", role: "row", "aria-rowindex": 1 }, titles));
    this.el = h("div", { class: "grid", role: "grid", tabindex: 0, "aria-label": what.label, "aria-readonly": "true" }, head, this.body);
    this.el.addEventListener("keydown", (event) => this.#key(event));
    this.body.addEventListener("click", (event) => this.#click(event));
    this.el.addEventListener("focus", () => this.#focused());
    document.addEventListener("scroll", () => this.#soon(), { passive: true, capture: true });
    new ResizeObserver(() => this.#measure()).observe(this.el);
    addEventListener("resize", () => this.#measure());
  }

  show(keys) {
    this.#keys = keys;
    this.#places = null;
    toggle(this.el, "aria-rowcount", keys.length + 1);
    this.#stretch();
    this.#look(true);
  }

  refresh(changed = null) {
    for (const row of this.#rows) {
      if (row.key !== null && (!changed || changed.has(row.key))) this.#what.write(row.el, row.key);
    }
  }

  #stretch() {
    const height = `${this.#keys.length * this.#height}px`;
    if (this.body.style.height !== height) this.body.style.height = height;
  }

  #soon() {
    if (this.#scheduled || this.el.offsetParent === null) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#look(false);
    });
  }

  #measure() {
    const height = this.#rows[0]?.el.offsetHeight ?? 0;
    if (height > 0 && height !== this.#height) {
      this.#height = height;
      this.#stretch();
      for (const row of this.#rows) row.index = -1; // each stands elsewhere now
      this.#look(true);
    }
    this.#soon();
  }

  /** Which rows are in sight, and have them shown; `anew`: what they show may be another. */
  #look(anew) {
    const top = -this.body.getBoundingClientRect().top;
    const most = Math.max(0, this.#keys.length - 1);
    const first = Math.min(most, Math.max(0, Math.floor(top / this.#height) - BEYOND));
    const count = Math.min(this.#keys.length - first, Math.ceil(innerHeight / this.#height) + 2 * BEYOND);
    const moved = first !== this.#first || count !== this.#count;
    if (!anew && !moved) return;
    this.#first = first;
    this.#count = count;
    this.#fill();
    this.#point();
    this.#what.sight?.(this.#keys.slice(first, first + count));
  }

  /** A row that stays in sight keeps its element: the others take those that are free. */
  #fill() {
    const fresh = this.#rows.length === 0 && this.#count > 0;
    while (this.#rows.length < this.#count) this.#rows.push(this.#make());
    const size = this.#rows.length;
    for (let place = 0; place < size; place += 1) {
      const index = this.#first + ((place - (this.#first % size) + size) % size);
      const row = this.#rows[place];
      const key = index < this.#first + this.#count ? this.#keys[index] : null;
      if (row.index !== index) {
        row.index = index;
        row.el.style.transform = `translateY(${index * this.#height}px)`;
        row.el.setAttribute("aria-rowindex", index + 2);
      }
      row.key = key;
      toggle(row.el, "hidden", key === null);
      if (key !== null) this.#what.write(row.el, key);
    }
    if (fresh) this.#measure();
  }

  #make() {
    const el = this.#what.make();
    el.id = `${this.#id}-${this.#rows.length}`;
    this.body.append(el);
    return { el, index: -1, key: null };
  }

  // --- by keyboard and pointer ------------------------------------------------------------------------

  #place(key) {
    this.#places ??= new Map(this.#keys.map((each, index) => [each, index]));
    return this.#places.get(key) ?? -1;
  }

  /** Say which row is meant, if it is in sight. */
  #point() {
    let found = null;
    for (const row of this.#rows) {
      const meant = row.key !== null && row.key === this.#active;
      toggle(row.el, "aria-selected", meant ? "true" : "false");
      if (meant) found = row.el.id;
    }
    toggle(this.el, "aria-activedescendant", found);
  }

  #focused() {
    if (this.#active === null || this.#place(this.#active) < 0) this.#active = this.#keys[0] ?? null;
    this.#point();
  }

  #go(index) {
    const to = Math.min(this.#keys.length - 1, Math.max(0, index));
    if (to < 0) return;
    this.#active = this.#keys[to];
    this.mark.style.top = `${to * this.#height}px`;
    this.mark.style.height = `${this.#height}px`;
    this.body.append(this.mark);
    this.mark.scrollIntoView({ block: "nearest" });
    this.mark.remove();
    this.#look(true);
  }

  #key(event) {
    if (event.target !== this.el || event.ctrlKey || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(innerHeight / this.#height) - 5);
    const here = this.#place(this.#active);
    const places = {
      ArrowDown: here + 1, ArrowUp: here - 1, PageDown: here + page, PageUp: here - page, Home: 0, End: this.#keys.length - 1,
    };
    if (event.key in places) this.#go(places[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && here >= 0) this.#what.open(this.#active);
    else return;
    event.preventDefault();
  }

  #click(event) {
    const row = this.#rows.find((each) => each.el.contains(event.target));
    if (!row || row.key === null || !getSelection().isCollapsed) return;
    this.#active = row.key;
    this.#point();
    this.#what.open(row.key);
  }
}
