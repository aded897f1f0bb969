// Handles the answer to the question on screen.

import { say, sleep } from "./base.js";
import { keep, send } from "./answers.js";
import { flash, kindOf } from "./panel.js";
import { write } from "./progress.js";
import { active, arrange, timeVisible, minimum, phase } from "./show.js";
import { page, same, showing } from "./state.js";

const OUTLINED = 220; // ms for which the chosen clip is outlined before the next question
const DAY = 86400; // seconds

export function choose(value) {
  const question = page.queue[0];
  if (!showing() || !same(active.question, question)) return;
  if (timeVisible() < minimum()) return say("Look a moment longer.");
  const { query, round, clips, kind } = question;
  page.pending.push({ query, round, clips, kind, value, seen: Math.min(timeVisible() / 1000, DAY) });
  keep();
  page.queue = page.queue.slice(1);
  if (same(page.reopened, question)) page.reopened = null;
  if (!page.away) say(kindOf(question).words(value));
  active.mark(kindOf(question).sides(value));
  flash(value);
  phase("answered");
  page.chosen = sleep(OUTLINED);
  arrange();
  send();
  write();
}
