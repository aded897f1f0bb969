// Writes the status of the run and of this annotator to the page.

import { $, annotator, count, number, time } from "./base.js";
import { page } from "./state.js";
import { STATES, waiting, why } from "./words.js";

const ENOUGH = 10; // answers needed before the pace and the remaining time are shown

const listeners = [];
/** Call `listener` whenever the page's state has changed. */
export const listen = (listener) => listeners.push(listener);

export function write() {
  const { run, mine } = page;
  $("undo").disabled = !mine.undoable && !page.pending.length;
  $("why").textContent = why();
  writeState();
  for (const listener of listeners) listener();
  if (!run) return;
  $("task").textContent = run.task.replaceAll("_", " ");
  $("run").textContent = run.run;
  $("who").textContent = annotator === "me" ? "" : annotator;
  $("mine").textContent = `${count(mine.answers + page.pending.length, "answer")} of yours`;
  writeProgress();
}

function writeState() {
  const { run } = page;
  const state = page.refusal ? "refused" : page.away && run?.state !== "finished" ? "away" : run?.state;
  const text = (state === "waiting" && !page.queue.length && run.filming ? "Being filmed" : STATES[state]) ?? "…";
  $("state").dataset.state = state ?? "";
  if ($("state").textContent !== text) $("state").textContent = text;
  $("state").title = run?.error ?? "state of the training";
  const n = waiting();
  document.title = `${n ? `(${n}) ` : ""}${QUESTIONS[run?.kind] ?? QUESTIONS.comparison} · rlhp`;
}

const QUESTIONS = { comparison: "Which is better?", graded_comparison: "Which is better?", ranking: "Which is best?", rating: "How good is it?", good_bad: "Good or bad?" };

function progress(over, early, goal) {
  const { state, step, total_steps, answered, first, taken, labels } = page.run;
  if (over) return `Training is finished: it used ${taken} of ${count(labels, "label")}`;
  if (early) return `${answered} of ${first} first labels; then the policy is trained`;
  const steps = `; step ${number(step)} of ${number(total_steps)}`;
  return `${answered} of ${goal} labels${state === "training" ? steps : ""}`;
}

function writeProgress() {
  const { run } = page, { first, labels } = run;
  const over = run.state === "finished", answered = over ? run.taken : run.answered, early = !over && answered < first;
  const goal = early ? first : Math.max(labels, answered), left = over ? 0 : goal - answered;
  $("progress").textContent = progress(over, early, goal);
  $("pace").textContent = pace(left);
  $("done").style.width = `${(100 * answered) / Math.max(goal, 1)}%`;
  $("bar").setAttribute("aria-valuemax", goal);
  $("bar").setAttribute("aria-valuenow", answered);
  $("bar").setAttribute("aria-valuetext", $("progress").textContent);
  $("mark").hidden = early || !first || first >= goal;
  $("mark").style.left = `${(100 * first) / Math.max(goal, 1)}%`;
}

function pace(left) {
  const { answered, per_hour: rate } = page.run;
  if (!(rate > 0) || answered < ENOUGH || page.mine.answers < ENOUGH) return "";
  return `${count(rate, "label")} an hour${left > 0 ? `, about ${time(left / rate)} to go` : ""}`;
}
