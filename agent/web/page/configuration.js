// The configuration: what is in force, what became of the last change, and what the rules say, as sentences.
//
// Rules for whoever changes this: a refused change is told with its place in the file, errors before warnings, and
// always with what goes on meanwhile; the sentences are the agent's own, made from what is in force.

import { copyText } from "./tag.js";
import { fill, h, many, moment, rows, say, sentence, set, toggle, tone } from "./ui.js";

const PLACE = /^(.*?):(\d+):(\d+): (error|warning): (.*)$/;
const KINDS = ["rule", "section", "source", "destination", "relay"];

export const view = {
  id: "configuration",
  title: "Configuration",
  watches: ["configuration"],
  badge(tables) {
    return tables.get("configuration").get("configuration")?.refused ? { text: "refused", tone: "bad" } : null;
  },
  mount(root, page) {
    return new ConfigurationView(root, page);
  },
};

class ConfigurationView {
  #page;
  #rules = [];
  #said = []; // the problems that the last order to reload was answered with

  constructor(root, page) {
    this.#page = page;
    this.el = this.#build(root);
    this.problems = rows(this.el.problems, () => h("li"), writeProblem);
    this.sentences = rows(this.el.rules, makeRule, writeRule);
    page.on("configuration", () => this.#changed());
    this.#changed();
  }

  #build(root) {
    const el = {
      standing: h("p", {}), since: h("p", { class: "muted" }), verdict: h("section", { class: "card verdict", "aria-label": "What is in force" }),
      wrong: h("p", { class: "wrong", role: "alert" }), changes: h("ul", { class: "plain", role: "status" }),
      problems: h("ol", { class: "problems" }),
      reload: h("button", { class: "button primary", type: "button", onclick: () => this.#reload() }, "Reload"),
      check: h("code"), found: h("p", { class: "muted", role: "status" }), lost: h("p", { class: "wrong", role: "alert" }),
      search: h("input", { class: "input", type: "search", autocomplete: "off", spellcheck: "false", placeholder: "Search in the rules", "aria-label": "Search in the rules", oninput: () => this.#paintRules() }),
      rules: h("ul", { class: "lines", "aria-label": "Rules" }), empty: h("p", { class: "empty" }),
    };
    const copy = h("button", { class: "button small", type: "button", "aria-label": "Copy the command that checks it", onclick: () => copyText(el.check.textContent) }, "Copy");
    el.verdict.append(el.standing, el.since,
      h("div", { class: "actions" }, el.reload, h("span", { class: "muted" }, "Check it first, in a terminal: "), el.check, copy), el.wrong, el.changes);
    root.append(el.verdict, el.problems, h("h3", {}, "Rules"), h("div", { class: "toolbar" }, el.search, el.found), el.lost, el.empty, el.rules);
    return el;
  }

  // --- what is in force -----------------------------------------------------------------------------------

  #changed() {
    const row = this.#page.tables.get("configuration").get("configuration");
    toggle(this.el.verdict, "hidden", !row);
    if (!row) return;
    if (this.loaded !== row.loaded) this.#askRules();
    this.loaded = row.loaded;
    this.#paint(row);
  }

  #paint(row) {
    const refused = row.refused || this.#said.length > 0;
    toggle(this.el.verdict, "data-tone", refused ? "bad" : "good");
    fill(this.el.standing, refused
      ? [tone("✕ The last change is refused", "bad"), " The old one goes on: nothing has stopped. Mend the lines below, and reload."]
      : [tone("In force", "good"), ` ${row.summary}${row.problems.length ? `; ${many(row.problems.length, "warning")}` : ""}`]);
    fill(this.el.since, h("code", {}, row.path), ", loaded ", moment(row.loaded), row.refused_at && row.refused ? [", refused ", moment(row.refused_at)] : null, refused ? `. Still in force: ${row.summary}` : null);
    set(this.el.check, `edge-relay check -c ${quoted(row.path)}`);
    const problems = row.problems.length ? row.problems : this.#said;
    const errorsFirst = [...problems].sort((one, other) => Number(one.severity === "warning") - Number(other.severity === "warning"));
    this.problems(errorsFirst.map((problem, index) => [String(index), problem]));
    toggle(this.el.problems, "hidden", problems.length === 0);
    toggle(this.el.problems, "aria-label", refused ? "Problems of the changed configuration" : "Warnings of what is in force");
  }

  async #reload() {
    if (this.el.reload.disabled) return;
    toggle(this.el.reload, "disabled", true);
    set(this.el.wrong, "");
    fill(this.el.changes);
    try {
      const answer = await this.#page.order("api/reload");
      if (answer) this.#reloaded(answer.changed);
    } catch (error) {
      this.#refused(error);
    }
    toggle(this.el.reload, "disabled", false);
    this.el.reload.focus({ preventScroll: true });
    this.#changed();
  }

  #reloaded(changed) {
    this.#said = [];
    say(changed.length ? `Reloaded: ${many(changed.length, "change")}.` : "Reloaded: nothing has changed.", "good");
    fill(this.el.changes, changed.length ? changed.map((change) => h("li", {}, changeText(change))) : h("li", {}, "Nothing has changed."));
    this.#askRules();
  }

