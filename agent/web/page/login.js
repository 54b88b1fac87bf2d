// Who is in front of the page: a token is typed into a dialog, kept for the tab or on the device, and forgotten.
//
//   may()                 whether orders can be given now
//   await mayOperate()    the same, after asking for a token where that may help; says what to do where it cannot
//   signIn(), signOut()
//
// Rules for whoever changes this: a token is never shown, never in an address, and not kept on the device unless
// the person wants it so. Who may do what is the agent's to say (GET /api/whoami); here it is only told.

import { credentials, get, keep, whenRefused } from "./api.js";
import { ask, tell } from "./dialogs.js";
import { live } from "./stream.js";
import { fill, h, say } from "./ui.js";

let who = null; // Whoami of agent/web/tables.py; null: not known yet
let asking = null;

export function may() {
  return who?.may === "operate";
}

export async function mayOperate() {
  if (!who) await look();
  if (may()) return true;
  if (who && !who.tokens) {
    readOnly();
    return false;
  }
  await signIn();
  return may();
}

export function begin() {
  whenRefused(() => {
    if (asking) return; // it is said there
    forget();
    signIn("The token is not accepted any more. Type another, or close this to go on reading where that is allowed.");
  });
  live.on("connection", () => {
    if (live.standing === "live" && !who) look();
    if (live.standing === "refused" && !forget()) signIn();
  });
  look();
}

/** Go on without a token that is not accepted; false: there was none. */
function forget() {
  if (!credentials().Authorization) return false;
  signOut("You are signed out: the token is not accepted any more.");
  return true;
}

export function signIn(text = "Type the token that your administrator has given you. It is kept until this tab is closed.") {
  asking ??= ask({
    title: "Sign in",
    text,
    submit: "Sign in",
    fields: [
      { name: "token", label: "Token", type: "password", required: true, autocomplete: "current-password" },
      { name: "remember", label: "Remember on this device", type: "checkbox", hint: "Only where nobody else uses this browser." },
    ],
    send: accept,
  }).finally(() => (asking = null));
  return asking;
}

export function signOut(text = "You are signed out.") {
  keep(null);
  who = null;
  say(text);
  look();
  live.again();
}

async function accept({ token, remember }) {
  keep(token, remember);
  try {
    who = await get("api/whoami");
  } catch (error) {
    keep(null);
    throw error;
  }
  if (!may()) {
    keep(null);
    throw new Error("This token is not one of the agent's. Check for a missing character, or ask who configured it.");
  }
  show();
  live.again();
  say(`Signed in as ${who.by}.`, "good");
  return true;
}

async function look() {
  try {
    who = await get("api/whoami");
  } catch {
    who = null; // asked again once the agent answers
  }
  show();
}

function show() {
  const place = document.getElementById("who");
  if (!who) return fill(place);
  if (who.by) {
    return fill(place, h("span", { class: "muted" }, who.by),
      h("button", { class: "button small", type: "button", onclick: () => signOut() }, "Sign out"));
  }
  if (who.tokens) {
    const words = { operate: "May operate", read: "Read only", token: "Not signed in" };
    return fill(place, h("span", { class: "chip", "data-tone": "quiet" }, words[who.may]),
      h("button", { class: "button small", type: "button", onclick: () => signIn() }, "Sign in"));
  }
  if (may()) return fill(place);
  return fill(place, h("button", { class: "button small", type: "button", onclick: readOnly }, "Read only: why?"));
}

function readOnly() {
  tell("This page can only be read",
    h("p", { class: "prose" }, "No token is configured, so nobody can be told apart, and nothing can be changed from here. ",
      "Orders can be given on the machine itself: ", h("code", {}, "edge-relay ack"), ", ", h("code", {}, "edge-relay shelve"), ", ",
      h("code", {}, "edge-relay pause"), "."),
    h("p", { class: "prose" }, "To give orders here, make a token for each person with ",
      h("code", {}, "edge-relay keygen --token --out anna.token"), ", name it in the configuration, and reload that:"),
    h("pre", { class: "code" }, 'http:\n  tokens:\n    anna: "${file:anna.token}"'),
    h("p", { class: "prose" }, "Then choose “Sign in”, and type the token."));
}
