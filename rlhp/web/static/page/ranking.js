// A ranking of several clips: keys, taps or drags put clips into places; clips in the same place are tied.

import { made } from "../base.js";
import { UNSURE, answerButton, keyButton } from "./choices.js";

const ordinal = (n) => `${n}${["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th"}`;

/** Convert a rank per clip to the clips of each place, best first. */
function places(ranks) {
  const by = new Map();
  ranks.forEach((rank, clip) => by.set(rank, [...(by.get(rank) ?? []), clip]));
  return [...by].sort(([a], [b]) => a - b).map(([, clips]) => clips);
}

const written = (ranks, tie, then) => places(ranks).map((clips) => clips.map((clip) => clip + 1).join(tie)).join(then);

export const ranking = {
  names: (n) => Array.from({ length: n }, (_, clip) => `${clip + 1}`),
  words: (value) => (Array.isArray(value) ? `${written(value, " = ", " > ")}.` : "Cannot tell."),
  sign: (value) => (Array.isArray(value) ? written(value, "=", "›") : "↑"),
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
    const join = () => this.join(), pop = () => this.pop(), finish = () => this.finish();
    this.tie = keyButton("=", "Tie", join);
    this.back = keyButton("⌫", "Take back", pop);
    this.done = keyButton("Enter", "Send ranking", finish, { className: "main" });
    this.unsure = answerButton(UNSURE, send);
    this.elements = [list, made("div", { className: "row" }, this.tie, this.back, this.unsure, this.done)];
    const digits = this.chips.map((_, clip) => [`${(clip + 1) % 10}`, () => this.tap(clip)]);
    this.keys = { ...Object.fromEntries(digits), "=": join, Backspace: pop, Enter: finish, ArrowUp: () => send("unsure") };
  }

  slot(place) { // the last slot holds the clips without a place
    return made("li", { "data-place": place }, made("span", place < this.n ? ordinal(place + 1) : "Not placed"));
  }

  chip(clip) {
    const onclick = () => { if (!this.dragged) this.tap(clip); }, onpointerdown = (event) => this.drag(clip, event);
    return made("button", { className: "chip", textContent: `${clip + 1}`, disabled: true, "data-side": clip, onclick, onpointerdown });
  }

  drag(clip, down) {
    const chip = this.chips[clip];
    if (chip.disabled || down.button) return;
    this.dragged = false;
    const move = (event) => {
      const x = event.clientX - down.clientX, y = event.clientY - down.clientY;
      this.dragged ||= Math.hypot(x, y) > 6;
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
    this.last = null;
    this.set([]);
  }

  get placed() { return this.order.flat(); }
  without(clip) { return this.order.map((clips) => clips.filter((each) => each !== clip)); }
  placeOf(clip) { return this.order.findIndex((clips) => clips.includes(clip)); }

  tap(clip) { // puts a clip into the next place, or removes it
    const placed = this.placed, last = this.last;
    this.last = null;
    if (clip === last) return; // it is already in its place
    if (placed.includes(clip)) return this.set(this.without(clip));
    const left = [...this.chips.keys()].filter((each) => each !== clip && !placed.includes(each));
    if (left.length === 1) [this.last] = left; // the last clip is placed automatically
    this.set([...this.order, [clip], ...(left.length === 1 ? [left] : [])]);
  }

  put(clip, place) { // a place that is taken becomes a tie
    const order = this.without(clip);
    if (place < order.length) order[place].push(clip);
    else if (place < this.n) order.push([clip]);
    this.set(order);
  }

  join() {
    if (this.order.length > 1) this.set([...this.order.slice(0, -2), this.order.slice(-2).flat()]);
  }

  pop() {
    this.last = null;
    if (this.order.length) this.tap(this.placed.at(-1));
  }

  finish() {
    if (this.placed.length === this.n) this.send(this.chips.map((_, clip) => this.placeOf(clip)));
  }

  /** Show a new order. Places without clips are removed. */
  set(order) {
    this.order = order.filter((clips) => clips.length);
    for (const [clip, chip] of this.chips.entries()) {
      const place = this.placeOf(clip);
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
