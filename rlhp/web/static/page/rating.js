// A rating of one clip: a key from 1 to 5, or a slider for values in between.

import { made } from "./base.js";
import { UNSURE, answerButton } from "./choices.js";

const STARS = 5;
const WORDS = ["Very bad", "Bad", "Middling", "Good", "Very good"];
const percent = (value) => `${Math.round(100 * value)} of 100`;

export const rating = {
  names: () => [""],
  words: (value) => (value === "unsure" ? "Cannot tell." : `Rated ${percent(value)}.`),
  sign: (value) => (value === "unsure" ? "↑" : `${Math.round(100 * value)}`),
  sides: (value) => (value === "unsure" ? [] : [0]),
  help: [["1 … 5", "Very bad … very good"], ["Enter", "Send the slider's value"], ["↑", "Cannot tell"]],
  draw(send) {
    const stars = WORDS.map((text, i) => answerButton({ value: i / (STARS - 1), sign: `${i + 1}`, text, keys: [`${i + 1}`] }, send));
    const unsure = answerButton(UNSURE, send), between = slide(send);
    const digits = stars.map((_, i) => [`${i + 1}`, () => send(i / (STARS - 1))]);
    return {
      elements: [made("div", { className: "stars" }, ...stars), made("div", { className: "row" }, ...between.elements, unsure)],
      keys: { ...Object.fromEntries(digits), Enter: between.finish, ArrowUp: () => send("unsure") },
      begin: between.begin,
      enable(on) {
        for (const each of [...stars, unsure]) each.disabled = !on;
        between.enable(on);
      },
      tap() {},
      button: (value) => (value === "unsure" ? unsure : stars.find((star) => Number(star.dataset.choice) === value) ?? between.done),
    };
  },
};

/** The slider and its button, which is disabled until the slider has been moved. */
function slide(send) {
  const slider = made("input", { type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": "Rating", disabled: true });
  const shown = made("output", { textContent: "50" });
  const done = made("button", { type: "button", className: "main", disabled: true }, made("kbd", { textContent: "Enter" }), made("span", { textContent: "Send" }));
  let enabled = false, moved = false;
  const write = () => {
    shown.textContent = slider.value;
    slider.setAttribute("aria-valuetext", percent(slider.valueAsNumber / 100));
    slider.disabled = !enabled;
    done.disabled = !enabled || !moved;
  };
  const finish = () => { if (enabled && moved) send(slider.valueAsNumber / 100); };
  slider.addEventListener("input", () => { moved = true; write(); });
  slider.addEventListener("keydown", (event) => { if (event.key === "Enter") finish(); });
  done.addEventListener("click", finish);
  return {
    elements: [slider, shown, done], done, finish,
    begin() { slider.value = 50; moved = false; write(); },
    enable(on) { enabled = on; write(); },
  };
}