  #refused(error) {
    const lines = error.message.split("\n").map(problemOf);
    if (error.status === 422 && lines.every(Boolean)) {
      this.#said = lines;
      say(`Refused: ${many(lines.filter(({ severity }) => severity === "error").length, "error")}. The old configuration goes on.`, "bad");
    } else {
      set(this.el.wrong, error.message);
    }
  }

  // --- the rules ------------------------------------------------------------------------------------------

  async #askRules() {
    try {
      this.#rules = await this.#page.get("api/rules");
      set(this.el.lost, "");
    } catch (error) {
      set(this.el.lost, `The rules could not be had: ${error.message}`);
    }
    this.#paintRules();
  }

  #paintRules() {
    const words = this.el.search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.#rules.filter((row) => {
      const text = `${row.rule}\n${row.sentence}\n${row.tag ?? ""}\n${(row.instances ?? []).join("\n")}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    this.sentences(found.map((row) => [row.rule, row]));
    set(this.el.found, found.length === this.#rules.length ? many(found.length, "rule") : `${found.length} of ${many(this.#rules.length, "rule")}`);
    toggle(this.el.empty, "hidden", found.length > 0);
    if (found.length) return;
    fill(this.el.empty, this.#rules.length
      ? h("strong", {}, "No rule is like that.")
      : [h("strong", {}, "No rules yet: nobody is told of anything."), "A rule in rules.yaml says what is watched and who is told. A first one: ", h("code", {}, "edge-relay init DIR"), " writes a commented sample."]);
  }
}

/** A line of a refusal as a problem with its place; null: it is none. */
function problemOf(line) {
  const found = PLACE.exec(line);
  if (!found) return null;
  const [, file, at, column, severity, text] = found;
  return { file, line: Number(at), column: Number(column), severity, text };
}

function writeProblem(li, { file, line, column, text, severity }) {
  toggle(li, "data-severity", severity);
  const place = line ? `${file}:${line}:${column}` : file;
  fill(li, h("span", { class: "place" }, place), h("strong", {}, severity === "error" ? "Error: " : "Warning: "), sentence(text));
}

/** `rule R1-temperature, high: 170 -> 165`, as `edge-relay reload` prints it. */
function changeText(change) {
  if (change === null || typeof change !== "object") return String(change);
  const kind = KINDS.find((each) => each in change);
  const what = `${kind ? `${kind} ${change[kind]}` : "something"}${change.key ? `, ${change.key}` : ""}`;
  return "from" in change ? `${what}: ${JSON.stringify(change.from)} → ${JSON.stringify(change.to)}` : what;
}

function quoted(path) {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** What a rule does: an alarm a line, without the name that stands beside it. */
function clauses(rule, text) {
  const own = text.startsWith(`${rule}: `) ? text.slice(rule.length + 2) : text;
  return own.split(/; (?=alarm )/).map((clause) => h("p", { class: "prose" }, sentence(clause)));
}

function makeRule(key) {
  return h("li", { class: "line rule", "data-key": key });
}

function writeRule(li, { rule, sentence: text, enabled, tag, instances = [] }) {
  const about = instances.length > 1 ? `${instances.length} instances: ${instances.join(", ")}` : tag;
  fill(li, h("strong", {}, rule), h("div", {}, clauses(rule, text), about ? h("span", { class: "about muted" }, about) : null),
    enabled ? h("span", { class: "chip" }, "on") : tone("switched off", "warn"));
}
