// Questions answered with one of several buttons: comparisons, graded comparisons, and good or bad.

import { made } from "./base.js";

/** An answer button with its sign (the key to press) and its text. */
export function answerButton({ value, sign, text, keys = [], tone = "" }, send) {
  const button = made("button", { type: "button", disabled: true }, made("kbd", { textContent: sign }), made("span", { textContent: text }));
  button.dataset.choice = value;
  if (tone) button.dataset.tone = tone;
  if (keys.length) button.setAttribute("aria-keyshortcuts", keys.join(" "));
  button.addEventListener("click", () => send(value));
  return button;
}

export const UNSURE = { value: "unsure", keys: ["ArrowUp"], sign: "↑", text: "Cannot tell", sides: [] };

/** A kind of question. `taps`: the answers that a tap on a clip gives, by side, without and with Shift. `tapping`: the help text on this. */
export function choices(options, names, taps = [], tapping = "") {
  const of = (value) => options.find((option) => option.value === value);
  return {
    names: () => names,
    words: (value) => `${of(value)?.text ?? value}.`,
    sign: (value) => of(value)?.sign ?? "?",
    sides: (value) => of(value)?.sides ?? [],
    tapping,
    help: options.map(({ sign, text }) => [sign, text]),
    draw(send) {
      const buttons = options.map((option) => answerButton(option, send));
      const keys = Object.fromEntries(options.flatMap((option) => option.keys.map((key) => [key, () => send(option.value)])));
      const tap = (side, shift) => { const value = taps[shift ? 1 : 0]?.[side]; if (value) send(value); };
      return { elements: buttons, keys, tap, begin() {}, button: (value) => buttons.find((button) => button.dataset.choice === value) };
    },
  };
}

const BOTH = { value: "equal", keys: ["ArrowDown"], sign: "↓", text: "Equal", sides: [0, 1] };

export const comparison = choices([
  { value: "left", keys: ["ArrowLeft"], sign: "←", text: "Left is better", sides: [0], tone: "left" },
  BOTH, UNSURE,
  { value: "right", keys: ["ArrowRight"], sign: "→", text: "Right is better", sides: [1], tone: "right" },
], ["Left", "Right"], [["left", "right"], ["left", "right"]], "A tap or a click on a clip chooses it.");

export const gradedComparison = choices([
  { value: "left_much", keys: ["1", "Shift+ArrowLeft"], sign: "1", text: "Left, by far", sides: [0], tone: "left" },
  { value: "left", keys: ["2", "ArrowLeft"], sign: "2", text: "Left, a little", sides: [0], tone: "left" },
  BOTH, UNSURE,
  { value: "right", keys: ["3", "ArrowRight"], sign: "3", text: "Right, a little", sides: [1], tone: "right" },
  { value: "right_much", keys: ["4", "Shift+ArrowRight"], sign: "4", text: "Right, by far", sides: [1], tone: "right" },
], ["Left", "Right"], [["left", "right"], ["left_much", "right_much"]], "A tap or a click on a clip means that it is a little better; with Shift, by far.");

export const goodBad = choices([
  { value: "bad", keys: ["ArrowLeft", "b"], sign: "←", text: "Bad", sides: [0], tone: "bad" },
  UNSURE,
  { value: "good", keys: ["ArrowRight", "g"], sign: "→", text: "Good", sides: [0], tone: "good" },
], [""]);
