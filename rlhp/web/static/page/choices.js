// Questions answered with one of several buttons: comparisons, graded comparisons, and good or bad.

import { made } from "../base.js";

/** A button with its sign (the key to press) and its text. */
export function keyButton(sign, text, onclick, properties = {}) {
  return made("button", { disabled: true, onclick, ...properties }, made("kbd", sign), made("span", text));
}

export function answerButton({ value, sign, text, keys, tone }, send) {
  return keyButton(sign, text, () => send(value), { "data-choice": value, "data-tone": tone, "aria-keyshortcuts": keys.join(" ") });
}

export const UNSURE = { value: "unsure", keys: ["ArrowUp"], sign: "↑", text: "Cannot tell", sides: [] };

/** A kind of question. `taps`: the answers that a tap on a clip gives, by side, without and with Shift. `tapping`: the help text on this. */
function choices(options, names, taps = [], tapping = "") {
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
      return { elements: buttons, keys, tap, button: (value) => buttons.find((button) => button.dataset.choice === value) };
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
