// Shows the first question of the queue, preloads the next one, and measures how long a question has been visible.

import { $, sleep } from "../base.js";
import { film, forget } from "./films.js";
import { choose, connectionLost, fetchQuestions, report } from "./answers.js";
import { fit } from "./fit.js";
import { enable, namesOf, present, tap } from "./panel.js";
import { watch } from "./playback.js";
import { write } from "./progress.js";
import { Stage } from "./stage.js";
import { page, same, showing } from "./state.js";

const body = document.body;

const onTap = (stage, side, event) => { if (stage === active && showing()) tap(side, event.shiftKey); };

async function playbackFailed(stage, clip) { // a clip that loaded turns out to be damaged
  stage.question = null;
  if (stage === active) phase("loading");
  await report(clip);
  arrange();
}

const stages = [new Stage($("stage-a"), onTap, playbackFailed), new Stage($("stage-b"), onTap, playbackFailed)];
export let active = stages[0];
let arranging = false, queueChanged = false;

/** Show the first question of the queue and load the second. Called whenever the queue has changed. */
export async function arrange() {
  queueChanged = true;
  if (arranging) return;
  arranging = true;
  while (queueChanged) {
    await page.chosen;
    queueChanged = false;
    const [now, next] = page.queue;
    try {
      await showAndPreload(now, next);
    } catch (error) {
      if (error.clip) await report(error.clip);
      else await fetchQuestions().catch(connectionLost).then(() => sleep(500)); // a missing clip is being filmed again: fetch other questions
      queueChanged = queueChanged || page.queue.length > 0;
    }
  }
  arranging = false;
  forget(new Set([...page.queue, ...stages.map((stage) => stage.question)].flatMap((question) => question?.clips ?? [])));
}

async function showAndPreload(now, next) {
  const other = stages.find((stage) => stage !== active);
  if (now && !(same(active.question, now) && showing())) await show(now, same(active.question, now) ? active : other);
  else if (!now) hide();
  const spare = stages.find((stage) => stage !== active);
  if (!queueChanged && next && !same(spare.question, next)) await spare.load(next, namesOf(next));
  for (const question of page.queue) question.clips.forEach(film);
}

async function show(question, stage) {
  if (!same(stage.question, question)) { phase("loading"); await stage.load(question, namesOf(question)); }
  if (!same(page.queue[0], question)) return; // the queue has changed meanwhile
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

// Time visible: a hidden tab does not count

const look = { seen: 0, since: null }; // ms visible before `since`, and the start of the present interval

export const timeVisible = () => look.seen + (look.since === null ? 0 : performance.now() - look.since);
export const minimum = () => (page.run?.minimum_view ?? 1) * 1000;

function early() {
  body.style.setProperty("--minimum", `${minimum()}ms`);
  body.classList.remove("early");
  void body.offsetWidth; // restarts the animation
  body.classList.toggle("early", timeVisible() < minimum());
  setTimeout(() => body.classList.toggle("early", timeVisible() < minimum()), Math.max(0, minimum() - timeVisible()) + 20);
}

document.addEventListener("visibilitychange", () => {
  look.seen = timeVisible();
  look.since = document.hidden ? null : performance.now();
  if (!document.hidden) early();
});

addEventListener("resize", () => { if (active.question) fit(active, active.question); });
