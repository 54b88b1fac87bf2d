// The page: which views there are, which one is shown, and what a view is given.
//
// A view is a module `ID.js` with
//
//   export const view = { id, title, watches: ["dead_letters"], badge(tables) -> { text, tone } | null, mount(root, page) }
//
// `badge` stands in the navigation; it is asked again, at most twice a second, when a table that it watches has
// changed. `mount` is called once, when the view is first shown; `root` is an empty element below a heading (h2)
// with the title, so headings in it begin with h3. It may give { show(rest) }, called whenever the view is shown,
// with what stands in the address behind `#ID/`. `page` is
//
//   tables, now()            as `live` of stream.js
//   on(table, fn)            as `live.on`, but nothing is said while the view is not shown: once it is, all at once
//   get(path, query)         as in api.js
//   order(path, body, query) as `post` of api.js, but asks for a token first where none was given; null: the person
//                            gave up. Raises an Error with the agent's sentence: show it where the order was given.
//   may()                    whether orders can be given now; else `order` says what to do, so buttons may stay
//   say(text, tone)          as in ui.js
//   go("tags/pump")          show another view
//
// Rules for whoever changes this: a view that is not shown costs nothing, and one that cannot be loaded takes no
// other with it. The page is of use before any data comes, and says plainly when what it shows is old.

import { get, post } from "./api.js";
import * as head from "./head.js";
import * as keys from "./keys.js";
import * as login from "./login.js";
import { live } from "./stream.js";
import { fill, h, say, set, toggle } from "./ui.js";

const VIEWS = {
  alarms: "Alarms", tags: "Tags", sources: "Sources", destinations: "Destinations",
  events: "Events", letters: "Dead letters", inbound: "Inbound", configuration: "Configuration",
};
const BADGES_EVERY = 500;

const frames = new Map(Object.entries(VIEWS).map(([id, title]) => [id, frame(id, title)]));
let current = null;

/** What the page keeps of a view: its place, its link, and what it has not been told while it was not shown. */
function frame(id, title) {
  const badge = h("span", { class: "badge", hidden: true });
  const link = h("a", { href: `#${id}`, class: "tab" }, h("span", {}, title), badge);
  const root = h("div", { class: "view-body" }, h("p", { class: "muted" }, "Loading…"));
  const section = h("section", { id: `view-${id}`, class: "view", "aria-labelledby": `title-${id}`, hidden: true },
    h("h2", { id: `title-${id}` }, title), root);
  return { id, title, badge, link, root, section, view: null, handle: null, mounting: null, missed: [] };
}

async function load(each) {
  each.view ??= (await import(`./${each.id}.js`)).view;
  return each.view;
}

async function mount(each) {
  try {
    const view = await load(each);
    fill(each.root);
    each.handle = view.mount(each.root, pageFor(each)) ?? {};
  } catch (error) {
    each.mounting = null; // whoever comes again tries again
    fill(each.root, h("p", { class: "wrong", role: "alert" },
      `This view could not be loaded (${error.message}). Load the page anew; the other views go on.`));
    reportError(error);
  }
}

function pageFor(each) {
  return {
    tables: live.tables, now: () => live.now(), get, say, order, may: login.may,
    go: (where) => (location.hash = `#${where}`),
    on(table, fn) {
      const missed = { keys: new Set(), any: false, fn };
      each.missed.push(missed);
      return live.on(table, (keys) => {
        if (current === each) return fn(keys);
        missed.any = true;
        keys.forEach((key) => missed.keys.add(key));
      });
    },
  };
}

async function order(path, body, query) {
  return (await login.mayOperate()) ? ((await post(path, body, query)) ?? {}) : null;
}

/** What stands in the address; of what cannot be read, as much as there is. */
function place() {
  const written = location.hash.slice(1);
  try {
    return decodeURIComponent(written).split("/");
  } catch {
    return written.split("/");
  }
}

async function show() {
  const [id, ...rest] = place();
  const each = frames.get(id) ?? frames.get("alarms");
  if (current !== each) {
    for (const other of frames.values()) {
      other.section.hidden = other !== each;
      toggle(other.link, "aria-current", other === each ? "page" : null);
    }
    current = each;
    head.viewIs(each.title);
    each.link.scrollIntoView({ block: "nearest", inline: "center" });
    scrollTo(0, 0);
  }
  await (each.mounting ??= mount(each));
  if (current !== each || !each.handle) return;
  for (const missed of each.missed.filter((one) => one.any)) {
    const { keys } = missed;
    Object.assign(missed, { keys: new Set(), any: false });
    missed.fn(keys);
  }
  each.handle.show?.(rest.join("/"));
}

// --- badges ---------------------------------------------------------------------------------------

const stale = new Set(); // whose badge is to be asked again

function watch(each) {
  for (const table of each.view.watches ?? []) {
    live.on(table, () => {
      if (!stale.size) setTimeout(askBadges, BADGES_EVERY);
      stale.add(each);
    });
  }
  showBadge(each);
}

function askBadges() {
  for (const each of stale) showBadge(each);
  stale.clear();
}

function showBadge(each) {
  const said = each.view.badge?.(live.tables) ?? null;
  toggle(each.badge, "hidden", !said);
  toggle(each.badge, "data-tone", said?.tone ?? null);
  set(each.badge, said?.text ?? "");
}

/** Once there is something to see: the other views are fetched for their badges, and mounted when shown. */
async function loadOthers() {
  for (const each of frames.values()) {
    if (each.watched) continue;
    try {
      await load(each);
      watch(each);
      each.watched = true;
    } catch {
      tryOthersAgain(); // the agent is away, or says why when the view is shown
      return;
    }
  }
}

function tryOthersAgain() {
  const back = live.on("connection", () => {
    if (live.standing !== "live") return;
    back();
    loadOthers();
  });
}

// --- the beginning --------------------------------------------------------------------------------

function begin() {
  const tabs = document.getElementById("tabs");
  const main = document.getElementById("main");
  document.head.append(h("link", { rel: "stylesheet", href: "views.css" })); // nothing of it is needed to begin with
  fill(tabs, [...frames.values()].map((each) => h("li", {}, each.link)));
  fill(main, [...frames.values()].map((each) => each.section));
  head.begin(() => login.signIn());
  keys.begin();
  login.begin();
  addEventListener("hashchange", show);
  show();
  live.start();
  const told = live.on("agent", () => {
    told();
    loadOthers();
  });
}

begin();
