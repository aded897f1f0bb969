// Shows the first question of the queue and preloads the next one.

import { $, sleep } from "../base.js";
import { film, forget } from "./films.js";
import { choose, connectionLost, fetchQuestions, report } from "./answers.js";
import { fit } from "./fit.js";
import { namesOf, present, tap } from "./panel.js";
import { watch } from "./playback.js";
import { write } from "./progress.js";
import { Stage } from "./stage.js";
import { page, same, showing } from "./state.js";
import { phase, restartView } from "./view.js";

const onTap = (stage, side, event) => { if (stage === page.stage && showing()) tap(side, event.shiftKey); };

async function playbackFailed(stage, clip) { // a clip that loaded turns out to be damaged
  stage.question = null;
  if (stage === page.stage) phase("loading");
  await report(clip);
  arrange();
}

const stages = [new Stage($("stage-a"), onTap, playbackFailed), new Stage($("stage-b"), onTap, playbackFailed)];
page.stage = stages[0];
let arranging = false, queueChanged = false;

/** Show the first question of the queue and load the second. Called whenever the queue has changed. */
async function arrange() {
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
  const other = stages.find((stage) => stage !== page.stage);
  if (now && !(same(page.stage.question, now) && showing())) await show(now, same(page.stage.question, now) ? page.stage : other);
  else if (!now) hide();
  const spare = stages.find((stage) => stage !== page.stage);
  if (!queueChanged && next && !same(spare.question, next)) await spare.load(next, namesOf(next));
  for (const question of page.queue) question.clips.forEach(film);
}

async function show(question, stage) {
  if (!same(stage.question, question)) { phase("loading"); await stage.load(question, namesOf(question)); }
  if (!same(page.queue[0], question)) return; // the queue has changed meanwhile
  const before = page.stage;
  page.stage = stage;
  if (before !== stage) { before.pause(); before.root.hidden = true; }
  stage.root.hidden = false;
  stage.mark([]);
  present(question, stage, choose);
  watch(stage);
  fit(stage, question);
  phase("showing");
  restartView();
  document.body.dataset.pair = `${question.query}/${question.round}`;
  stage.play();
  write();
}

function hide() {
  page.stage.pause();
  delete document.body.dataset.pair;
  phase("idle");
}

addEventListener("queue", arrange);
addEventListener("resize", () => { if (page.stage.question) fit(page.stage, page.stage.question); });
