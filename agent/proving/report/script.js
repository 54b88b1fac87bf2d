"use strict";
// Looking closer: zoom and read-out. The page is complete without it. Every plot shows the same time.
(() => {
  const plots = [...document.querySelectorAll(".timeline")];
  if (!plots.length) return;
  const rows = plots[0].querySelector(".rows").dataset;
  const begin = +rows.begin, span = Math.max(+rows.end - begin, 1);
  const zone = document.body.dataset.zone;
  const closest = Math.max(1 / 5000, Math.min(1, 60e3 / span));
  const pans = [...document.querySelectorAll(".pan, .spark")].filter((pan) => pan.matches(".timeline .pan"));
  const scales = pans.flatMap((pan) => [...pan.querySelectorAll(".grid, .ticks")])
    .map((group) => ({ group, height: group.parentNode.getAttribute("height"), whole: [...group.childNodes] }));
  const captions = plots.map((plot) => plot.querySelector(".axis .gutter text"));
  const caption = captions[0].textContent;
  let from = 0, to = 1, spot = 0.5;

  const make = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // --- wall clock of the plant's zone
  const wall = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", weekday: "short", day: "numeric",
    month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const parts = (at) => Object.fromEntries(wall.formatToParts(at).map((part) => [part.type, part.value]));
  const offset = (at) => {
    const p = parts(at);
    return Date.parse(`${p.day} ${p.month} ${p.year} ${p.hour}:${p.minute}:${p.second} UTC`) - Math.floor(at / 1e3) * 1e3;
  };
  const stamp = (at) => { const p = parts(at); return `${p.weekday} ${p.day} ${p.month} ${p.hour}:${p.minute}:${p.second}`; };
  const label = (at, step) => {
    const p = parts(at);
    if (step >= 7 * 864e5) return `${p.day} ${p.month}`;
    if (step >= 864e5 || `${p.hour}:${p.minute}:${p.second}` === "00:00:00") return `${p.weekday} ${p.day}`;
    return step < 6e4 ? `${p.hour}:${p.minute}:${p.second}` : `${p.hour}:${p.minute}`;
  };
  const ticks = () => {
    const first = begin + from * span, last = begin + to * span;
    const steps = [5, 15, 60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2419200, 7862400, 31449600];
    const step = 1e3 * (steps.find((seconds) => (last - first) / 1e3 / seconds <= 6) || steps.at(-1));
    const found = [];
    const monday = 4 * 864e5; // 5 January 1970
    for (let local = monday + Math.ceil((first + offset(first) - monday) / step) * step; ; local += step) {
      const at = local - offset(local - offset(first));
      if (at > last) return found;
      const place = (at - begin) / span, seen = (place - from) / (to - from);
      found.push([`${100 * place}%`, seen > 0.03 && seen < 0.97 ? label(at, step) : ""]);
    }
  };

  // --- the view
  const show = (left, right) => {
    const width = Math.min(Math.max(right - left, closest), 1);
    from = Math.min(Math.max((left + right - width) / 2, 0), 1 - width);
    to = from + width;
    const whole = width > 0.9999;
    if (whole) [from, to] = [0, 1];
    for (const pan of pans) {
      pan.setAttribute("x", whole ? "0" : `${(-100 * from) / width}%`);
      pan.setAttribute("width", `${100 / (whole ? 1 : width)}%`);
    }
    const marks = whole ? [] : ticks();
    for (const { group, height, whole: before } of scales) {
      if (whole) group.replaceChildren(...before);
      else if (group.matches(".ticks")) group.replaceChildren(...marks.flatMap(([x, text]) =>
        [make("line", { x1: x, x2: x, y1: 0, y2: 5 }), make("text", { x, y: 17 }, text)]));
      else group.replaceChildren(...marks.map(([x]) => make("line", { x1: x, x2: x, y1: 0, y2: height })));
    }
    const middle = parts(begin + ((from + to) / 2) * span);
    for (const text of captions) text.textContent = whole ? caption : `${middle.day} ${middle.month}`;
    document.querySelectorAll(".marks[data-marks]").forEach((row) => arrange(row, whole));
    for (const plot of plots) hide(plot);
  };
  const zoom = (factor, about) => show(about - (about - from) * factor, about + (to - about) * factor);

  // --- marks of events, arranged anew for the view
  const arrange = (row, whole) => {
    const pan = row.querySelector(".pan");
    pan.querySelector(".closer")?.remove();
    row.classList.toggle("zoomed", !whole);
    if (whole || !row.dataset.marks) return;
    const slot = (34 / pan.parentNode.clientWidth) * (to - from) * span / 1e3;
    const groups = [];
    for (const written of row.dataset.marks.split(" ")) {
      const [, seconds, kind, seq] = written.match(/^(-?\d+)([rod])(\d+)$/);
      const last = groups.at(-1);
      if (last && seconds - last[0].at < slot) last.push({ at: +seconds, kind, seq });
      else groups.push([{ at: +seconds, kind, seq }]);
    }
    const layer = make("g", { class: "closer" });
    for (const group of groups) {
      const place = (group[0].at * 1e3) / span;
      if (place < from || place > to) continue;
      const kind = ["r", "o", "d"].find((one) => group.some((event) => event.kind === one));
      const mark = make("a", { href: `#e${group[0].seq}`, class: `mark ${kind}`, tabindex: -1 });
      const x = `${100 * place}%`;
      mark.append(make("use", { href: `#mark-${kind}`, x, y: 8 }),
        make("text", { x, y: 28 }, group.length > 1 ? `×${group.length}` : group[0].seq));
      layer.append(mark);
    }
    pan.append(layer);
  };

  // --- read-out at the cursor
  const curve = (path, x) => { // the least and the greatest height of the outline at x
    let here = 0, start = 0, height = 0, least = Infinity, greatest = -Infinity;
    for (const [, command, first, second] of path.matchAll(/([MHVZ])(-?\d+)?(?: (-?\d+))?/g)) {
      if (command === "M") [here, start, height] = [+first, +first, +second];
      else if (command === "V") height = +first;
      else if (command === "H") {
        if ((x >= here && x <= +first) || (x <= here && x >= +first)) { least = Math.min(least, height); greatest = Math.max(greatest, height); }
        here = +first;
      }
    }
    return [greatest, least];
  };
  const round = (value) => String(+value.toPrecision(4));
  const told = (plot, place) => {
    const words = [stamp(begin + place * span)];
    for (const row of plot.querySelectorAll(".row[data-curve]")) {
      const low = +row.dataset.low, high = +row.dataset.high;
      const value = (height) => {
        const number = low + (1 - height / 1000) * (high - low);
        return row.dataset.switch ? String(number > 0.5) : round(number);
      };
      const [bottom, top] = curve(row.querySelector(".curve").getAttribute("d"), place * 1e5);
      const read = top === Infinity ? "no value" : value(bottom) === value(top) ? value(top) : `${value(bottom)} to ${value(top)}`;
      words.push(`${row.dataset.curve} ${read} ${row.dataset.unit}`.trim());
    }
    for (const row of plot.querySelectorAll(".row[data-strip]")) {
      const states = [...row.querySelectorAll(".pan > g:not(.grid)")].filter((group) => [...group.children].some((bar) => {
        const left = parseFloat(bar.getAttribute("x")), width = parseFloat(bar.getAttribute("width"));
        return place * 100 >= left && place * 100 <= left + width;
      }));
      if (states.length) words.push(`${row.dataset.strip} ${states.map((group) => group.getAttribute("class")).join(", ")}`);
    }
    return words.join("  ·  ");
  };
  const edge = (plot) => {
    const field = plot.querySelector(".field").getBoundingClientRect();
    return { left: field.left, width: field.width, inset: field.left - plot.querySelector(".rows").getBoundingClientRect().left };
  };
  const point = (plot, place) => {
    const { width, inset } = edge(plot);
    spot = Math.min(Math.max(place, from), to);
    const line = plot.querySelector(".cursor");
    line.style.left = `${inset + ((spot - from) / (to - from)) * width}px`;
    line.style.display = "block";
    plot.querySelector(".readout").textContent = told(plot, spot);
  };
  const hide = (plot) => { plot.querySelector(".cursor").style.display = "none"; plot.querySelector(".readout").textContent = ""; };
  const at = (plot, event) => { const { left, width } = edge(plot); return from + (Math.min(Math.max((event.clientX - left) / width, 0), 1)) * (to - from); };

  const keys = (plot, event) => {
    const step = (to - from) * (event.shiftKey ? 0.1 : 0.01);
    const act = {
      ArrowLeft: () => { if (spot - step < from) show(from - (to - from) / 2, to - (to - from) / 2); point(plot, spot - step); },
      ArrowRight: () => { if (spot + step > to) show(from + (to - from) / 2, to + (to - from) / 2); point(plot, spot + step); },
      "+": () => { zoom(0.5, spot); point(plot, spot); },
      "-": () => { zoom(2, spot); point(plot, spot); },
      0: () => show(0, 1), Escape: () => show(0, 1),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    plot.querySelector(".readout").setAttribute("aria-live", "polite");
    act();
  };

  const tools = () => {
    const bar = document.createElement("div");
    bar.className = "tools";
    const half = () => (from + to) / 2, pan = (share) => () => show(from + share * (to - from), to + share * (to - from));
    for (const [text, name, act] of [["◂", "Earlier", pan(-0.5)], ["▸", "Later", pan(0.5)], ["−", "Zoom out", () => zoom(2, half())],
      ["+", "Zoom in", () => zoom(0.5, half())], ["All", "Show the whole time", () => show(0, 1)]]) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: text, title: name });
      button.setAttribute("aria-label", name);
      button.addEventListener("click", act);
      bar.append(button);
    }
    return bar;
  };

  for (const plot of plots) {
    const field = plot.querySelector(".rows");
    for (const name of ["cursor", "selection"]) field.append(Object.assign(document.createElement("div"), { className: name }));
    const chosen = field.querySelector(".selection");
    plot.prepend(tools());
    field.tabIndex = 0;
    field.setAttribute("role", "group");
    field.setAttribute("aria-label", `${plot.getAttribute("aria-label")}. Arrows read, plus and minus zoom, 0 shows all.`);
    let start = null;
    field.addEventListener("pointerdown", (event) => {
      if (event.button || event.pointerType === "touch" || event.target.closest(".mark")) return;
      start = at(plot, event);
      field.setPointerCapture(event.pointerId);
    });
    field.addEventListener("pointermove", (event) => {
      const place = at(plot, event);
      point(plot, place);
      if (start === null) return;
      const { width, inset } = edge(plot);
      const [left, right] = [Math.min(start, place), Math.max(start, place)].map((share) => inset + ((share - from) / (to - from)) * width);
      Object.assign(chosen.style, { display: "block", left: `${left}px`, width: `${right - left}px` });
    });
    field.addEventListener("pointerup", (event) => {
      const place = at(plot, event), began = start;
      start = null;
      chosen.style.display = "none";
      if (began !== null && Math.abs(place - began) > 0.008 * (to - from)) show(Math.min(began, place), Math.max(began, place));
    });
    field.addEventListener("pointercancel", () => { start = null; chosen.style.display = "none"; });
    field.addEventListener("pointerleave", () => { if (start === null) hide(plot); });
    field.addEventListener("dblclick", () => show(0, 1));
    field.addEventListener("keydown", (event) => keys(plot, event));
  }

  // An event in the list leads to its place in the plot.
  document.addEventListener("toggle", (event) => {
    if (!event.target.open || event.target.dataset.led) return;
    event.target.dataset.led = "yes";
    const plot = event.target.closest("section").querySelector(".timeline");
    for (const cell of event.target.querySelectorAll("td.t")) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: cell.textContent });
      button.addEventListener("click", () => {
        const place = (cell.parentNode.dataset.at * 1e3) / span, reach = Math.min(0.5, Math.max(900e3 / span, closest));
        show(place - reach, place + reach);
        plot.scrollIntoView({ block: "center" });
        point(plot, place);
      });
      cell.replaceChildren(button);
    }
  }, true);
  document.body.classList.add("live");
})();
