// Texts on the status of the page and the run.

import { clock, count } from "./base.js";
import { isStored } from "./answers.js";
import { page } from "./state.js";

export const STATES = { training: "Training", waiting: "Waiting for you", paused: "Training is paused", stopped: "Training is stopped", failed: "Training failed", finished: "Training is finished", away: "No connection", refused: "No access" };
export const UNPLAYABLE = "This browser cannot play the clips, even after they were filmed again: start the page with rlhp annotate --codec vp9.";

/** Why the server does not respond, in a sentence. */
export function trouble() {
  if (page.error?.status) return page.error.message;
  const kept = isStored() ? " Your answers are kept here." : " Your answers are kept only in this tab: leave it open.";
  return `The server does not respond; trying again.${page.pending.length ? kept : ""} If it was stopped, start it with rlhp annotate.`;
}

/** The number of questions waiting for this annotator, filmed or not. */
export function waiting() {
  const { asked = 0, answered = 0, leased = [] } = page.run ?? {};
  return Math.max(asked - answered - leased.length - page.pending.length, 0);
}

/** Why there is no question to answer. */
export function why() {
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
