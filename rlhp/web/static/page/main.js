// Entry point of the page. The next question is loaded in advance, so that it plays at once; answers are kept until the server has them.

import { say, sleep } from "./base.js";
import { fetchQuestions, connected, connectionLost, restore, sinceFetched } from "./answers.js";
import { start as startGuide } from "./guide.js";
import { start as startHelp } from "./help.js";
import { start as startHistory } from "./history.js";
import { start as startKeys } from "./keys.js";
import { start as startNotices } from "./notice.js";
import { enable, drawButtons } from "./panel.js";
import { start as startPlayback } from "./playback.js";
import { write } from "./progress.js";
import { start as startRun } from "./run.js";
import { asOfNow, mine, read } from "./server.js";
import { choose } from "./choose.js";
import { page } from "./state.js";

const POLL = 2000, HEARTBEAT = 20000, ELSEWHERE = 5000; // ms between requests; ELSEWHERE: while the tab is hidden

async function look() {
  const before = page.run?.state, fresh = asOfNow();
  page.run = await read(`api/state?${mine}`);
  connected();
  if (before && before !== page.run.state && page.run.state === "finished") say("Training is finished. Further answers are kept, but not learned from.");
  if (fresh() && !page.pending.length) page.mine = page.run.mine;
}

async function tick() {
  try {
    await look();
    if (page.pending.length || page.queue.length < 2 || sinceFetched() > HEARTBEAT) await fetchQuestions();
  } catch (error) { connectionLost(error); }
  write();
}

/** Update the status while the tab is hidden, as long as the training runs. A hidden tab keeps no questions from other annotators. */
async function glance() {
  if (page.run && !["training", "waiting", "paused"].includes(page.run.state)) return;
  try { await look(); } catch (error) { connectionLost(error); }
  write();
}

async function live() {
  for (;;) {
    await (document.hidden ? glance() : tick());
    await (document.hidden ? sleep(ELSEWHERE) : sleep(page.queue.length && !page.away ? POLL : POLL / 4));
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });

for (const anchor of document.querySelectorAll("a")) anchor.search = location.search; // other pages need the key too
restore();
for (const start of [startPlayback, startKeys, startGuide, startHistory, startHelp, startNotices]) start();
drawButtons("comparison", 2, choose);
enable(false);
live();
startRun();
