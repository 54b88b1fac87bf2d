// The last ten minutes of tags: what is asked of the agent, and the lines that are drawn of it.
//
//     const trends = new Trends(page.get, drawn);   // drawn: called when lines have come
//     trends.want(["A", "B"]);                 // those in sight: asked for a moment later, and each ten seconds
//     sparkline(svg, trends.of("A"));          // into an <svg> of its own
//
// Rules for whoever changes this: the agent is asked for what is in sight and for nothing else (see Trends in
// agent/web/tables.py for the bounds of one question); a gap is drawn as a gap, never bridged, for a line over
// a time in which nothing was known would be a lie; svg is made with createElementNS, and has no style of its own.

const SVG = "http://www.w3.org/2000/svg";
const SETTLED_MS = 150; // so long a list has stood still before it is asked for
const MOST_NAMES = 100; // of one question; the agent takes 200
const MOST_LENGTH = 6000; // of one address; the agent takes 8,000 characters
const KEPT = 2000; // tags whose line is remembered after they went out of sight
const WIDTH = 120;
const HEIGHT = 28;

/** What is known of the trends of tags, asked for as they come into sight. */
export class Trends {
  #get;
  #drawn;
  #known = new Map();
  #wanted = [];
  #timer = 0;
  #asking = false;
  #stopped = false;

  constructor(get, drawn) {
    this.#get = get;
    this.#drawn = drawn;
  }

  /** The line of a tag: {values, every, until}; undefined: it has not come yet. */
  of(name) {
    return this.#known.get(name);
  }

  /** Have the lines of these tags, as soon as no others are wanted for a moment. */
  want(names) {
    this.#stopped = false;
    this.#wanted = names;
    this.#soon(SETTLED_MS);
  }

  /** Ask nothing more, until something is wanted again. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #soon(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), wait);
  }

  async #ask() {
    if (this.#stopped || this.#asking || document.hidden) {
      if (!this.#stopped) this.#soon(1000);
      return;
    }
    const due = this.#wanted.filter((name) => !(this.#known.get(name)?.due > performance.now()));
    this.#asking = true;
    let wait = 1000;
    try {
      for (const part of parts(due)) this.#keep(part, await this.#get("api/trends", { tags: JSON.stringify(part) }));
      if (due.length > 0) this.#drawn();
    } catch (error) {
      this.#stopped ||= error.status === 401; // asked again with another token, not to ask for one again and again
      wait = 5000; // what is wrong with the agent, the frame says
    }
    this.#asking = false;
    if (!this.#stopped) this.#soon(wait);
  }

  #keep(names, answer) {
    const due = performance.now() + answer.every_s * 1000;
    for (const name of names) {
      this.#known.delete(name); // what is kept last was asked for last
      const values = answer.trends[name] ?? [];
      this.#known.set(name, { values, every: answer.every_s, until: answer.until, due });
    }
    for (const name of this.#known.keys()) {
      if (this.#known.size <= KEPT) break;
      this.#known.delete(name);
    }
  }
}

/** So many questions as the bounds of one ask for. */
function* parts(names) {
  let part = [];
  let length = 0;
  for (const name of names) {
    const more = encodeURIComponent(JSON.stringify(name)).length + 3;
    if (part.length === MOST_NAMES || (part.length > 0 && length + more > MOST_LENGTH)) {
      yield part;
      part = [];
      length = 0;
    }
    part.push(name);
    length += more;
  }
  if (part.length > 0) yield part;
}

/** The lowest and the highest of a line; null: nothing was known. */
export function extent(values) {
  let lowest = null;
  let highest = null;
  for (const value of values) {
    if (value === null) continue;
    if (lowest === null || value < lowest) lowest = value;
    if (highest === null || value > highest) highest = value;
  }
  return { lowest, highest };
}

/** An <svg> to draw a line into. */
export function canvas(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", name);
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true"); // what it shows is said in words beside it
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("vector-effect", "non-scaling-stroke");
  svg.append(line);
  return svg;
}

/** Draw the line of a tag, or nothing while there is none. */
export function sparkline(svg, trend) {
  const path = trend === undefined ? "" : outline(trend.values);
  const line = svg.firstChild;
  if (line.getAttribute("d") !== path) line.setAttribute("d", path);
}

/** The path of a line: a stroke for each stretch in which something was known. */
export function outline(values) {
  const { lowest, highest } = extent(values);
  if (lowest === null) return "";
  const step = WIDTH / Math.max(1, values.length - 1);
  const scale = highest === lowest ? 0 : (HEIGHT - 4) / (highest - lowest);
  let path = "";
  let drawing = false;
  values.forEach((value, place) => {
    if (value === null) {
      drawing = false;
      return;
    }
    const x = (place * step).toFixed(1);
    const y = (scale === 0 ? HEIGHT / 2 : HEIGHT - 2 - (value - lowest) * scale).toFixed(1);
    const alone = !drawing && (values[place + 1] ?? null) === null;
    path += `${drawing ? "L" : "M"}${x} ${y}${alone ? "h.1" : ""}`;
    drawing = true;
  });
  return path;
}
