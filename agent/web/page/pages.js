// The pages of this agent that one browser has open. It has six connections for all of them (HTTP/1.1), and a page
// that is told holds one: a seventh page would wait for ever, and so would each order.
//
//   const pages = new Pages(changed)     changed() is called when `rests` is another
//   pages.rests                          this page is behind others, and four of them were looked at since
//
// Rules for whoever changes this: a page that is looked at never rests. The four that were looked at last are told
// also behind others, for their titles tell of alarms.

const TOLD = 4;

export class Pages {
  rests = false;
  #since = new Set(); // those that were looked at since this one was
  #id = String(Math.random());
  #channel = new BroadcastChannel(`edge-relay ${location.pathname}`);
  #changed;

  constructor(changed) {
    this.#changed = changed;
    this.#channel.onmessage = ({ data: { id, here } }) => {
      if (here) this.#since.add(id);
      else this.#since.delete(id);
      this.#judge();
    };
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#judge() : this.#looked()));
    addEventListener("pageshow", () => this.#looked());
    addEventListener("pagehide", () => this.#channel.postMessage({ id: this.#id, here: false }));
    this.#looked();
  }

  #looked() {
    this.#since.clear();
    this.#channel.postMessage({ id: this.#id, here: true });
    this.#judge();
  }

  #judge() {
    const rests = document.hidden && this.#since.size >= TOLD;
    if (rests === this.rests) return;
    this.rests = rests;
    this.#changed();
  }
}
