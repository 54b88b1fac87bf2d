// What can be done by keys, and the overlay that says so.
//
// Rules for whoever changes this: a key that is a letter can be turned off (WCAG 2.1.4), for who speaks to his
// computer presses them by accident; and what changes something works only on the row that has the focus.

import { tell } from "./dialogs.js";
import { h } from "./ui.js";

const KEYS = [
  ["↓ ↑, j k", "the next and the previous alarm"],
  ["a", "acknowledge the alarm that has the focus, or reset it"],
  ["s", "shelve it, or unshelve it"],
  ["x", "select it"],
  ["Tab", "its buttons"],
  ["?", "this help"],
  ["Esc", "close a window"],
];

let on = read() !== "off";

export function shortcutsOn() {
  return on;
}

export function begin() {
  document.getElementById("keys").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (event.key === "?" && on && !typing && !document.querySelector("dialog[open]")) help();
  });
}

function help() {
  const turn = h("input", { type: "checkbox", checked: on, onchange: () => keep(turn.checked) });
  tell("Keys",
    h("dl", { class: "keys" }, KEYS.map(([key, text]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)))),
    h("div", { class: "field" }, h("label", { class: "check" }, turn, h("span", {}, "Single letters do something"))));
}

function keep(yes) {
  on = yes;
  try {
    localStorage.setItem("edge-relay keys", on ? "on" : "off");
  } catch {
    // a browser that keeps nothing: it lasts as long as the page
  }
}

function read() {
  try {
    return localStorage.getItem("edge-relay keys");
  } catch {
    return null;
  }
}
