// The live tables: what the agent says over GET /api/live, kept as Maps of rows, for whoever wants to show them.
//
//   import { live } from "./stream.js";
//   live.tables.get("alarms")            Map of rows by key; there for any table, empty until told
//   const off = live.on("alarms", fn)    fn(keys) at most once a frame; keys: Set of what has changed, gone ones too
//   live.on("connection", fn)            the standing has changed: live.standing
//   live.now()                           the agent's clock, milliseconds since 1970 UTC: count ages by it
//   live.standing                        "connecting", "live", "lost" (what is shown is old) or "refused" (wants a token)
//   live.told, live.why                  by our clock when it was last told (null: never); why it is not connected
//
// Rules for whoever changes this: messages are those of agent/web/tables.py, and nothing here knows what is in a
// row. A row is replaced and never changed. fetch and not EventSource, for the token goes in a header and never
// into an address. Frames stand still in a tab behind others, where timers go on: its title must tell of alarms.

import { credentials, problemOf } from "./api.js";
import { Pages } from "./pages.js";

const SILENT_AFTER = 12_000; // the agent speaks each 5 s; two of these may be late
const AT_ONCE = 300;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 10_000;

class Live {
  tables = new Tables();
  standing = "connecting";
  told = null;
  why = "";
  #ahead = 0; // of the agent's clock, of performance.now()
  #heard = 0;
  #wait = FIRST_WAIT;
  #abort = null;
  #again = false;
  #parted = false; // the connection has ended, and is looked for once before anybody is told
  #wake = null;
  #pages = new Pages(() => this.again());
  #listeners = new Map();
  #changed = new Map();
  #scheduled = 0;

  now() {
    return performance.now() + (this.#ahead || performance.timeOrigin);
  }

  on(table, fn) {
    if (!this.#listeners.has(table)) this.#listeners.set(table, new Set());
    this.#listeners.get(table).add(fn);
    return () => this.#listeners.get(table).delete(fn);
  }

  /** Connect, and again, for as long as the page is open. */
  async start() {
    setInterval(() => this.#look(), 1_000);
    addEventListener("online", () => this.again());
    document.addEventListener("visibilitychange", () => this.#turned());
    for (;;) {
      while (this.#pages.rests) await this.#others();
      try {
        await this.#session();
        this.#lost("the agent has ended the connection");
      } catch (error) {
        if (!this.#again) this.#lost(problemOf(error), error.status === 401);
      }
      await this.#rest();
    }
  }

  /** Try now: there is another token, or the network is back. */
  again() {
    this.#wait = FIRST_WAIT;
    this.#again = true;
    this.#abort?.abort();
    this.#wake?.();
  }

  async #session() {
    this.#again = false;
    this.#abort = new AbortController();
    this.#heard = performance.now();
    const answer = await fetch("api/live", {
      headers: { Accept: "text/event-stream", ...credentials() },
      signal: this.#abort.signal,
      cache: "no-store",
    });
    if (!answer.ok) throw await refusal(answer);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new Parser((name, data) => this.#message(name, data));
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      parser.feed(value);
    }
  }

  #message(name, data) {
    const { now, tables } = JSON.parse(data);
    this.#heard = performance.now();
    this.#ahead = now - this.#heard;
    this.told = Date.now();
    this.#wait = FIRST_WAIT;
    this.#parted = false;
    if (name === "state") this.#begin(tables);
    else if (name === "change") this.#change(tables);
    this.#stands("live", "");
  }

  #begin(tables) {
    for (const [name, rows] of this.tables) {
      for (const key of rows.keys()) if (!(tables[name] && key in tables[name])) this.#put(name, key, null);
    }
    this.#change(tables);
  }

  #change(tables) {
    for (const [name, rows] of Object.entries(tables)) {
      for (const [key, row] of Object.entries(rows)) this.#put(name, key, row);
      if (!this.#changed.has(name)) this.#mark(name); // told of, though nothing is in it
    }
  }

  #put(name, key, row) {
    if (row === null) this.tables.get(name).delete(key);
    else this.tables.get(name).set(key, row);
    this.#mark(name).add(key);
  }

  #mark(name) {
    if (!this.#changed.has(name)) this.#changed.set(name, new Set());
    this.#schedule();
    return this.#changed.get(name);
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = document.hidden
      ? setTimeout(() => this.#tell(), 250)
      : requestAnimationFrame(() => this.#tell());
  }

  #tell() {
    this.#scheduled = 0;
    const changed = this.#changed;
    this.#changed = new Map();
    for (const [name, keys] of changed) {
      for (const fn of this.#listeners.get(name) ?? []) {
        try {
          fn(keys);
        } catch (error) {
          reportError(error); // one that fails must not blind the others
        }
      }
    }
  }

  #stands(standing, why) {
    if (this.standing === standing && this.why === why) return;
    this.standing = standing;
    this.why = why;
    this.#mark("connection");
  }

  #lost(why, refused = false) {
    if (refused) this.#begin({}); // what one may see is not left for the next
    if (!refused && this.standing === "live" && !this.#parted) {
      this.#parted = true;
      this.#wait = AT_ONCE;
      return;
    }
    this.#stands(refused ? "refused" : this.told === null && !why ? "connecting" : "lost", why);
  }

  /** A connection that says nothing is none: a cable may be out. */
  #look() {
    if (this.standing === "refused" || performance.now() - this.#heard < SILENT_AFTER) return;
    if (this.standing === "live") this.#stands("lost", "the agent says nothing");
    this.#heard = performance.now();
    this.#abort?.abort();
  }

  /** Leave the connections to the pages that are looked at, until this one is, or others are closed. */
  #others() {
    this.#stands("lost", "too many pages of this agent are open in this browser: this one goes on once it is looked at");
    return new Promise((done) => (this.#wake = done));
  }

  #turned() {
    if (this.#scheduled) {
      cancelAnimationFrame(this.#scheduled);
      clearTimeout(this.#scheduled);
      this.#scheduled = 0;
      this.#schedule();
    }
    if (!document.hidden && this.standing === "lost") this.again();
  }

  #rest() {
    if (this.#again) return null;
    const refused = this.standing === "refused"; // a token that is wrong stays wrong until there is another
    const wait = refused ? 60_000 : this.#wait * (0.8 + 0.4 * Math.random());
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    return new Promise((done) => {
      const timer = setTimeout(done, wait);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}

/** A Map that has a table for any name. */
class Tables extends Map {
  get(name) {
    if (!this.has(name)) this.set(name, new Map());
    return super.get(name);
  }
}

/** text/event-stream, as HTML's standard has it, but for `id` and `retry`. */
class Parser {
  #rest = "";
  #name = "message";
  #data = [];
  #found;

  constructor(found) {
    this.#found = found;
  }

  feed(text) {
    const lines = text.includes("\n") ? (this.#rest + text).split("\n") : null;
    if (!lines) {
      this.#rest += text; // a part of a long line
      return;
    }
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length) this.#found(this.#name, this.#data.join("\n"));
      this.#name = "message";
      this.#data = [];
    } else if (line.startsWith("data:")) {
      this.#data.push(line.slice(line[5] === " " ? 6 : 5));
    } else if (line.startsWith("event:")) {
      this.#name = line.slice(6).trim();
    }
  }
}

async function refusal(answer) {
  const body = await answer.json().catch(() => ({}));
  const error = new Error(body.error ?? `the agent answers ${answer.status}`);
  error.status = answer.status;
  return error;
}

export const live = new Live();
