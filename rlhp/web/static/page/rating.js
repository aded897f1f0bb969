// A rating of one clip: a key from 1 to 5, or a slider for values in between.

import { made } from "../base.js";
import { UNSURE, answerButton, keyButton } from "./choices.js";

const WORDS = ["Very bad", "Bad", "Middling", "Good", "Very good"];
const STARS = WORDS.map((text, i) => ({ value: i / (WORDS.length - 1), sign: `${i + 1}`, text, keys: [`${i + 1}`] }));
const percent = (value) => `${Math.round(100 * value)} of 100`;

export const rating = {
  names: () => [""],
  words: (value) => (value === "unsure" ? "Cannot tell." : `Rated ${percent(value)}.`),
  sign: (value) => (value === "unsure" ? "↑" : `${Math.round(100 * value)}`),
  sides: (value) => (value === "unsure" ? [] : [0]),
  help: [["1 … 5", "Very bad … very good"], ["Enter", "Send the slider's value"], ["↑", "Cannot tell"]],
  draw(send) {
    const [unsure, ...stars] = [UNSURE, ...STARS].map((option) => answerButton(option, send)), between = slide(send);
    const keys = Object.fromEntries([UNSURE, ...STARS].map(({ value, keys: [key] }) => [key, () => send(value)]));
    return {
      elements: [made("div", { className: "stars" }, ...stars), made("div", { className: "row" }, ...between.elements, unsure)],
      keys: { ...keys, Enter: between.finish },
      begin: between.begin,
      enable(on) {
        for (const each of [...stars, unsure]) each.disabled = !on;
        between.enable(on);
      },
      button: (value) => (value === "unsure" ? unsure : stars.find((star) => Number(star.dataset.choice) === value) ?? between.done),
    };
  },
};

/** The slider and its button, which is disabled until the slider has been moved. */
function slide(send) {
  const slider = made("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Rating", disabled: true });
  const shown = made("output", "50"), done = keyButton("Enter", "Send", finish, { className: "main" });
  let enabled = false, moved = false;
  function write() {
    shown.textContent = slider.value;
    slider.setAttribute("aria-valuetext", percent(slider.valueAsNumber / 100));
    slider.disabled = !enabled;
    done.disabled = !enabled || !moved;
  }
  function finish() { if (enabled && moved) send(slider.valueAsNumber / 100); }
  slider.addEventListener("input", () => { moved = true; write(); });
  slider.addEventListener("keydown", (event) => { if (event.key === "Enter") finish(); });
  return {
    elements: [slider, shown, done], done, finish,
    begin() { slider.value = 50; moved = false; write(); },
    enable(on) { enabled = on; write(); },
  };
}
