// Orders that move many dead letters: first how many and of when, then the question, then how far it is.
//
//   await resend(page, { destination: "cmms", reason: "answered 400" })      how many; null: nothing was done
//   await drop(page, { destination: "cmms" })
//
// Rules for whoever changes this: nothing is moved before its count was shown and agreed to; a long order goes on
// in parts, so one that is closed in between ends between two of them; what is given up for good is asked twice.

import { ask, confirm } from "./dialogs.js";
import { h, many, moment, set } from "./ui.js";

const A_PART = 2_000; // so many are looked at for one answer: a second, also on slow flash
const LETTERS = (count) => many(count, "dead letter");

export async function resend(page, selection) {
  const count = await counted(page, selection);
  if (count.total === 0) return nothing(count, "sent again");
  return moved(page, "resend", "resent", selection, count, {
    title: `Send ${LETTERS(count.total)} again?`, submit: `Send ${count.total} again`,
    text: [span(count), " They keep their ids and are marked as late."],
  });
}

export async function drop(page, selection) {
  const count = await counted(page, selection);
  const total = count.total + count.left;
  if (total === 0) return nothing(count, "given up");
  const one = total === 1 ? "it" : "them";
  if (!(await confirm(`Give up ${LETTERS(total)}?`, span(count), `Give up ${total}…`, true))) return null;
  return moved(page, "drop", "dropped", selection, { ...count, total }, {
    title: "For good?", submit: `Give up ${total} for good`, danger: true, sure: `I know that no receiver will ever get ${one}`,
    text: `${LETTERS(total)} will never be sent, and cannot be had back.`,
  });
}

/** How many are selected, from when to when, by as many questions as it takes. */
async function counted(page, selection) {
  const found = { total: 0, left: 0, first: null, last: null, upto: null };
  for (let after = 0; after !== null; ) {
    const answer = await page.get("api/deadletters/count", { ...selection, after, upto: found.upto, limit: A_PART });
    for (const { count, damaged, removed, first, last } of Object.values(answer.counts)) {
      found.total += count;
      found.left += Number(damaged) + Number(removed);
      if (first && (!found.first || first < found.first)) found.first = first;
      if (last && (!found.last || last > found.last)) found.last = last;
    }
    found.upto ??= answer.upto;
    after = answer.next;
  }
  return found;
}

/** Of when they are, and which of them cannot be sent. */
function span({ total, first, last, left }) {
  const which = !first ? null : total === 1 ? ["It happened ", moment(first), "."] : ["They happened from ", moment(first), " to ", moment(last), "."];
  const more = left ? ` ${left} more cannot be sent: damaged on disk, or for a destination that is gone.` : "";
  return h("span", {}, which, more);
}

function nothing({ left }, word) {
  throw new Error(left ? `None of these can be ${word}: ${left} are damaged on disk, or for a destination that is gone.` : `There are none any more: nothing was ${word}.`);
}

/** Ask, and do it part by part, saying how far it is. */
async function moved(page, verb, word, selection, count, { title, text, submit, danger, sure }) {
  const far = h("span", { role: "status" });
  let done = 0;
  const send = async (values) => {
    if (sure && !values.sure) throw new Error("Say first that you know it.");
    for (let after = 0; after !== null; ) {
      const answer = await page.order(`api/deadletters/${verb}`, undefined, { ...selection, after, upto: count.upto, limit: A_PART });
      if (answer === null) throw new Error("Nothing more was done: the agent wants a token first.");
      done += answer[word];
      after = answer.next;
      set(far, ` ${done} of ${count.total} done…`);
      if (!far.isConnected) break; // the window was closed
    }
    return done;
  };
  const fields = sure ? [{ name: "sure", label: sure, type: "checkbox" }] : [];
  const given = await ask({ title, text: h("span", {}, text, far), submit, danger, fields, send });
  return given === null && done === 0 ? null : done;
}
