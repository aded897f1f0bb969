// Entry point of the page. The next question is loaded in advance, so that it plays at once; answers are kept until the server has them.

import { request, say, sleep } from "../base.js";
import { choose, fetchQuestions, connected, connectionLost, restore, sinceFetched } from "./answers.js";
import "./guide.js";
import "./history.js";
import "./keys.js";
import "./notice.js";
import { enable, drawButtons } from "./panel.js";
import { write } from "./progress.js";
import { follow } from "./run.js";
import { asOfNow, mine, page } from "./state.js";

const POLL = 2000, HEARTBEAT = 20000, ELSEWHERE = 5000; // ms between requests; ELSEWHERE: while the tab is hidden

async function look() {
  const before = page.run?.state, fresh = asOfNow();
  page.run = await request(`api/state?${mine}`);
  connected();
  if (before && before !== page.run.state && page.run.state === "finished") say("Training is finished. Further answers are kept, but not learned from.");
  if (fresh() && !page.pending.length) page.mine = page.run.mine;
}

/** Update the status, while the tab is hidden only as long as the training runs. A hidden tab keeps no questions from other annotators. */
async function tick() {
  if (document.hidden && page.run && !["training", "waiting", "paused"].includes(page.run.state)) return;
  try {
    await look();
    const wanted = page.pending.length || page.queue.length < 2 || sinceFetched() > HEARTBEAT;
    if (wanted && !document.hidden) await fetchQuestions();
  } catch (error) { connectionLost(error); }
  write();
}

async function live() {
  for (;;) {
    await tick();
    await sleep(document.hidden ? ELSEWHERE : page.queue.length && !page.away ? POLL : POLL / 4);
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });

restore();
drawButtons("comparison", 2, choose);
enable(false);
live();
follow();
