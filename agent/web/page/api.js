// Questions and orders to the agent, as JSON, with the token that was typed in.
//
//   import { get, post } from "./api.js";
//   await get("api/events/17")                 await get("api/events", { limit: 200, rule: "pump" })
//   await post("api/alarms/acknowledge", { rules: ["pump-dry"] })
//
// Both raise an Error whose message is the agent's own sentence, fit to be shown; `status` is that of HTTP, 0
// when nothing has answered. Views give orders with `page.order` (see main.js), which asks for a token first.
//
// Rules for whoever changes this: addresses are relative, for a proxy may put the page below another path. The
// token is in a header only: what is in an address ends in histories and logs. What asks for a token is login.js.

const KEY = "edge-relay token";
const PATIENCE = 20_000;

let refused = () => {};
let held = null; // where a browser keeps nothing for us, the token lives as long as the page

/** What to do when the agent wants another token; set by login.js. */
export function whenRefused(fn) {
  refused = fn;
}

/** The header that says who asks; none while nobody has. */
export function credentials() {
  const token = held ?? read(sessionStorage) ?? read(localStorage);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Keep a token for this tab, or on this device; null: forget it everywhere. */
export function keep(token, remember = false) {
  held = token;
  for (const storage of [sessionStorage, localStorage]) write(storage, null);
  if (token) write(remember ? localStorage : sessionStorage, token);
}

export function get(path, query) {
  return ask("GET", asked(path, query));
}

export function post(path, body, query) {
  return ask("POST", asked(path, query), body ?? {});
}

function asked(path, query = {}) {
  const text = String(new URLSearchParams(Object.entries(query).filter(([, value]) => value != null && value !== "")));
  return text ? `${path}?${text}` : path;
}

/** What went wrong, as a sentence, whatever it was. */
export function problemOf(error) {
  if (error.name === "AbortError" || error.name === "TimeoutError") return "the agent does not answer in time";
  if (error instanceof TypeError) return "the agent cannot be reached: it does not run, or the network is down";
  return error.message;
}

async function ask(method, path, body) {
  let answer, told;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...credentials(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE),
    });
    told = await answer.json().catch(() => null);
  } catch (error) {
    throw failed(problemOf(error), 0);
  }
  if (answer.ok) return told;
  if (answer.status === 401) refused();
  throw failed(told?.error ?? `the agent answers ${answer.status} to ${path}`, answer.status);
}

function failed(sentence, status) {
  return Object.assign(new Error(sentence), { status });
}

function read(storage) {
  try {
    return storage.getItem(KEY);
  } catch {
    return null;
  }
}

function write(storage, token) {
  try {
    if (token === null) storage.removeItem(KEY);
    else storage.setItem(KEY, token);
  } catch {
    // `held` has it
  }
}
