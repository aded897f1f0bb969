// Writes the status of the run and of this annotator to the page.

import { $, clock, count, number, time } from "../base.js";
import { annotator, page } from "./state.js";

const ENOUGH = 10; // answers needed before the pace and the remaining time are shown
const STATES = { training: "Training", waiting: "Waiting for you", paused: "Training is paused", stopped: "Training is stopped", failed: "Training failed", finished: "Training is finished", away: "No connection", refused: "No access" };
export const UNPLAYABLE = "This browser cannot play the clips, even after they were filmed again: start the page with rlhp annotate --codec vp9.";
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

// Sentences

/** Why the server does not respond, in a sentence. */
export function trouble() {
  if (page.error?.status) return page.error.message;
  const kept = page.stored ? " Your answers are kept here." : " Your answers are kept only in this tab: leave it open.";
  return `The server does not respond; trying again.${page.pending.length ? kept : ""} If it was stopped, start it with rlhp annotate.`;
}

/** The number of questions waiting for this annotator, filmed or not. */
export function waiting() {
  const { asked = 0, answered = 0, leased = [] } = page.run ?? {};
  return Math.max(asked - answered - leased.length - page.pending.length, 0);
}

/** Why there is no question to answer. */
function why() {
  const { run, refusal, blocked } = page;
  if (refusal) return `${refusal[0].toUpperCase()}${refusal.slice(1)}.`;
  if (blocked) return UNPLAYABLE;
  if (!run) return "Loading …";
  if (run.problem) return run.problem;
  if (document.body.dataset.phase === "loading") return "Loading …";
  if (run.asked > run.answered) return whyNotYet(run);
  return {
    training: "All questions are answered. Training continues and will ask more.", waiting: "The next question is coming.",
    paused: "All questions are answered, and training is paused.",
    stopped: "All questions are answered, and training is stopped.", failed: `Training failed: ${run.error}`,
    finished: `Training is finished: it used ${run.taken} of ${count(run.labels, "label")}. All questions are answered. Thank you!`,
  }[run.state];
}

function whyNotYet({ filming = 0, leased = [] }) {
  const sentences = [];
  if (filming) sentences.push(filming === 1 ? "The next question is being filmed." : `${filming} questions are being filmed.`);
  if (leased.length) {
    const until = clock(Math.min(...leased.map((lease) => lease.until)));
    sentences.push(leased.length === 1
      ? `Somebody else has ${filming ? "another" : "the last"} question; if it is not answered by ${until}, you get it.`
      : `Other people have ${leased.length} questions; you get those that they do not answer, from ${until} on.`);
  }
  return sentences.join(" ") || "The next question is coming.";
}
