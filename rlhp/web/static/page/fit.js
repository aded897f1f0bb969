// Lays clips out in the number of columns that makes them largest.

import { $ } from "../base.js";
import { namesOf } from "./panel.js";

const GAP = 12; // approximate pixels between clips
const ROWS = 300, TOUCH_ROWS = 230; // approximate height in pixels of the rest of the page
const touch = matchMedia("(pointer: coarse)");

/** Width of a clip in a layout of `columns` within width x height pixels; `ratio`: a clip's width divided by its height. */
function side(columns, clips, width, height, ratio) {
  const rows = Math.ceil(clips / columns);
  return Math.min((width - (columns - 1) * GAP) / columns, ((height - (rows - 1) * GAP) / rows) * ratio);
}

/** The number of columns that makes clips largest; among equals, the largest number. */
function columns(clips, width, height, ratio) {
  let best = clips;
  for (let n = clips - 1; n > 0; n--) if (side(n, clips, width, height, ratio) > 1.05 * side(best, clips, width, height, ratio)) best = n;
  return best;
}

export function fit(stage, question) {
  const clips = question.clips.length, { videoWidth, videoHeight } = stage.videos[0];
  const height = Math.max(innerHeight - (touch.matches ? TOUCH_ROWS : ROWS), 100);
  // Two clips are side by side, like their keys; on a touch screen, which has no keys, they may be stacked.
  const n = clips === 2 && !touch.matches ? 2 : columns(clips, $("clips").clientWidth, height, videoWidth / videoHeight || 1);
  const root = $("clips").style;
  root.setProperty("--columns", n);
  root.setProperty("--rows", Math.ceil(clips / n));
  document.body.classList.toggle("stacked", clips === 2 && n === 1);
  rename(stage, question, clips === 2 && n === 1);
}

/** Rename "left" and "right" to "upper" and "lower" if the clips are stacked. */
function rename(stage, question, stacked) {
  namesOf(question).forEach((name, at) => stage.name(at, stacked ? ["Upper", "Lower"][at] : name));
  for (const label of $("answers").querySelectorAll("[data-tone=left] span, [data-tone=right] span")) {
    label.dataset.words ??= label.textContent;
    label.textContent = stacked ? label.dataset.words.replace("Left", "Upper").replace("Right", "Lower") : label.dataset.words;
  }
}
