// The instructions and a sketch of what to watch. Folds to one line after a few answers.

import { $, ask, storage, write } from "../base.js";
import { listen } from "./progress.js";
import { page } from "./state.js";

const KEPT = "rlhp guide"; // whether the person opened or closed it; null: the page decides
const FOLD_AFTER = 5; // answers after which it folds

const UNSURE = "If you cannot judge, say so: that helps too.";
const ONE = "You see one clip at a time: judge it by the instructions above, and compare it with the clips that you have seen.";
const HOW = { // how to answer each kind of question, for any task
  comparison: `Judge what the clips show, nothing else. If one is only slightly better, choose it; if you see no difference, call them equal. ${UNSURE}`,
  graded_comparison: `Judge what the clips show, nothing else, and say whether one is better by far or a little; if you see no difference, call them equal. ${UNSURE}`,
  ranking: `Put the clips in order, the best first; clips between which you see no difference share a place. ${UNSURE}`,
  rating: `${ONE} The middle of the scale means typical of the clips so far. ${UNSURE}`,
  good_bad: `${ONE} Good means better than is typical so far. ${UNSURE}`,
};

let preference = storage.read(KEPT), sketched = false;

function fold() {
  const open = typeof preference === "boolean" ? preference : page.mine.answers + page.pending.length < FOLD_AFTER;
  if ($("guide").open !== open) $("guide").open = open;
}

function show() {
  const { run } = page;
  if (!run) return;
  fold();
  write({ instructions: run.instructions, brief: run.instructions, how: HOW[run.kind] ?? HOW.comparison });
  if (run.sketch && !sketched) { sketched = true; draw(run).catch(() => { sketched = false; }); }
}

async function draw({ task, watch }) {
  const text = await (await ask(`static/sketches/${encodeURIComponent(task)}.svg`)).text();
  const sketch = document.adoptNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement);
  for (const part of sketch.querySelectorAll("[data-part]")) part.classList.toggle("watched", watch.includes(part.dataset.part));
  $("sketch").replaceChildren(sketch);
  $("sketch").hidden = false;
}

$("guide").open = preference !== false;
$("guide").querySelector("summary").addEventListener("click", () => {
  preference = !$("guide").open;
  storage.write(KEPT, preference);
});
listen(show);
