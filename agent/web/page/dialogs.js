// Questions to the person in front of the page: native dialogs, which keep the focus in, and close with Esc.
//
//   await confirm("Acknowledge 12 alarms?", "Text.", "Acknowledge")           -> true or false
//   await ask({ title, text, fields, submit, danger, send: async (values) => ... })  -> what `send` gave, or null
//       fields: [{ name, label, hint, type, value, required, options }]; types: text (default), password,
//       checkbox, textarea, choice (options: [[value, label], ...]), duration (see below).
//       `send` is called with the values by name; while it runs the button is busy; the sentence of an error it
//       raises is shown in the dialog, which stays open. Without `send` the values themselves are given.
//   DURATIONS, the choices of a duration, in seconds; its value is a number of seconds, null for "until resumed".
//
// Rules for whoever changes this: what a field is for is said in its label and hint, never in a placeholder alone.

import { fill, h } from "./ui.js";

export const DURATIONS = [["900", "15 min"], ["3600", "1 h"], ["28800", "8 h"], ["86400", "24 h"]];

let numbers = 0; // ids are unique: one dialog may stand on another

const FACTORS = { s: 1, m: 60, min: 60, h: 3_600, d: 86_400 };

/** Seconds of "90m", "2h30m" or "1 d"; NaN: it is no duration. */
export function seconds(text) {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)\s*(min|[smhd])\s*/gy)];
  const whole = parts.length > 0 && parts.map((part) => part[0]).join("") === text.trim();
  return whole ? parts.reduce((sum, [, count, unit]) => sum + Number(count) * FACTORS[unit], 0) : NaN;
}

export function confirm(title, text, submit, danger = false) {
  return ask({ title, text, submit, danger }).then((values) => values !== null);
}

export function ask({ title, text, fields = [], submit = "OK", danger = false, send = async (values) => values }) {
  const controls = fields.map(control);
  const wrong = h("p", { class: "wrong", role: "alert" });
  const go = h("button", { class: danger ? "button danger" : "button primary", type: "submit" }, submit);
  const titled = `dialog-${++numbers}`;
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": titled });
  const form = h("form", { method: "dialog", novalidate: true },
    h("h2", { id: titled }, title), text ? h("p", { class: "prose" }, text) : null,
    controls.map((each) => each.el), wrong,
    h("div", { class: "actions end" },
      h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Cancel"), go));
  form.addEventListener("input", () => fill(wrong));
  dialog.append(form);
  return new Promise((done) => {
    let given = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const problem = controls.map((each) => each.problem()).find(Boolean);
      fill(wrong, problem ?? "");
      if (problem || go.disabled) return;
      go.disabled = true;
      try {
        given = (await send(Object.fromEntries(controls.map((each) => [each.name, each.value()])))) ?? true;
        dialog.close();
      } catch (error) {
        fill(wrong, error.message);
        go.disabled = false;
      }
    });
    open(dialog, () => done(given));
    (form.querySelector("[data-first]") ?? go).focus();
  });
}

/** A window of text that is only read; closed with Esc or its button. */
export function tell(title, ...children) {
  const titled = `dialog-${++numbers}`;
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": titled });
  dialog.append(h("h2", { id: titled }, title), ...children,
    h("div", { class: "actions end" },
      h("button", { class: "button primary", type: "button", autofocus: true, onclick: () => dialog.close() }, "Close")));
  open(dialog);
}

/** Show it; once it is closed the focus goes back to where it was. */
function open(dialog, closed = () => {}) {
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
    closed();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function control(field, index) {
  const id = `field-${++numbers}`;
  const hint = field.hint ? h("p", { class: "hint", id: `${id}-hint` }, field.hint) : null;
  const kinds = { checkbox, choice, duration };
  const made = (kinds[field.type] ?? text)(field, id, index === 0, hint);
  return { name: field.name, problem: () => "", ...made };
}

function text(field, id, first, hint) {
  const area = field.type === "textarea";
  const input = h(area ? "textarea" : "input", {
    id, class: "input", type: area ? null : field.type ?? "text", rows: area ? "3" : null, name: field.name,
    value: field.value ?? "", "data-first": first, "aria-describedby": hint?.id, "aria-required": field.required ? "true" : null,
    autocomplete: field.autocomplete ?? "off", spellcheck: area ? null : "false", maxlength: field.maxlength,
  });
  const label = h("label", { for: id }, field.label, field.required ? "" : h("span", { class: "muted" }, " (optional)"));
  return {
    el: h("div", { class: "field" }, label, input, hint),
    value: () => input.value.trim(),
    problem: () => {
      const missing = field.required && !input.value.trim();
      if (missing) input.focus();
      return missing ? `${field.label}: is needed${field.why ? `, ${field.why}` : ""}.` : "";
    },
  };
}

function checkbox(field, id, first, hint) {
  const input = h("input", {
    id, type: "checkbox", name: field.name, checked: field.value === true, "data-first": first, "aria-describedby": hint?.id,
  });
  return {
    el: h("div", { class: "field" }, h("label", { class: "check", for: id }, input, h("span", {}, field.label)), hint),
    value: () => input.checked,
  };
}

function choice(field, id, first, hint, extra = null) {
  const chosen = field.value ?? field.options[0][0];
  const inputs = field.options.map(([value, label]) => {
    const input = h("input", { type: "radio", name: id, value, checked: value === chosen, "data-first": first && value === chosen });
    return { input, el: h("label", { class: "choice" }, input, h("span", {}, label)) };
  });
  const el = h("fieldset", { class: "field", "aria-describedby": hint?.id },
    h("legend", {}, field.label), h("div", { class: "choices" }, inputs.map((each) => each.el), extra), hint);
  return { el, value: () => inputs.find((each) => each.input.checked).input.value };
}

function duration(field, id, first, hint) {
  const endless = field.endless ? [["", field.endless]] : [];
  const options = [...DURATIONS, ...endless, ["other", "Other"]];
  const input = h("input", {
    class: "input short", type: "text", "aria-label": "Other duration, such as 2h30m", placeholder: "2h30m", autocomplete: "off",
  });
  const made = choice({ ...field, options, value: field.value ?? "3600" }, id, first, hint, input);
  const other = made.el.querySelector("input[value=other]");
  input.addEventListener("input", () => (other.checked = true));
  input.addEventListener("focus", () => (other.checked = true));
  const length = (value) => (value === "" ? null : value === "other" ? seconds(input.value) : Number(value));
  const most = field.most ?? Infinity;
  return {
    ...made,
    value: () => length(made.value()),
    problem: () => {
      const value = length(made.value());
      if (value === null || (value > 0 && value <= most)) return "";
      input.focus();
      return value > most ? `${field.label}: ${field.tooLong}.` : `${field.label}: write a duration such as 45m, 2h30m or 1d.`;
    },
  };
}
