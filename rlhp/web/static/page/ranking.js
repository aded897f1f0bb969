// A ranking of several clips: keys, taps or drags put clips into places; clips in the same place are tied.

import { made } from "./base.js";
import { UNSURE, answerButton } from "./choices.js";

export const ordinal = (n) => `${n}${["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th"}`;

/** Convert a rank per clip to the clips of each place, best first. */
function places(ranks) {
  const by = new Map();
  ranks.forEach((rank, clip) => by.set(rank, [...(by.get(rank) ?? []), clip]));
  return [...by].sort(([a], [b]) => a - b).map(([, clips]) => clips);
}

const written = (value) => (Array.isArray(value) ? places(value).map((clips) => clips.map((clip) => clip + 1).join(" = ")).join(" > ") : "Cannot tell");

export const ranking = {
  names: (n) => Array.from({ length: n }, (_, clip) => `${clip + 1}`),
  words: (value) => `${written(value)}.`,
  sign: (value) => (Array.isArray(value) ? places(value).map((clips) => clips.map((clip) => clip + 1).join("=")).join("›") : "↑"),
  sides: (value) => (Array.isArray(value) ? places(value)[0] : []),
  tapping: "A tap or a click on a clip puts it into the next place or removes it; numbers can be dragged.",
  help: [["1 2 …", "Put that clip into the next place, or remove it"], ["=", "Tie the last place with the one before"],
    ["Backspace", "Remove the last clip"], ["Enter", "Send the ranking"], ["↑", "Cannot tell"]],
  draw: (send, n) => new Places(send, n),
};

class Places {
  constructor(send, n) {
    this.send = send;
    this.n = n;
    this.order = []; // the clips of each place, best first
    this.last = null; // the clip that was placed automatically, until the person changes something
    this.chips = Array.from({ length: n }, (_, clip) => this.chip(clip));
    this.slots = Array.from({ length: n + 1 }, (_, place) => this.slot(place));
    const list = made("ol", { className: "places", "aria-label": "Places, the best first" }, ...this.slots);
    this.tie = this.tool("=", "Tie", () => this.join());
    this.back = this.tool("⌫", "Take back", () => this.pop());
    this.done = this.tool("Enter", "Send ranking", () => this.finish());
    this.done.classList.add("main");
    this.unsure = answerButton(UNSURE, send);
    this.elements = [list, made("div", { className: "row" }, this.tie, this.back, this.unsure, this.done)];
    const digits = this.chips.map((_, clip) => [`${(clip + 1) % 10}`, () => this.toggle(clip)]);
    this.keys = { ...Object.fromEntries(digits), "=": () => this.join(), Backspace: () => this.pop(), Enter: () => this.finish(), ArrowUp: () => send("unsure") };
  }

  tool(sign, text, act) {
    const button = made("button", { type: "button", disabled: true }, made("kbd", { textContent: sign }), made("span", { textContent: text }));
    button.addEventListener("click", act);
    return button;
  }

  slot(place) { // the last slot holds the clips without a place
    const name = place < this.n ? ordinal(place + 1) : "Not placed";
    const slot = made("li", {}, made("span", { textContent: name }));
    slot.dataset.place = place;
    return slot;
  }

  chip(clip) {
    const chip = made("button", { type: "button", className: "chip", textContent: `${clip + 1}`, disabled: true });
    chip.dataset.side = clip;
    chip.addEventListener("click", () => { if (!this.dragged) this.toggle(clip); });
    chip.addEventListener("pointerdown", (event) => this.drag(chip, clip, event));
    return chip;
  }

  drag(chip, clip, down) {
    if (chip.disabled || down.button) return;
    this.dragged = false;
    const move = (event) => {
      const x = event.clientX - down.clientX, y = event.clientY - down.clientY;
      this.dragged = this.dragged || Math.hypot(x, y) > 6;
      if (this.dragged) chip.style.transform = `translate(${x}px, ${y}px)`;
    };
    const up = (event) => {
      removeEventListener("pointermove", move);
      chip.style.transform = "";
      const slot = this.dragged && document.elementsFromPoint(event.clientX, event.clientY).find((each) => each.dataset?.place);
      if (slot) this.put(clip, Number(slot.dataset.place));
      setTimeout(() => { this.dragged = false; }); // after the click event that ends a drag
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up, { once: true });
    addEventListener("pointercancel", up, { once: true });
  }

  begin(stage) {
    this.stage = stage;
    this.order = [];
    this.last = null;
    this.write();
  }

  get placed() { return this.order.flat(); }
  without(clip) { return this.order.map((clips) => clips.filter((each) => each !== clip)).filter((clips) => clips.length); }

  tap(clip) { this.toggle(clip); }

  toggle(clip) {
    const placed = this.placed.includes(clip), last = this.last;
    this.last = null;
    if (clip === last) return; // it is already in its place
    this.order = placed ? this.without(clip) : [...this.order, [clip]];
    const left = [...this.chips.keys()].filter((each) => !this.placed.includes(each));
    if (!placed && left.length === 1) { // the last clip is placed automatically
      this.order = [...this.order, left];
      [this.last] = left;
    }
    this.write();
  }

  put(clip, place) { // a place that is taken becomes a tie
    const order = this.order.map((clips) => clips.filter((each) => each !== clip));
    if (place < order.length) order[place].push(clip);
    else if (place < this.n) order.push([clip]);
    this.order = order.filter((clips) => clips.length);
    this.write();
  }

  join() {
    if (this.order.length < 2) return;
    const last = this.order.at(-1);
    this.order = [...this.order.slice(0, -2), [...this.order.at(-2), ...last]];
    this.write();
  }

  pop() {
    const last = this.placed.at(-1);
    this.last = null;
    if (last !== undefined) this.order = this.without(last);
    this.write();
  }

  finish() {
    if (this.placed.length < this.n) return;
    this.send(this.chips.map((_, clip) => this.order.findIndex((clips) => clips.includes(clip))));
  }

  write() {
    for (const [clip, chip] of this.chips.entries()) {
      const place = this.order.findIndex((clips) => clips.includes(clip));
      this.slots[place < 0 ? this.n : place].append(chip);
      chip.setAttribute("aria-label", `Clip ${clip + 1}, ${place < 0 ? "not placed" : ordinal(place + 1)}`);
      this.stage?.place(clip, place < 0 ? "" : ordinal(place + 1));
    }
    this.enable(this.enabled);
  }

  enable(on) {
    this.enabled = on;
    for (const each of [...this.chips, this.unsure]) each.disabled = !on;
    this.tie.disabled = !on || this.order.length < 2;
    this.back.disabled = !on || !this.order.length;
    this.done.disabled = !on || this.placed.length < this.n;
  }

  button(value) { return value === "unsure" ? this.unsure : this.done; }
}
