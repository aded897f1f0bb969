// The answer panel, which depends on the kind of question.

import { $ } from "../base.js";
import { comparison, goodBad, gradedComparison } from "./choices.js";
import { ranking } from "./ranking.js";
import { rating } from "./rating.js";

const KINDS = { comparison, graded_comparison: gradedComparison, ranking, rating, good_bad: goodBad };
export const kindOf = (question) => KINDS[question.kind] ?? comparison;
export const known = (question) => question.kind in KINDS;
export const namesOf = (question) => kindOf(question).names(question.clips.length);

let drawn = null, shown = ""; // the present panel, and the kind and number of clips that it is for

export const keys = () => drawn?.keys ?? {};
export const tap = (side, shift) => drawn?.tap?.(side, shift);

/** Show the buttons of a question; `send` is called with the answer. */
export function present(question, stage, send) {
  drawButtons(question.kind, question.clips.length, send);
  drawn.begin?.(stage);
}

export function drawButtons(kind, clips, send) {
  if (shown === `${kind} ${clips}`) return;
  shown = `${kind} ${clips}`;
  drawn = (KINDS[kind] ?? comparison).draw(send, clips);
  $("answers").dataset.kind = kind;
  $("answers").replaceChildren(...drawn.elements);
}

export function enable(on) {
  if (drawn?.enable) return drawn.enable(on);
  for (const each of $("answers").querySelectorAll("button, input")) each.disabled = !on;
}

export function flash(value) {
  const button = drawn?.button(value);
  if (!button) return;
  button.classList.add("hit");
  setTimeout(() => button.classList.remove("hit"), 160);
}
