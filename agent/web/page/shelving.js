// How an alarm is put aside: for how long and why, and whether it is a shelf or out of service.
//
// Rules for whoever changes this: a shelf has an end and a reason, and lasts a week at most (agent/rules/hand.py);
// what has no end is out of service, which is another order.

import { ask } from "./dialogs.js";
import { many } from "./ui.js";

const LONGEST = 7 * 86_400;

/** Ask, and give the order by `give(action, order)`; what it gave, null when the person gave up. */
export async function askShelf(keys, give) {
  const given = await ask({
    title: `Shelve ${keys.length === 1 ? keys[0] : many(keys.length, "alarm")}`,
    text: "Nothing is announced meanwhile; it goes on being watched. If it is active at the end, it is announced then.",
    submit: "Shelve",
    fields: [
      { name: "reason", label: "Reason", required: true, maxlength: 500, why: "for whoever wonders at the next shift",
        hint: "It stands in the event, with your name." },
      { name: "for_s", label: "For how long", type: "duration", endless: "No end: out of service", most: LONGEST,
        tooLong: "a week at most; what is to be longer is out of service" },
      { name: "one_shot", label: "Or until it returns to normal, if that is sooner", type: "checkbox" },
    ],
    send: ({ reason, for_s, one_shot }) => for_s === null
      ? give("out_of_service", { rules: keys, reason })
      : give("shelve", { rules: keys, reason, for_s, one_shot }),
  });
  return given === true ? null : given;
}
