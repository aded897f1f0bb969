// What to look for: the instructions, and a sketch of what to watch. Folds to one line once they are known.

import { $, storage } from "./base.js?token={{token}}";
import { ask } from "./server.js?token={{token}}";
import { listen } from "./progress.js?token={{token}}";
import { page } from "./state.js?token={{token}}";

const KEPT = "rlhp guide"; // whether the person wants it open; null: as the page sees fit
const KNOWN = 5; // answers after which it folds

const UNSURE = "If you cannot judge, say so: that helps too.";
const ONE = "You see one clip at a time: let the above say what is better, and compare with the clips that you have seen.";
const HOW = { // how a kind of question is answered, whatever the task is
  comparison: `Judge what the clips show, nothing else. If one is only slightly better, choose it; if you see no difference, call them equal. ${UNSURE}`,
  graded_comparison: `Judge what the clips show, nothing else, and say whether one is better by far or a little; if you see no difference, call them equal. ${UNSURE}`,
  ranking: `Put the clips in order by this, the best first; those between which you see no difference share a place. ${UNSURE}`,
  rating: `${ONE} In the middle of the scale is what is usual so far. ${UNSURE}`,
  good_bad: `${ONE} Good is what is better than usual so far. ${UNSURE}`,
};

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
  $("how").textContent = HOW[run.kind] ?? HOW.comparison;
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
