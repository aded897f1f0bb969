// What to look for: the instructions, and a sketch of what to watch. Folds to one line once they are known.

import { $, storage } from "./base.js?token={{token}}";
import { ask } from "./server.js?token={{token}}";
import { listen } from "./progress.js?token={{token}}";
import { page } from "./state.js?token={{token}}";

const KEPT = "rlhp guide"; // whether the person wants it open; null: as the page sees fit
const KNOWN = 5; // answers after which it folds

let wish = storage.read(KEPT), sketched = false;

function fold() {
  const open = typeof wish === "boolean" ? wish : page.mine.answers + page.pending.length < KNOWN;
  if ($("guide").open !== open) $("guide").open = open;
}

function write() {
  const { run } = page;
  if (!run) return;
  fold();
  $("instructions").textContent = run.instructions;
  $("brief").textContent = run.instructions;
  if (run.sketch && !sketched) { sketched = true; draw(run).catch(() => { sketched = false; }); }
}

async function draw({ task, watch }) {
  const text = await (await ask(`sketches/${encodeURIComponent(task)}.svg`)).text();
  const sketch = document.adoptNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement);
  for (const part of sketch.querySelectorAll("[data-part]")) part.classList.toggle("watched", watch.includes(part.dataset.part));
  $("sketch").replaceChildren(sketch);
  $("sketch").hidden = false;
}

export function start() {
  $("guide").open = wish !== false;
  $("guide").querySelector("summary").addEventListener("click", () => {
    wish = !$("guide").open;
    storage.write(KEPT, wish);
  });
  listen(write);
}
