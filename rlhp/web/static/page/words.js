// What the page says about where it and the run stand.

import { clock, count } from "./base.js?token={{token}}";
import { isStored } from "./answers.js?token={{token}}";
import { page } from "./state.js?token={{token}}";

export const STATES = { training: "Training", waiting: "Waiting for you", paused: "Training is paused", stopped: "Training is stopped", failed: "Training failed", finished: "The learner is done", away: "No connection", refused: "No access" };
export const UNPLAYABLE = "This browser cannot play the clips, though they were filmed again: serve them with rlhp annotate --codec vp9.";

/** What keeps the server from answering, in a sentence. */
export function trouble() {
  if (page.error?.status) return page.error.message;
  const kept = isStored() ? " Your answers are kept here." : " Your answers are kept in this tab alone: leave it open.";
  return `The page's server does not answer; trying again.${page.pending.length ? kept : ""} If it was stopped, rlhp annotate starts it.`;
}

/** How many questions wait for this person, filmed or not. */
export function waiting() {
  const { asked = 0, answered = 0, leased = [] } = page.run ?? {};
  return Math.max(asked - answered - leased.length - page.pending.length, 0);
}

/** Why there is nothing to answer. */
export function why() {
  const { run, refusal, blocked } = page;
  if (refusal) return `${refusal[0].toUpperCase()}${refusal.slice(1)}.`;
  if (blocked) return UNPLAYABLE;
  if (!run) return "Loading …";
  if (run.problem) return run.problem;
  if (document.body.dataset.phase === "loading") return "Loading …";
  if (run.asked > run.answered) return underWay(run);
  return {
    training: "All questions are answered. Training goes on, and will ask for more.", waiting: "The next question is on its way.",
    paused: "All questions are answered, and training is paused.",
    stopped: "All questions are answered, and training is stopped.", failed: `Training failed: ${run.error}`,
    finished: `The learner is done: it used ${run.taken} of ${count(run.labels, "label")}. All questions are answered. Thank you!`,
  }[run.state];
}

function underWay({ filming = 0, leased = [] }) {
  const said = [];
  if (filming) said.push(filming === 1 ? "The next question is being filmed." : `${filming} questions are being filmed.`);
  if (leased.length) {
    const until = clock(Math.min(...leased.map((lease) => lease.until)));
    said.push(leased.length === 1
      ? `Somebody else has ${filming ? "another" : "the last"} question; if it is not answered by ${until}, it comes to you.`
      : `Other people have ${leased.length} questions; what they do not answer comes to you from ${until} on.`);
  }
  return said.join(" ") || "The next question is on its way.";
}
