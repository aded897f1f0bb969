// What the page shows at present, and for how long a question has been visible: a hidden tab does not count.

import { enable } from "./panel.js";
import { page } from "./state.js";

const body = document.body;
const view = { seen: 0, since: null }; // ms visible before `since`, and the start of the present interval

export function phase(name) {
  body.dataset.phase = name;
  enable(name === "showing");
}

export const timeVisible = () => view.seen + (view.since === null ? 0 : performance.now() - view.since);
export const minimum = () => (page.run?.minimum_view ?? 1) * 1000;

/** Start to measure the time of another question. */
export function restartView() {
  view.seen = 0;
  view.since = document.hidden ? null : performance.now();
  early();
}

function early() {
  body.style.setProperty("--minimum", `${minimum()}ms`);
  body.classList.remove("early");
  void body.offsetWidth; // restarts the animation
  body.classList.toggle("early", timeVisible() < minimum());
  setTimeout(() => body.classList.toggle("early", timeVisible() < minimum()), Math.max(0, minimum() - timeVisible()) + 20);
}

document.addEventListener("visibilitychange", () => {
  view.seen = timeVisible();
  view.since = document.hidden ? null : performance.now();
  if (!document.hidden) early();
});
