// Which question is in front of the person, what comes next, and for how long it has been in sight.

import { $, sleep } from "./base.js?token={{token}}";
import { film, forget } from "./films.js?token={{token}}";
import { deal, lost, report } from "./answers.js?token={{token}}";
import { choose } from "./choose.js?token={{token}}";
import { fit } from "./fit.js?token={{token}}";
import { enable, namesOf, present, tap } from "./panel.js?token={{token}}";
import { watch } from "./playback.js?token={{token}}";
import { write } from "./progress.js?token={{token}}";
import { Stage } from "./stage.js?token={{token}}";
import { page, same, showing } from "./state.js?token={{token}}";

const body = document.body;

const tapped = (stage, side, event) => { if (stage === active && showing()) tap(side, event.shiftKey); };

async function broke(stage, clip) { // it began well, and is damaged further on
  stage.question = null;
  if (stage === active) phase("loading");
  await report(clip);
  arrange();
}

const stages = [new Stage($("stage-a"), tapped, broke), new Stage($("stage-b"), tapped, broke)];
export let active = stages[0];
let arranging = false, anew = false;

/** Shows the first question of the queue and loads the second; called whenever the queue has changed. */
export async function arrange() {
  anew = true;
  if (arranging) return;
  arranging = true;
  while (anew) {
    await page.chosen;
    anew = false;
    const [now, next] = page.queue;
    try {
      await turn(now, next);
    } catch (error) {
      if (error.clip) await report(error.clip);
      else await deal().catch(lost).then(() => sleep(500)); // a clip that is gone is being filmed again: what else is there?
      anew = anew || page.queue.length > 0;
    }
  }
  arranging = false;
  forget(new Set([...page.queue, ...stages.map((stage) => stage.question)].flatMap((question) => question?.clips ?? [])));
}

async function turn(now, next) {
  const other = stages.find((stage) => stage !== active);
  if (now && !(same(active.question, now) && showing())) await show(now, same(active.question, now) ? active : other);
  else if (!now) hide();
  const behind = stages.find((stage) => stage !== active);
  if (!anew && next && !same(behind.question, next)) await behind.load(next, namesOf(next));
  for (const question of page.queue) question.clips.forEach(film);
}

async function show(question, stage) {
  if (!same(stage.question, question)) { phase("loading"); await stage.load(question, namesOf(question)); }
  if (!same(page.queue[0], question)) return; // things have changed meanwhile
  const before = active;
  active = stage;
  if (before !== stage) { before.pause(); before.root.hidden = true; }
  stage.root.hidden = false;
  stage.mark([]);
  present(question, stage, choose);
  watch(stage);
  fit(stage, question);
  phase("showing");
  look.seen = 0;
  look.since = document.hidden ? null : performance.now();
  early();
  body.dataset.pair = `${question.query}/${question.round}`;
  stage.play();
  write();
}

function hide() {
  active.pause();
  delete body.dataset.pair;
  phase("idle");
}

export function phase(name) {
  body.dataset.phase = name;
  enable(name === "showing");
}

// Time in sight: a tab that is hidden shows nothing to anybody

const look = { seen: 0, since: null }; // ms before, and the moment since when

export const inSight = () => look.seen + (look.since === null ? 0 : performance.now() - look.since);
export const minimum = () => (page.run?.minimum_view ?? 1) * 1000;

function early() {
  body.style.setProperty("--minimum", `${minimum()}ms`);
  body.classList.remove("early");
  void body.offsetWidth; // begins the animation anew
  body.classList.toggle("early", inSight() < minimum());
  setTimeout(() => body.classList.toggle("early", inSight() < minimum()), Math.max(0, minimum() - inSight()) + 20);
}

document.addEventListener("visibilitychange", () => {
  look.seen = inSight();
  look.since = document.hidden ? null : performance.now();
  if (!document.hidden) early();
});

addEventListener("resize", () => { if (active.question) fit(active, active.question); });
